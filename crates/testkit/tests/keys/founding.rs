//! How a realm gets its keys.

use crate::{Device, PASSWORD, accepts, quick, signer};
use rescind_authority::keys::{KeyState, Purpose};
use rescind_authority::master::MasterKey;
use rescind_authority::memory::MemoryStore;
use rescind_authority::{Authority, Settings};
use rescind_server::keys::MasterSource;
use rescind_server::run::{StartError, World, open};
use rescind_server::store::sqlite::OpenError;
use rescind_testkit::clock::{ManualClock, SeededEntropy};
use rescind_testkit::conformance::{ISSUER, LONGEST_LIFE, START};
use rescind_wire::id::Epoch;
use rescind_wire::jwk::SigningKey;
use rescind_wire::jws::Alg;
use rescind_wire::{b64, sha256};
use rusqlite::Connection;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

async fn authority_over(store: Arc<MemoryStore>, clock: Arc<ManualClock>, seed: u64) -> Authority {
    let master = MasterKey::read(&sha256(&[b"one realm"])).unwrap();
    let sources = (clock as _, Arc::new(SeededEntropy::new(seed)) as _);
    Authority::open(Settings::new(ISSUER), store, sources, master, Vec::new()).await.unwrap()
}

// K12
#[tokio::test(flavor = "multi_thread")]
async fn two_that_start_together_on_an_empty_store_have_the_same_keys() {
    for round in 0..20u64 {
        let clock = Arc::new(ManualClock::new(START));
        let epoch = Epoch::from_bytes([1; 16]);
        let store =
            Arc::new(MemoryStore::new(ISSUER, epoch, LONGEST_LIFE, Arc::clone(&clock) as _));
        let start = |seed: u64| {
            tokio::spawn(authority_over(Arc::clone(&store), Arc::clone(&clock), 2 * round + seed))
        };
        let (one, two) = tokio::join!(start(0), start(1));
        let (one, two) = (one.unwrap(), two.unwrap());
        let stored = one.stored_keys().await.unwrap();
        for kind in [Purpose::Token, Purpose::Feed(0), Purpose::Line(0), Purpose::Csrf(0)] {
            assert_eq!(stored.of(&kind, KeyState::Active).count(), 1, "{kind:?}");
        }
        assert_eq!(one.keyring().token_key().kid(), two.keyring().token_key().kid());
        assert_eq!(one.keyring().mark(), two.keyring().mark());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_realm_opens_by_its_master_key_wherever_that_comes_from_and_by_no_other() {
    let authority = quick().await;
    let device = Device::sign_in(&authority).await;
    let master = std::fs::read(authority.config.keys.join("master.key")).unwrap();
    let moved = authority
        .restart_after(async |config| {
            let mut other = config.clone();
            let wrong = b64::encode(sha256(&[b"another"]));
            other.master = MasterSource::Text(Zeroizing::new(wrong));
            let world = World {
                clock: Arc::new(ManualClock::default()),
                entropy: Arc::new(SeededEntropy::new(5)),
            };
            let opened = open(&other, &world).await.map(|_| ());
            assert!(matches!(opened, Err(StartError::Open(OpenError::OtherKeys))), "{opened:?}");
            std::fs::remove_file(config.keys.join("master.key")).unwrap();
            let missing = open(config, &world).await.map(|_| ());
            assert!(matches!(missing, Err(StartError::Keys(_))), "{missing:?}");
            let other = tempfile::tempdir().unwrap().keep();
            write(&other.join("key"), &master);
            std::fs::rename(other.join("key"), config.keys.join("elsewhere")).unwrap();
            write(&config.keys.join("master.key"), &master);
        })
        .await;
    assert_eq!(device.whoami(&moved).await, 200);
}

fn write(path: &Path, bytes: &[u8]) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}

/// Makes the store and the key folder that version 1 would have left.
fn as_version_1(data: &Path, keys: &Path) -> (String, String) {
    let [token, feed] = [Alg::Es256, Alg::Ed25519].map(|alg| SigningKey::generate(alg).unwrap());
    let kid = |alg, secret: &[u8]| SigningKey::from_secret(alg, secret).unwrap().kid().to_owned();
    let (token_kid, feed_kid) = (kid(Alg::Es256, &token), kid(Alg::Ed25519, &feed));
    write(&keys.join("token.p8"), &token);
    write(&keys.join("feed.p8"), &feed);
    let conn = Connection::open(data.join("rescind.db")).unwrap();
    conn.execute_batch(
        "DROP TRIGGER amount_account_made; DROP TRIGGER amount_account_gone; \
         DROP TRIGGER amount_session_made; DROP TRIGGER amount_session_over; \
         DROP TRIGGER amount_session_gone; DROP TABLE amount; \
         DROP TABLE key; DROP TABLE audit; DROP TABLE gone; DROP INDEX log_key; \
         DROP TRIGGER account_never_returns; DROP TRIGGER realm_only_rises; \
         ALTER TABLE account DROP COLUMN banned; ALTER TABLE realm DROP COLUMN keys_version; \
         ALTER TABLE realm DROP COLUMN swept_to; \
         PRAGMA user_version = 1;",
    )
    .unwrap();
    conn.execute("UPDATE realm SET keys = ?1", [&feed_kid]).unwrap();
    // As version 1 had it, so that the migration finds what it removes.
    conn.execute_batch(
        "CREATE TRIGGER realm_only_rises BEFORE UPDATE ON realm WHEN NEW.keys IS NOT OLD.keys \
         BEGIN SELECT RAISE(ABORT, 'the realm only rises'); END;",
    )
    .unwrap();
    (token_kid, feed_kid)
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_version_1_goes_on_with_its_keys_which_are_wrapped_from_then_on() {
    let authority = quick().await;
    let mut device = Device::sign_in(&authority).await;
    let mut kids = None;
    let authority = authority
        .restart_after(async |config| kids = Some(as_version_1(&config.data, &config.keys)))
        .await;
    let (token_kid, feed_kid) = kids.unwrap();
    let keyring = authority.app.authority.keyring();
    assert_eq!(keyring.token_key().kid(), token_kid);
    assert_eq!(keyring.feed_key().kid(), feed_kid);
    assert_eq!(device.go_on(&authority).await, 200, "the session of before goes on");
    assert_eq!(signer(&device.access), token_kid);
    let verifier = authority.verifier().await;
    assert!(accepts(&authority, &verifier, &device.access).await);
    let left = std::fs::read_dir(&authority.config.keys).unwrap();
    let mut names: Vec<_> = left.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["marker.json", "master.key"]);
    // And once more, as this version.
    let authority = authority.restart().await;
    assert_eq!(device.go_on(&authority).await, 200);
    assert_eq!(authority.app.authority.keyring().token_key().kid(), token_kid);
    authority.http().sign_in("alice", PASSWORD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_version_1_is_not_taken_by_another_folders_keys() {
    let authority = quick().await;
    let device = Device::sign_in(&authority).await;
    let authority = authority
        .restart_after(async |config| {
            let before = std::fs::read(config.data.join("rescind.db")).unwrap();
            as_version_1(&config.data, &config.keys);
            // The feed key of another realm.
            std::fs::remove_file(config.keys.join("feed.p8")).unwrap();
            write(&config.keys.join("feed.p8"), &SigningKey::generate(Alg::Ed25519).unwrap());
            let world = World {
                clock: Arc::new(ManualClock::default()),
                entropy: Arc::new(SeededEntropy::new(6)),
            };
            let opened = open(config, &world).await.map(|_| ());
            assert!(matches!(opened, Err(StartError::Open(OpenError::OtherKeys))), "{opened:?}");
            for file in ["feed.p8", "token.p8"] {
                std::fs::remove_file(config.keys.join(file)).unwrap();
            }
            for part in ["rescind.db-wal", "rescind.db-shm"] {
                let _ = std::fs::remove_file(config.data.join(part));
            }
            std::fs::write(config.data.join("rescind.db"), before).unwrap();
        })
        .await;
    assert_eq!(device.whoami(&authority).await, 200);
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_command_without_the_serving_ones_settings_changes_no_key() {
    let mut authority = quick().await;
    authority.config.settings.token_alg = Some(Alg::Ed25519);
    authority = authority.restart().await;
    assert_eq!(signer_alg(&authority).await, "Ed25519", "nothing was signed before");
    let before = authority.app.authority.stored_keys().await.unwrap();
    authority.config.settings.token_alg = None;
    let authority = authority.restart().await;
    assert_eq!(authority.app.authority.stored_keys().await.unwrap(), before);
}

async fn signer_alg(authority: &rescind_testkit::server::TestAuthority) -> String {
    let token = Device::sign_in(authority).await.access;
    crate::header(&token)["alg"].as_str().unwrap().to_owned()
}
