//! What goes through a relay.

use crate::proxy::{FEED, HEAD, SNAPSHOT};
use crate::{
    HEADS, S, ask_head, behind_proxy, is_revoked, is_stale, quick, read_head, ready, revoke,
    revoke_nobodys, sign_in, status, verifier_at,
};
use futures_util::future::join_all;
use http::Method;
use rescind_server::run::Config;
use rescind_testkit::http::{Http, basic};
use rescind_testkit::relay::TestRelay;
use rescind_testkit::server::{PASSWORD, until};
use rescind_wire::b64;
use rescind_wire::frame::{MAX_FRAME, next_frame};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

// P07
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_arrives_behind_a_relay_and_online_asks_through_it() {
    let authority = quick().await;
    let relay = TestRelay::start(&authority).await;
    let url = relay.url();
    let verifiers = join_all((0..20).map(|_| verifier_at(&authority, &url))).await;
    assert_eq!(authority.app.feed.followers(), 1, "only the relay follows the authority");

    let ((gone, sid), (good, _)) = (sign_in(&authority).await, sign_in(&authority).await);
    for verifier in &verifiers {
        assert!(verifier.check_online(&gone).await.is_ok());
    }
    revoke(&authority, sid).await;
    let refused = || verifiers.iter().all(|verifier| is_revoked(&verifier.check(&gone)));
    until("the revocation is everywhere", refused).await;
    for verifier in &verifiers {
        assert!(verifier.check(&good).is_ok());
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_goes_through_a_relay_and_ends_only_who_says_it() {
    let authority = quick().await;
    let relay = TestRelay::start(&authority).await;
    let (stays, goes) =
        (verifier_at(&authority, &relay.url()).await, verifier_at(&authority, &relay.url()).await);
    let (token, _) = sign_in(&authority).await;
    let fleet = || authority.app.feed.fleet().seen(authority.app.feed.position()).len();
    assert_eq!(fleet(), 2);
    goes.leave().await;
    assert_eq!(fleet(), 1);
    assert!(is_stale(&goes.check(&token)) && stays.check(&token).is_ok());
}

// P07
#[tokio::test(flavor = "multi_thread")]
async fn online_knows_what_was_committed_before_it_was_asked_also_while_the_feed_is_down() {
    let (authority, proxy) = behind_proxy().await;
    let relay = TestRelay::start(&authority).await;
    let verifier = verifier_at(&authority, &relay.url()).await;
    let (gone, sid) = sign_in(&authority).await;
    assert!(verifier.check_online(&gone).await.is_ok());
    proxy.down(FEED);
    revoke(&authority, sid).await;
    assert!(verifier.check_online(&gone).await.is_err());
    proxy.pass(FEED);
    until("the relay catches up", || is_revoked(&verifier.check(&gone))).await;
}

// P07
#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_by_a_request_that_was_sent_after_it_came() {
    let (authority, proxy) = behind_proxy().await;
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let url = relay.url();
    // The client is known to the gate from here on.
    assert_eq!(ask_head(&authority, &url, [1; 16]).await.status, 200);

    // The authority has answered the first; the answer is on its way while an entry is committed.
    let asked = proxy.frames(HEADS).len();
    let open = proxy.hold(HEADS);
    let first = ask_head(&authority, &url, [2; 16]);
    let then = async {
        until("the first is answered", || proxy.frames(HEADS).len() > asked).await;
        let pos = revoke_nobodys(&authority, 1).await;
        let later = (3..8).map(|n| ask_head(&authority, &url, [n; 16]));
        let release = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            proxy.pass(HEADS);
            open.send(true).unwrap();
        };
        let (later, ()) = tokio::join!(join_all(later), release);
        (pos, later)
    };
    let (first, (pos, later)) = tokio::join!(first, then);
    assert!(read_head(&authority, &first.body).position.pos < pos);
    for (answer, nonce) in later.iter().zip(3..) {
        let head = read_head(&authority, &answer.body);
        assert_eq!(head.nonce, [nonce; 16]);
        assert!(head.position.pos >= pos, "answered from before it came");
    }
}

// P09
#[tokio::test(flavor = "multi_thread")]
async fn questions_that_come_meanwhile_share_one_request() {
    let (authority, proxy) = behind_proxy().await;
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let url = relay.url();
    assert_eq!(ask_head(&authority, &url, [1; 16]).await.status, 200);
    let before = proxy.asked(HEADS);
    let open = proxy.hold(HEADS);
    let questions = join_all((0..200).map(|n| ask_head(&authority, &url, [n; 16])));
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        proxy.pass(HEADS);
        open.send(true).unwrap();
    };
    let (answers, ()) = tokio::join!(questions, release);
    assert!(answers.iter().all(|answer| answer.status == 200));
    let asked = proxy.asked(HEADS) - before;
    assert!(asked < 20, "200 questions took {asked} requests");
    assert_eq!((proxy.asked(HEAD), proxy.asked(SNAPSHOT)), (0, 1), "nobody asked beside it");
    let metrics = status(&relay, "/metrics").await.text();
    assert!(metrics.contains("rescind_relay_batch_questions_sum"), "{metrics}");
}

/// Several questions at once, as a relay asks them.
fn batch(nonces: &[[u8; 16]]) -> String {
    let question =
        |nonce| json!({ "nonce": b64::encode(nonce), "instance": crate::INSTANCE, "applied": 0 });
    json!(nonces.iter().map(question).collect::<Vec<_>>()).to_string()
}

// P09
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_in_its_order_and_is_bounded() {
    let authority = quick().await;
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let credentials = basic("posts-api", &authority.secret);
    let headers = [("authorization", credentials.as_str()), ("content-type", "application/json")];
    for at in [authority.issuer().to_owned(), relay.url()] {
        let http = Http::new(&at);
        let send = |body: String| http.send(Method::POST, HEADS, &headers, body);
        let nonces: Vec<_> = (0..100).map(|n| [n; 16]).collect();
        let answer = send(batch(&nonces)).await;
        assert_eq!(answer.status, 200, "{at}");
        let mut rest = answer.body.clone();
        for nonce in nonces {
            let length = next_frame(&rest, MAX_FRAME).unwrap().unwrap();
            assert_eq!(read_head(&authority, &rest.split_to(length)).nonce, nonce);
        }
        assert!(rest.is_empty());
        let none = send("[]".into()).await;
        assert_eq!((none.status.as_u16(), none.body.len()), (200, 0));
        let bad = json!([{ "nonce": "x", "instance": crate::INSTANCE, "applied": 0 }]).to_string();
        for refused in [batch(&[[0; 16]; 513]), bad, "{}".into(), "[1]".into(), "[".into()] {
            assert_eq!(send(refused).await.status, 400, "{at}");
        }
        let answer = http.send(Method::POST, HEADS, &headers[1..], batch(&[[1; 16]])).await;
        assert_eq!(answer.status, 401, "{at}");
    }
}

// P07
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_behind_a_relay_serves_as_well() {
    let authority = quick().await;
    let near = TestRelay::start(&authority).await;
    let url = near.url();
    let far = TestRelay::start_with(&authority, "far", |config| config.from = Some(url)).await;
    let verifier = verifier_at(&authority, &far.url()).await;
    assert_eq!(authority.app.feed.followers(), 1);
    let (gone, sid) = sign_in(&authority).await;
    assert!(verifier.check_online(&gone).await.is_ok());
    revoke(&authority, sid).await;
    assert!(is_revoked(&verifier.check_online(&gone).await));
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

// P05 R-58
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_noticed_by_what_a_verifier_behind_a_relay_has_seen() {
    let authority = quick().await;
    let relay = TestRelay::start(&authority).await;
    let (gone, sid) = sign_in(&authority).await;
    let backup = |config: &Config| config.data.with_extension("backup");
    let authority =
        authority.restart_after(async |config| copy(&config.data, &backup(config))).await;
    let verifier = verifier_at(&authority, &relay.url()).await;
    assert!(verifier.check_online(&gone).await.is_ok());
    revoke(&authority, sid).await;
    assert!(is_revoked(&verifier.check_online(&gone).await));
    let epoch = verifier.status().epoch;
    // Without the marker only what was signed can tell.
    let authority = authority
        .restart_after(async |config| {
            copy(&backup(config), &config.data);
            std::fs::remove_file(config.keys.join("marker.json")).unwrap();
        })
        .await;
    until("the new epoch", || verifier.status().epoch != epoch && verifier.status().ready).await;
    assert!(is_revoked(&verifier.check(&gone)));
    authority.caught_up(&verifier).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_a_relay_stands_in_the_documents_and_no_other_does() {
    const METRICS: &str = include_str!("../../../../docs/metrics.md");
    let authority = quick().await;
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let text = status(&relay, "/metrics").await.text();
    let exposed = text.lines().filter_map(|line| line.strip_prefix("# TYPE rescind_relay_"));
    let exposed = exposed.map(|line| line.trim_end().replace("_total ", " "));
    let rows = METRICS.lines().filter_map(|line| line.strip_prefix("| `rescind_relay_"));
    let documented = rows.map(|row| {
        let (name, rest) = row.split_once("` | ").unwrap();
        let kind = rest.split(' ').next().unwrap();
        format!("{} {kind}", name.trim_end_matches("_total"))
    });
    let (exposed, documented): (BTreeSet<_>, BTreeSet<_>) =
        (exposed.collect(), documented.collect());
    assert_eq!(exposed, documented);
    assert!(text.contains("\nrescind_ready 1\n"), "{text}");
}

//
#[tokio::test(flavor = "multi_thread")]
async fn what_a_relay_says_for_a_verifier_is_named_so() {
    let authority = quick().await;
    authority.clock.advance(S + Duration::from_secs(1));
    let relay = TestRelay::start(&authority).await;
    let near = authority.verifier().await;
    let far = verifier_at(&authority, &relay.url()).await;
    let tokens = authority.http().sign_in("alice", PASSWORD).await;
    let [access, refresh] = ["access_token", "refresh_token"].map(|t| tokens[t].as_str().unwrap());
    let head = authority.app.authority.store().head().await.unwrap();
    until("both are known at the head", || {
        let seen = authority.app.feed.fleet().seen(head.position());
        seen.iter().filter(|seen| seen.epoch_ok && seen.applied == head.pos).count() == 2
    })
    .await;
    let path = "/logout/everywhere?wait=fleet";
    let answer = authority.http().send_as(Method::POST, path, refresh).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let enforced = answer.json()["enforced"].clone();
    assert_eq!((&enforced["on"], &enforced["of"]), (&2.into(), &2.into()), "{enforced}");
    assert_eq!(enforced["relayed"], 1, "{enforced}");
    assert!([near, far].iter().all(|verifier| is_revoked(&verifier.check(access))));
}
