//! Somebody has one of the keys.

use crate::{Device, PASSWORD, accepts, compromise, kid, published, quick, ripen, rotate, signer};
use rescind_authority::keys::{KeyState, Purpose, StoredKey};
use rescind_authority::line::{Carrier, Line};
use rescind_authority::store::{Load, Write};
use rescind_testkit::accounts::{administer, session_of};
use rescind_testkit::server::{TestAuthority, operator};
use rescind_verifier::{Refusal, Verifier};
use rescind_wire::id::Epoch;
use rescind_wire::token::{Claims, sign};
use serde_json::json;

/// A token that whoever has stolen the active key can make: an owner, born after every entry.
fn forged(authority: &TestAuthority, verifier: &Verifier, honest: &str) -> String {
    let claims = verifier.check(honest).unwrap().claims().clone();
    let forged = Claims { roles: vec!["owner".into()], rv: u64::MAX / 2, ..claims };
    sign(&forged, authority.app.authority.keyring().token_key()).unwrap()
}

// K06 R-11
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_is_refused_everywhere_with_all_it_has_signed_and_people_go_on() {
    let authority = quick().await;
    let (one, two) = (authority.verifier().await, authority.verifier().await);
    let mut device = Device::sign_in(&authority).await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    let honest = device.access.clone();
    let forged = forged(&authority, &one, &honest);
    assert!(one.check(&forged).is_ok(), "that is what a stolen key is worth until then");

    compromise(&authority, &signer(&honest)).await;
    for verifier in [&one, &two] {
        authority.caught_up(verifier).await;
        for token in [&honest, &forged] {
            assert!(verifier.check(token).is_err());
            assert!(verifier.check_online(token).await.is_err());
        }
    }
    // One that starts only now, and the next run of the authority.
    let authority = authority.restart().await;
    let fresh = authority.verifier().await;
    for token in [&honest, &forged] {
        assert!(fresh.check(token).is_err());
        assert!(!accepts(&authority, &one, token).await);
    }
    assert!(!published(&authority).await.contains(&signer(&honest)));
    assert_eq!(device.go_on(&authority).await, 200, "after one refresh");
    for verifier in [&one, &two, &fresh] {
        assert!(accepts(&authority, verifier, &device.access).await);
    }
    assert_eq!(browser.get("/whoami").await.status, 200);
}

// K06
#[tokio::test(flavor = "multi_thread")]
async fn a_key_stolen_after_its_time_or_before_it_is_refused_as_well() {
    let authority = quick().await;
    let verifier = authority.verifier().await;
    let mut device = Device::sign_in(&authority).await;
    let old = device.access.clone();
    ripen(&authority);
    rotate(&authority, "token").await;
    assert!(accepts(&authority, &verifier, &old).await);
    assert_eq!(device.go_on(&authority).await, 200);
    compromise(&authority, &signer(&old)).await;
    assert!(!accepts(&authority, &verifier, &old).await);
    assert!(accepts(&authority, &verifier, &device.access).await, "that of the active one lives");

    let next = kid(&authority, &Purpose::Token, KeyState::Next).await;
    compromise(&authority, &next).await;
    assert!(!published(&authority).await.contains(&next));
    assert!(accepts(&authority, &verifier, &device.access).await);
    assert_ne!(kid(&authority, &Purpose::Token, KeyState::Next).await, next, "there is another");
}

// K06 R-58
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_stays_refused_in_a_new_epoch() {
    let authority = quick().await;
    let verifier = authority.verifier().await;
    let honest = Device::sign_in(&authority).await.access;
    let forged = forged(&authority, &verifier, &honest);
    compromise(&authority, &signer(&honest)).await;
    let store = authority.app.authority.store();
    let head = store.head().await.unwrap();
    let record = rescind_testkit::conformance::epoch_record();
    store.open_epoch(Epoch::from_bytes([7; 16]), head.ts + 1, false, record).await.unwrap();
    let key = rescind_wire::revocation::Target::Key(signer(&honest)).key(authority.issuer());
    let entries = store.log(0, 9).await.unwrap().entries.unwrap();
    assert!(entries.iter().any(|e| e.key == key && e.until == u64::MAX));
    let fresh = authority.verifier().await;
    assert!(fresh.check(&forged).is_err());
    assert!(!accepts(&authority, &verifier, &forged).await);
}

// K06 R-58
#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_of_the_store_does_not_trust_a_stolen_key_again() {
    let authority = quick().await;
    let verifier = authority.verifier().await;
    let honest = Device::sign_in(&authority).await.access;
    let forged = forged(&authority, &verifier, &honest);
    let stolen = signer(&honest);
    let backup = tempfile::tempdir().unwrap();
    let file = backup.path().join("rescind.db");
    let kept = file.clone();
    let authority = authority
        .restart_after(async move |config| {
            std::fs::copy(config.data.join("rescind.db"), kept).unwrap();
        })
        .await;
    compromise(&authority, &stolen).await;
    let authority = authority
        .restart_after(async move |config| {
            for part in ["rescind.db", "rescind.db-wal", "rescind.db-shm"] {
                let _ = std::fs::remove_file(config.data.join(part));
            }
            std::fs::copy(file, config.data.join("rescind.db")).unwrap();
        })
        .await;
    assert!(!published(&authority).await.contains(&stolen));
    assert_ne!(signer(&Device::sign_in(&authority).await.access), stolen);
    let fresh = authority.verifier().await;
    for verifier in [&fresh, &verifier] {
        assert!(!accepts(&authority, verifier, &forged).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_line_key_is_shut_out_and_everybody_signs_in_again() {
    let authority = quick().await;
    let verifier = authority.verifier().await;
    let mut device = Device::sign_in(&authority).await;
    let sid = session_of(&authority, &device.refresh);
    // The thief writes the next credential by himself, and moves the line with it.
    let keyring = authority.app.authority.keyring();
    let written = keyring.seal(Line { carrier: Carrier::Token, sid, generation: 0 });
    let mut thief = Device { access: String::new(), refresh: written.expose().to_owned() };
    assert_eq!(thief.go_on(&authority).await, 200);
    compromise(&authority, "line-1").await;
    authority.caught_up(&verifier).await;
    assert!(matches!(verifier.check(&thief.access), Err(Refusal::Revoked)));
    for device in [&mut thief, &mut device] {
        assert_eq!(device.go_on(&authority).await, 400);
        assert_eq!(device.whoami(&authority).await, 401);
    }
    let fresh = Device::sign_in(&authority).await;
    let sid = session_of(&authority, &fresh.refresh);
    let written = keyring.seal(Line { carrier: Carrier::Token, sid, generation: 0 });
    let thief = Device { access: String::new(), refresh: written.expose().to_owned() };
    assert_eq!(thief.whoami(&authority).await, 401, "a line of the old key opens no new session");
    assert_eq!(fresh.whoami(&authority).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_csrf_key_makes_no_value_that_fits() {
    let authority = quick().await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    let old = browser.jar["XSRF-TOKEN"].clone();
    compromise(&authority, "csrf-1").await;
    assert_eq!(browser.post("/logout").await.status, 403);
    assert_eq!(browser.get("/whoami").await.status, 200);
    assert_ne!(browser.jar["XSRF-TOKEN"], old);
    assert_eq!(browser.post("/logout").await.status, 204);
}

// P03
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_feed_key_is_proof_of_nothing() {
    let authority = quick().await;
    let rules = &authority.app.authority;
    let before = rules.keyring();
    let head = rules.store().head().await.unwrap();
    let lie = rescind_wire::frame::Head {
        nonce: [1; 16],
        position: rescind_wire::frame::Position { pos: head.pos + 99, ..head.position() },
        utc: 0,
        keys: before.mark(),
        age: 0,
        staleness_ms: 1,
    };
    let frame = rescind_wire::frame::Frame::Head(lie);
    let sealed = rescind_wire::frame::seal(&frame, authority.issuer(), before.feed_key()).unwrap();
    assert!(rules.open_own_frame(&sealed).is_some());
    rules.retire_key(before.feed_key().kid(), true, operator()).await.unwrap();
    assert!(rules.open_own_frame(&sealed).is_none());
    let epoch = rules.store().head().await.unwrap().epoch;
    authority.app.feed.head([2; 16], Some(&sealed)).await.unwrap();
    assert_eq!(rules.store().head().await.unwrap().epoch, epoch, "no new epoch by a forged proof");
    let verifier = authority.verifier().await;
    let token = Device::sign_in(&authority).await.access;
    assert!(accepts(&authority, &verifier, &token).await);
}

/// Runs the authority on a copy of its store from before `between`, with the key folder as it is.
async fn on_an_older_copy(
    authority: TestAuthority,
    between: impl AsyncFnOnce(&TestAuthority),
) -> TestAuthority {
    let backup = tempfile::tempdir().unwrap();
    let file = backup.path().join("rescind.db");
    let kept = file.clone();
    let authority = authority
        .restart_after(async move |config| {
            std::fs::copy(config.data.join("rescind.db"), kept).unwrap();
        })
        .await;
    between(&authority).await;
    authority
        .restart_after(async move |config| {
            for part in ["rescind.db", "rescind.db-wal", "rescind.db-shm"] {
                let _ = std::fs::remove_file(config.data.join(part));
            }
            std::fs::copy(file, config.data.join("rescind.db")).unwrap();
        })
        .await
}

// K06 R-58
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_that_an_old_copy_has_never_seen_is_not_made_again() {
    let authority = on_an_older_copy(quick().await, async |authority| {
        rotate(authority, "line").await;
        for kid in ["line-1", "line-2", "csrf-1"] {
            compromise(authority, kid).await;
        }
    })
    .await;
    let stored = authority.app.authority.stored_keys().await.unwrap();
    let state = |kid: &str| stored.find(kid).map(|k| k.state);
    for kid in ["line-1", "line-2", "csrf-1"] {
        assert_eq!(state(kid), Some(KeyState::Compromised), "{kid}");
    }
    assert_eq!(kid(&authority, &Purpose::Line(0), KeyState::Active).await, "line-3");
    rotate(&authority, "line").await;
    assert_eq!(kid(&authority, &Purpose::Line(0), KeyState::Active).await, "line-4");
    // And after one more restart, of which the marker must not have lost anything.
    let authority = on_an_older_copy(authority, async |_| {}).await;
    let stored = authority.app.authority.stored_keys().await.unwrap();
    assert_eq!(stored.find("line-2").map(|k| k.state), Some(KeyState::Compromised));
}

// P03 R-58
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_runs_believes_a_stolen_feed_key_no_more() {
    let authority = quick().await;
    let verifier = authority.verifier().await;
    let stolen = authority.app.authority.keyring();
    compromise(&authority, stolen.feed_key().kid()).await;
    let token = Device::sign_in(&authority).await.access;
    assert!(accepts(&authority, &verifier, &token).await, "it goes on by the next one");
    let metadata = authority.http().get("/.well-known/oauth-authorization-server", &[]).await;
    assert!(!metadata.text().contains(stolen.feed_key().kid()));
}

// K06
#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_nobody_waited_for_is_taken_up_all_the_same() {
    let authority = quick().await;
    let own = &authority.app.authority;
    let mut committed = own.store().committed();
    committed.mark_unchanged();
    tokio::select! {
        biased;
        _ = committed.changed() => {}
        _ = own.retire_key("line-1", true, operator()) => {}
    }
    let stored = own.stored_keys().await.unwrap();
    assert_eq!(stored.find("line-1").unwrap().state, KeyState::Compromised);
    own.tend_keys().await.unwrap();
    assert_eq!(own.keyring().version(), stored.version);
    assert!(own.keyring().is_compromised("line-1"));
}

// K06
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_that_the_marker_cannot_keep_is_not_answered_as_done() {
    let authority = quick().await;
    let keys = authority.config.keys.clone();
    let retire = || {
        let body = json!({ "kid": "csrf-1", "compromised": true });
        administer(&authority, "/admin/keys/retire", body)
    };
    // What is a folder is no file to write over.
    let marker = keys.join("marker.json");
    std::fs::rename(&marker, keys.join("aside")).unwrap();
    std::fs::create_dir(&marker).unwrap();
    let refused = retire().await.unwrap_err();
    assert!(refused.to_string().contains("marker.json"), "{refused}");
    std::fs::remove_dir(&marker).unwrap();
    std::fs::rename(keys.join("aside"), &marker).unwrap();
    let again = retire().await.unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    assert!(std::fs::read_to_string(&marker).unwrap().contains("csrf-1"));
}

// K06
#[tokio::test(flavor = "multi_thread")]
async fn many_stolen_keys_at_once_are_all_in_the_marker_when_it_is_answered() {
    let authority = quick().await;
    for _ in 0..8 {
        rotate(&authority, "csrf").await;
        rotate(&authority, "line").await;
    }
    let marker = authority.config.keys.join("marker.json");
    let condemn = async |kind: &str, n: u32| {
        let kid = format!("{kind}-{n}");
        compromise(&authority, &kid).await;
        assert!(std::fs::read_to_string(&marker).unwrap().contains(&format!("\"{kid}\"")));
    };
    let all = (1..=9).flat_map(|n| [condemn("csrf", n), condemn("line", n)]);
    futures_util::future::join_all(all).await;
}

// K06
#[tokio::test(flavor = "multi_thread")]
async fn line_keys_are_kept_for_when_one_is_stolen() {
    let authority = quick().await;
    let own = &authority.app.authority;
    let first = own.stored_keys().await.unwrap().find("line-1").unwrap().clone();
    let (from, to) = (KeyState::Active, KeyState::Retired);
    let last = StoredKey { kid: "line-239".into(), purpose: Purpose::Line(239), ..first };
    let writes = vec![
        Write::MoveKey { kid: "line-1".into(), from, to, at: last.since },
        Write::PutKey(Box::new(last)),
    ];
    own.store().transact(Load::default(), Box::new(|_| writes)).await.unwrap();
    own.tend_keys().await.unwrap();
    let body = json!({ "purpose": "line" });
    let refused = administer(&authority, "/admin/keys/rotate", body).await.unwrap_err();
    assert!(refused.to_string().contains("kept for stolen ones"), "{refused}");
    for n in 239..255 {
        compromise(&authority, &format!("line-{n}")).await;
    }
    assert_eq!(kid(&authority, &Purpose::Line(0), KeyState::Active).await, "line-255");
}
