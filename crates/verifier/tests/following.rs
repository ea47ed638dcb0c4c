//! A verifier against an authority over real connections: start, news, loss, return.

mod support;

use rescind_verifier::{BuildError, ClientSecret, FetchError, Refusal, Verifier};
use rescind_wire::frame::{Frame, Head, KeysMark, seal};
use rescind_wire::id::Sid;
use rescind_wire::jws::Alg;
use rescind_wire::revocation::Target;
use rescind_wire::token::{Claims, InvalidToken, sign};
use rescind_wire::{b64, sha256};
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Authority, Fault, key, soon, until, within};

const STALE: Refusal = Refusal::Stale { retry_after: Duration::from_secs(1) };
const SOON: Duration = Duration::from_millis(700);

#[tokio::test]
async fn a_built_verifier_is_ready_and_a_revocation_reaches_it() {
    let authority = Authority::serve().await;
    authority.revoke(&Target::Subject(authority.claims(7).sub));
    let verifier = authority.verifier().await;
    assert!(verifier.status().ready);
    assert_eq!(verifier.status().entries, 1);
    let (token, other) = (authority.token(1), authority.token(2));
    assert_eq!(verifier.check(&token).unwrap().subject(), authority.claims(1).sub);
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    authority.revoke(&Target::Session(authority.claims(1).sid));
    until("the revocation", || verifier.check(&token).is_err()).await;
    assert_eq!(verifier.check(&token).unwrap_err(), Refusal::Revoked);
    assert!(verifier.check(&other).is_ok());
    let again = authority.sign(&Claims { sid: Sid::from_bytes([9; 16]), ..authority.claims(1) });
    assert!(verifier.check(&again).is_ok(), "a new session of the same account");
}

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

// K07
#[tokio::test]
async fn while_the_key_set_is_outdated_all_tokens_of_unknown_keys_share_one_fetch() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let before = authority.asked("/jwks");
    authority.fault("/jwks", Fault::Down);
    authority.rotate();
    until("a fetch in vain", || authority.asked("/jwks") == before + 1).await;
    let forged = sign(&authority.claims(1), &key(Alg::Es256)).unwrap();
    let (_, rest) = forged.split_once('.').unwrap();
    let token = |n: u32| {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{n}"}}"#);
        format!("{}.{rest}", b64::encode(header))
    };
    assert_eq!(verifier.check(&token(0)).unwrap_err(), STALE);
    authority.fault("/jwks", None);
    let checks = (0..10_000).map(|n| {
        let (verifier, token) = (verifier.clone(), token(n));
        async move { verifier.check_online(&token).await }
    });
    for judged in futures_util::future::join_all(checks).await {
        assert_eq!(judged.unwrap_err(), InvalidToken::UnknownKey.into());
    }
    assert_eq!(authority.asked("/jwks"), before + 2);
}

// P04
#[tokio::test]
async fn a_lost_entry_is_fetched_with_the_snapshot() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let token = authority.token(1);
    // The feed never brings it; the next head names it, and the feed is asked for anew.
    authority.commit(&Target::Session(authority.claims(1).sid));
    authority.clock.advance(Duration::from_millis(1));
    let heads = authority.asked("/head");
    until("a head that names it", || authority.asked("/head") > heads + 1).await;
    authority.clock.advance(Duration::from_secs(3));
    soon("the entry", || verifier.check(&token).is_err_and(|e| e == Refusal::Revoked)).await;
    assert_eq!(verifier.status().applied, 1);
}

#[tokio::test]
async fn a_new_epoch_is_fetched_and_what_was_held_stays_held() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let old = authority.token(1);
    authority.revoke(&Target::Session(authority.claims(2).sid));
    until("the revocation", || verifier.status().applied == 1).await;
    let first = verifier.status().epoch;
    authority.restore();
    until("the new epoch", || verifier.status().epoch != first && verifier.status().ready).await;
    assert_eq!(verifier.check(&old).unwrap_err(), Refusal::Revoked);
    assert!(verifier.check(&authority.token(1)).is_ok());
    assert_eq!(
        verifier.check(&authority.token(2)).unwrap_err(),
        Refusal::Revoked,
        "lost by the store, not here"
    );
    assert_eq!(verifier.status().entries, 2);
}

#[tokio::test]
async fn an_authority_that_went_back_stops_the_verifier_until_a_new_epoch() {
    let authority = Authority::serve().await;
    authority.revoke(&Target::Client("a".into()));
    authority.revoke(&Target::Client("b".into()));
    let verifier = authority.verifier().await;
    let token = authority.token(1);
    assert!(verifier.check(&token).is_ok());
    {
        let mut world = authority.world();
        world.entries.truncate(1);
        world.digests.truncate(2);
    }
    until("the stop", || verifier.status().stopped).await;
    assert_eq!(verifier.check(&token).unwrap_err(), STALE);
    // The evidence against it goes with every question.
    let asked = authority.world().questions.len();
    until("another head", || authority.world().questions.len() > asked + 1).await;
    let last = authority.world().questions.last().unwrap()["seen"].clone();
    let Frame::Head(evidence) = authority.open(last.as_str().unwrap()) else {
        panic!("not a head");
    };
    assert_eq!(evidence.position.pos, 2, "from before it went back");
    authority.world().append(&authority.issuer, &Target::Client("b".into()), 9_000);
    authority.restore();
    until("the new epoch", || verifier.status().ready).await;
    assert!(verifier.check(&authority.token(1)).is_ok());
}

// T08, K07
#[tokio::test]
async fn unknown_keys_and_keys_in_tokens_cause_no_request() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    let (before, paths) = (authority.asked("/jwks"), authority.world().asked.len());
    let stranger = key(Alg::Es256);
    let forged = sign(&authority.claims(1), &stranger).unwrap();
    let (_, rest) = forged.split_once('.').unwrap();
    for n in 0..10_000 {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{n}"}}"#);
        let token = format!("{}.{rest}", b64::encode(header));
        assert_eq!(verifier.check(&token).unwrap_err(), InvalidToken::UnknownKey.into());
    }
    let jwk = stranger.public().unwrap().to_jwk();
    for member in [
        format!(r#""jwk":{jwk}"#),
        format!(r#""jku":"{}/elsewhere""#, authority.issuer),
        format!(r#""x5u":"{}/elsewhere""#, authority.issuer),
        r#""x5c":["MII"]"#.to_owned(),
    ] {
        let header =
            format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}",{member}}}"#, stranger.kid());
        let mut token = format!("{}.{}", b64::encode(header), rest.split('.').next().unwrap());
        let signature = stranger.sign(token.as_bytes()).unwrap();
        token = format!("{token}.{}", b64::encode(signature));
        assert!(matches!(verifier.check_online(&token).await, Err(Refusal::InvalidToken(_))));
    }
    assert_eq!((authority.asked("/jwks"), authority.asked("/elsewhere")), (before, 0));
    assert!(authority.world().asked.len() <= paths + 1, "at most the feed is new");
}

#[tokio::test]
async fn a_new_key_is_fetched_once_and_old_tokens_go_on() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let old = authority.token(1);
    authority.rotate();
    let new = authority.token(1);
    until("the new key", || verifier.check(&new).is_ok()).await;
    assert!(verifier.check(&old).is_ok());
    assert_eq!(authority.asked("/jwks"), 2);
    assert_eq!(verifier.status().keys, 2);
}

// K08
#[tokio::test]
async fn a_key_set_that_cannot_be_had_leaves_the_last_good_one() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let old = authority.token(1);
    authority.fault("/jwks", Fault::Redirect);
    authority.rotate();
    until("a fetch", || authority.asked("/jwks") > 1).await;
    assert!(verifier.check(&old).is_ok());
    assert_eq!(
        verifier.check(&authority.token(1)).unwrap_err(),
        STALE,
        "a key may be missing: not known"
    );
    assert_eq!(authority.asked("/elsewhere"), 0, "no redirect is followed");
}

// K08
#[tokio::test]
async fn redirects_other_types_and_long_documents_are_not_taken() {
    for fault in [Fault::Redirect, Fault::Html, Fault::Huge, Fault::Down] {
        let authority = Authority::serve().await;
        authority.fault("/jwks", fault);
        let Err(BuildError::NotReady(Some(error))) =
            authority.builder().build_timeout(SOON).build().await
        else {
            panic!("built");
        };
        assert!(
            matches!(*error, FetchError::Status(_) | FetchError::ContentType | FetchError::Body),
            "{error}"
        );
        assert_eq!(authority.asked("/elsewhere"), 0);
    }
}

#[tokio::test]
async fn wrong_credentials_and_another_issuer_are_named() {
    let authority = Authority::serve().await;
    let denied = authority.builder().client("posts-api", ClientSecret::new("wrong"));
    let error = denied.build_timeout(SOON).build().await.unwrap_err();
    assert!(
        matches!(&error, BuildError::NotReady(Some(e)) if matches!(**e, FetchError::Denied(_)))
    );
    assert!(!error.to_string().contains("wrong"));
    let other = Verifier::builder(format!("{}/", authority.issuer), "posts-api")
        .client("posts-api", ClientSecret::new("s3cret"));
    let error = other.build_timeout(SOON).build().await.unwrap_err();
    assert!(
        matches!(error, BuildError::NotReady(Some(e)) if matches!(*e, FetchError::Issuer { .. }))
    );
}

#[tokio::test]
async fn the_next_feed_key_is_learnt_from_the_metadata() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    authority.world().feed_key = key(Alg::Ed25519);
    authority.clock.advance(Duration::from_secs(11));
    let token = authority.token(1);
    until("freshness under the new key", || verifier.check(&token).is_ok()).await;
}

#[tokio::test]
async fn dropping_the_last_verifier_ends_its_tasks() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let layer = verifier.layer();
    drop(verifier);
    let heads = authority.asked("/head");
    until("another head", || authority.asked("/head") > heads).await;
    drop(layer);
    authority.revoke(&Target::Client("wakes the feed".into()));
    soon("the end of the feed", || authority.feeds.load(Ordering::SeqCst) == 0).await;
}

// P04
#[tokio::test]
async fn a_frame_of_a_later_kind_is_passed_over_only_if_it_cannot_bring_entries() {
    for (kind, goes_on) in [(200, true), (100, false)] {
        let authority = Authority::serve().await;
        let strange = authority.sealed_kind(kind);
        authority.world().first_of_all = strange;
        let verifier = authority.verifier().await;
        until("the feed", || authority.asked("/feed") > 0).await;
        if goes_on {
            authority.revoke(&Target::Client("a".into()));
            soon("the entry", || verifier.status().applied == 1).await;
            assert_eq!(authority.asked("/feed"), 1);
        } else {
            soon("another feed", || authority.asked("/feed") > 1).await;
        }
    }
}

// P09
#[tokio::test]
async fn an_old_announcement_of_keys_makes_nobody_read_the_metadata_again() {
    const METADATA: &str = "/.well-known/oauth-authorization-server";
    let authority = Authority::serve().await;
    let old = KeysMark { version: 1, hash: sha256(&[authority.world().jwks.as_bytes()]) };
    authority.world().keys_version = 2;
    authority.fault("/feed", Fault::Down);
    let _verifier = authority.verifier().await;
    until("the news of the first head", || authority.asked(METADATA) == 2).await;
    authority.fault("/feed", Fault::Body(authority.sealed(&Frame::Keys(old))));
    let feeds = authority.asked("/feed");
    // Told again and again, with heads in between that say what is in force.
    until("more feeds", || authority.asked("/feed") > feeds + 2).await;
    let heads = authority.asked("/head");
    until("more heads", || authority.asked("/head") > heads + 1).await;
    assert_eq!(authority.asked(METADATA), 2);
}

// P09
#[tokio::test]
async fn a_snapshot_that_is_longer_than_allowed_is_given_up_at_its_first_bytes() {
    let authority = Authority::serve().await;
    for n in 0..100 {
        authority.commit(&Target::Client(n.to_string()));
    }
    let build = |most| authority.builder().max_snapshot(most).build_timeout(SOON).build();
    let refused = build(4_000).await;
    assert!(
        matches!(&refused, Err(BuildError::NotReady(Some(e))) if matches!(**e, FetchError::Snapshot(4_000))),
        "{refused:?}"
    );
    assert!(build(5_000).await.is_ok());
    // What is said to be too long is not even waited for.
    let mut long = (u32::MAX).to_be_bytes().to_vec();
    authority.fault("/snapshot", Fault::Body(long.clone()));
    let refused = authority.builder().build_timeout(SOON).build().await.unwrap_err();
    assert!(refused.to_string().contains("max_snapshot"), "{refused}");
    // Nothing may stand behind it.
    long = authority.sealed(&Frame::Resync);
    long.push(0);
    authority.fault("/snapshot", Fault::Body(long));
    let refused = authority.builder().build_timeout(SOON).build().await;
    assert!(
        matches!(&refused, Err(BuildError::NotReady(Some(e))) if matches!(**e, FetchError::Body)),
        "{refused:?}"
    );
}
