//! A store and its keys that do not belong together, and epochs that were lost.

use crate::{text, with_alice};
use http::Method;
use rescind_server::run::{Config, StartError, World, open};
use rescind_server::store::sqlite::OpenError;
use rescind_testkit::accounts::session_of;
use rescind_testkit::clock::SeededEntropy;
use rescind_testkit::server::operator;
use rescind_testkit::server::{AUDIENCE, PASSWORD, TestAuthority};
use rescind_verifier::Refusal;
use rescind_wire::b64;
use rescind_wire::frame::{Frame, Position};
use rescind_wire::revocation::Target;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The files of a folder and what is in them.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(read).collect()
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for name in contents(from).keys() {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_store_beside_keys_that_have_served_takes_everything_back() {
    let mut authority = with_alice().await;
    let http = authority.http();
    let (revoked, kept) =
        (http.sign_in("alice", PASSWORD).await, http.sign_in("alice", PASSWORD).await);
    let (revoked_refresh, kept_refresh) =
        (text(&revoked, "refresh_token"), text(&kept, "refresh_token"));
    let target = Target::Session(session_of(&authority, &revoked_refresh));
    authority.app.authority.revoke(target, operator()).await.unwrap();
    let before = authority.app.authority.store().head().await.unwrap();
    // Past every log time of before: only the folder's emptiness tells.
    authority.clock.advance(SECOND);
    let empty = async |config: &Config| std::fs::remove_dir_all(&config.data).unwrap();
    authority = authority.restart_after(empty).await;

    let head = authority.app.authority.store().head().await.unwrap();
    assert_ne!(head.epoch, before.epoch);
    assert!(head.pos >= 1 && head.ts > before.ts, "{head:?}");
    readmit(&mut authority).await;
    let verifier = authority.verifier().await;
    for (tokens, refresh) in [(&revoked, &revoked_refresh), (&kept, &kept_refresh)] {
        let judged = verifier.check(tokens["access_token"].as_str().unwrap());
        // The keys are gone with the store; if they were not, its new epoch would say so.
        assert!(matches!(judged, Err(Refusal::InvalidToken(_) | Refusal::Revoked)), "{judged:?}");
        assert_eq!(authority.http().refresh(refresh, None).await.status, 400);
    }
    let fresh = authority.http().sign_in("alice", PASSWORD).await;
    assert!(verifier.check(fresh["access_token"].as_str().unwrap()).is_ok());

    // Once is enough: the next start finds its own store.
    let head = authority.app.authority.store().head().await.unwrap();
    let authority = authority.restart().await;
    assert_eq!(authority.app.authority.store().head().await.unwrap().epoch, head.epoch);
    let refresh = fresh["refresh_token"].as_str().unwrap();
    assert_eq!(authority.http().refresh(refresh, None).await.status, 200);
}

/// Makes the API server and the account again that an emptied store has lost.
async fn readmit(authority: &mut TestAuthority) {
    let permissions = vec![rescind_authority::clients::Permission::Feed];
    let rules = &authority.app.authority;
    let made =
        rules.add_client(AUDIENCE, vec![AUDIENCE.to_owned()], permissions, &operator()).await;
    authority.secret = made.unwrap().expose().to_owned();
    authority.person("alice").await;
}

/// Asks for a head with this evidence; the answer as signed, and where it says the log stands.
async fn ask_head(authority: &TestAuthority, seen: Option<&[u8]>) -> (Vec<u8>, Position) {
    let mut body = json!({
        "nonce": b64::encode([7; 16]),
        "instance": b64::encode([0; 16]),
        "applied": 0,
    });
    if let Some(seen) = seen {
        body["seen"] = b64::encode(seen).into();
    }
    let mut basic = b64::encode(format!("{AUDIENCE}:{}", authority.secret));
    basic = basic.replace('-', "+").replace('_', "/");
    while basic.len() % 4 != 0 {
        basic.push('=');
    }
    let basic = format!("Basic {basic}");
    let headers = [("authorization", basic.as_str()), ("content-type", "application/json")];
    let http = authority.http();
    let answer = http.send(Method::POST, "/v1/head", &headers, body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let keyring = authority.app.authority.keyring();
    let opened = rescind_wire::frame::open(&answer.body, authority.issuer(), keyring.feed_public());
    match opened.unwrap() {
        Frame::Head(head) => (answer.body.to_vec(), head.position),
        other => panic!("no head: {other:?}"),
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_later_head_of_a_lost_epoch_proves_a_rollback_and_an_earlier_one_does_not() {
    let mut authority = with_alice().await;
    let secret = authority.secret.clone();
    let kept = text(&authority.http().sign_in("alice", PASSWORD).await, "refresh_token");
    let target = Target::Client("nobody".into());
    authority.app.authority.revoke(target, operator()).await.unwrap();
    let (first_frame, first) = ask_head(&authority, None).await;
    authority.clock.advance(SECOND);
    authority = authority
        .restart_after(async |config: &Config| {
            copy(&config.data, &config.data.with_extension("backup"));
            std::fs::copy(config.keys.join("marker.json"), config.keys.join("before")).unwrap();
            std::fs::remove_dir_all(&config.data).unwrap();
        })
        .await;
    readmit(&mut authority).await;
    let (lost_frame, lost) = ask_head(&authority, None).await;
    assert!(lost.epoch != first.epoch && lost.ts > first.ts);
    // What is of an epoch before is behind this one: it proves nothing.
    assert_eq!(ask_head(&authority, Some(&first_frame)).await.1, lost);

    // The first epoch is put back, and the marker with it: nothing here knows of the second.
    authority = authority
        .restart_after(async |config: &Config| {
            copy(&config.data.with_extension("backup"), &config.data);
            std::fs::rename(config.keys.join("before"), config.keys.join("marker.json")).unwrap();
        })
        .await;
    authority.secret = secret;
    assert_eq!(ask_head(&authority, Some(&first_frame)).await.1, first);
    assert_eq!(authority.http().get_as("/whoami", &kept).await.status, 200, "nobody has noticed");

    let (_, opened) = ask_head(&authority, Some(&lost_frame)).await;
    assert!(opened.epoch != first.epoch && opened.epoch != lost.epoch);
    assert!(opened.ts > lost.ts, "{opened:?} is not later than {lost:?}");
    assert_eq!(ask_head(&authority, Some(&lost_frame)).await.1, opened, "one epoch is opened");
    assert_eq!(authority.http().get_as("/whoami", &kept).await.status, 401);
    assert_eq!(authority.http().refresh(&kept, None).await.status, 400);
    let verifier = authority.verifier().await;
    let fresh = authority.http().sign_in("alice", PASSWORD).await;
    assert!(verifier.check(fresh["access_token"].as_str().unwrap()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_another_realm_are_refused_and_nothing_is_changed() {
    let (authority, other) = (with_alice().await, with_alice().await);
    let refresh = text(&authority.http().sign_in("alice", PASSWORD).await, "refresh_token");
    let stood = authority.app.authority.store().head().await.unwrap();
    let foreign = other.config.keys.clone();
    let _folder = other.stop().await;
    let clock = Arc::clone(&authority.clock);
    let authority = authority
        .restart_after(async |config: &Config| {
            let mut mixed = config.clone();
            mixed.keys = foreign;
            let folders = || (contents(&mixed.data), contents(&mixed.keys), contents(&config.keys));
            let before = folders();
            let world = World { clock, entropy: Arc::new(SeededEntropy::new(99)) };
            let opened = open(&mixed, &world).await.map(|_| "an open store");
            assert!(matches!(opened, Err(StartError::Open(OpenError::OtherKeys))), "{opened:?}");
            assert!(opened.unwrap_err().to_string().contains("--keys"));
            assert_eq!(folders(), before);
        })
        .await;
    assert_eq!(authority.app.authority.store().head().await.unwrap(), stood);
    assert_eq!(authority.http().refresh(&refresh, None).await.status, 200);
}
