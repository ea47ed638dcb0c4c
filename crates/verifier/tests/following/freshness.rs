//! Freshness: what gives it, what does not, and routes that ask for more of it.

use crate::support::{Authority, Fault, soon, until, within};
use crate::{SOON, STALE};
use rescind_verifier::{BuildError, Refusal};
use rescind_wire::frame::{Frame, Head, KeysMark, seal};
use rescind_wire::revocation::Target;
use rescind_wire::{b64, sha256};
use std::sync::atomic::Ordering;
use std::time::Duration;

// P06
#[tokio::test]
async fn before_snapshot_and_head_nothing_is_accepted_and_nothing_called_invalid() {
    let (authority, listener) = Authority::bind().await;
    let token = authority.token(1);
    let verifier = authority.builder().start().unwrap();
    for token in [token.as_str(), "rubbish"] {
        assert_eq!(verifier.check(token).unwrap_err(), STALE);
    }
    assert!(!verifier.status().ready);
    authority.fault("/head", Fault::Down);
    authority.answer_on(listener);
    until("the snapshot", || verifier.status().epoch.is_some()).await;
    assert_eq!(verifier.check(&token).unwrap_err(), STALE, "no head yet");
    authority.fault("/head", None);
    until("the head", || verifier.status().ready).await;
    assert!(verifier.check(&token).is_ok());
}

// P07
#[tokio::test]
async fn cut_off_from_the_authority_a_verifier_turns_stale_and_comes_back() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    let token = authority.token(1);
    authority.fault("/head", Fault::Down);
    let asked = authority.asked("/head");
    until("a failed head", || authority.asked("/head") > asked + 1).await;
    assert!(verifier.check(&token).is_ok(), "within its bound");
    authority.clock.advance(Duration::from_secs(11));
    assert_eq!(verifier.check(&token).unwrap_err(), STALE);
    let status = verifier.status();
    assert!(!status.ready && status.staleness.unwrap() >= Duration::from_secs(11));
    authority.fault("/head", None);
    until("freshness", || verifier.check(&token).is_ok()).await;
}

// The more often a feed is asked for in vain, the longer the pause: whoever the authority answers again has nothing to
// wait for.
#[tokio::test]
async fn who_is_answered_again_asks_for_the_feed_at_once() {
    let authority = Authority::serve().await;
    let mut verifiers = Vec::new();
    for _ in 0..8 {
        verifiers.push(authority.verifier().await);
    }
    until("the feeds", || authority.feeds.load(Ordering::SeqCst) == 8).await;
    for path in ["/feed", "/head"] {
        authority.fault(path, Fault::Down);
    }
    let asked = authority.asked("/feed");
    // Each is told again that the log is another one, and asks anew.
    authority.restore();
    // Four each: the next pause is eight seconds or so.
    within(Duration::from_secs(60), "feeds in vain", || authority.asked("/feed") >= asked + 8 * 4)
        .await;
    authority.fault("/feed", None);
    authority.fault("/head", None);
    within(Duration::from_millis(2_500), "the feeds", || {
        authority.feeds.load(Ordering::SeqCst) == 8
    })
    .await;
    authority.revoke(&Target::Session(authority.claims(1).sid));
    let token = authority.token(1);
    for verifier in verifiers {
        soon("the news", || verifier.check(&token).is_err_and(|e| e == Refusal::Revoked)).await;
    }
}

// A connection that fell silent during an outage is not waited for.
#[tokio::test]
async fn a_feed_from_before_an_outage_is_asked_for_anew() {
    let authority = Authority::serve().await;
    let _verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let (feeds, heads) = (authority.asked("/feed"), authority.asked("/head"));
    authority.fault("/head", Fault::Down);
    until("a failed head", || authority.asked("/head") > heads + 1).await;
    assert_eq!(authority.asked("/feed"), feeds, "it may still speak");
    authority.fault("/head", None);
    within(Duration::from_millis(2_500), "another", || authority.asked("/feed") == feeds + 1).await;
}

#[tokio::test]
async fn who_starts_before_the_authority_is_ready_soon_after_it() {
    let (authority, listener) = Authority::bind().await;
    let verifiers: Vec<_> = (0..8).map(|_| authority.builder().start().unwrap()).collect();
    for _ in 0..8 * 6 {
        drop(listener.accept().await.unwrap());
    }
    authority.answer_on(listener);
    within(Duration::from_millis(2_500), "all of them", || {
        verifiers.iter().all(|verifier| verifier.status().ready)
    })
    .await;
}

#[tokio::test]
async fn a_server_can_tighten_the_bound() {
    let authority = Authority::serve().await;
    let verifier = authority.builder().staleness(Duration::from_secs(2)).build().await.unwrap();
    authority.fault("/head", Fault::Down);
    let asked = authority.asked("/head");
    until("a failed head", || authority.asked("/head") > asked + 1).await;
    authority.clock.advance(Duration::from_secs(3));
    assert_eq!(verifier.check(&authority.token(1)).unwrap_err(), STALE);
}

#[tokio::test]
async fn a_replayed_head_gives_no_freshness() {
    let authority = Authority::serve().await;
    drop(authority.verifier().await);
    let question = authority.world().questions[0].clone();
    let old = {
        let world = authority.world();
        let nonce = b64::decode_array(question["nonce"].as_str().unwrap()).unwrap();
        let head = Head {
            nonce,
            position: world.position(),
            utc: world.wall_us,
            keys: KeysMark { version: 1, hash: sha256(&[world.jwks.as_bytes()]) },
            age: 0,
            staleness_ms: 10_000,
        };
        seal(&Frame::Head(head), &authority.issuer, &world.feed_key).unwrap()
    };
    authority.fault("/head", Fault::Body(old));
    let built = authority.builder().build_timeout(SOON).build().await;
    assert!(matches!(built, Err(BuildError::NotReady(_))), "{built:?}");
}

#[tokio::test]
async fn a_head_says_who_asks_and_what_was_applied_and_seen() {
    let authority = Authority::serve().await;
    authority.revoke(&Target::Client("x".into()));
    let verifier = authority.verifier().await;
    until("a second head", || authority.world().questions.len() > 1).await;
    let questions = authority.world().questions.clone();
    assert_eq!(questions[0]["seen"], serde_json::Value::Null);
    assert_eq!(questions[1]["applied"], 1);
    assert_eq!(questions[1]["max_age_ms"], 0);
    assert_eq!(questions[1]["epoch"], verifier.status().epoch.unwrap().to_string());
    assert_eq!(questions[0]["instance"], questions[1]["instance"]);
    assert_ne!(questions[0]["nonce"], questions[1]["nonce"]);
    let seen = authority.open(questions[1]["seen"].as_str().unwrap());
    assert!(matches!(seen, Frame::Head(_)));
}

#[tokio::test]
async fn online_knows_at_once_what_was_revoked_before_it_was_asked() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    for n in 1..50 {
        let token = authority.token(n);
        assert!(verifier.check_online(&token).await.is_ok());
        authority.revoke(&Target::Token(authority.claims(n).jti));
        assert_eq!(verifier.check_online(&token).await.unwrap_err(), Refusal::Revoked);
        authority.clock.advance(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn online_requests_share_heads() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    let token = authority.token(1);
    let before = authority.asked("/head");
    let requests = (0..500).map(|_| verifier.check_online(&token));
    let answers = futures_util::future::join_all(requests).await;
    assert!(answers.iter().all(Result::is_ok));
    let heads = authority.asked("/head") - before;
    assert!(heads <= 20, "{heads} heads for 500 requests");
}

#[tokio::test]
async fn online_without_an_answer_is_not_known() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    let token = authority.token(1);
    authority.fault("/head", Fault::Down);
    authority.clock.advance(Duration::from_millis(1));
    assert_eq!(verifier.check_online(&token).await.unwrap_err(), STALE);
    assert!(verifier.check(&token).is_ok(), "locally it is still within its bound");
    assert!(matches!(verifier.check_online("rubbish").await, Err(Refusal::InvalidToken(_))));
}
