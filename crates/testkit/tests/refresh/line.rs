//! One step at a time, and the same step again for the client that lost the answer.

use crate::{DAY, GRACE, Story, TICK};
use rescind_authority::line::REFRESH_PREFIX;
use rescind_authority::session::SessionState;
use rescind_testkit::accounts::key;
use rescind_wire::b64;

// R01 R-15
#[tokio::test(flavor = "multi_thread")]
async fn each_use_moves_the_line_by_one_step() {
    let story = Story::begin().await;
    let mut token = story.first.clone();
    for n in 0..5 {
        assert_eq!(story.session().await.generation, n);
        let key = key(&format!("move-{n}"));
        let next = story.refresh(&token, (n % 2 == 0).then_some(&key)).await;
        assert_ne!(next, token);
        assert!(next.starts_with(REFRESH_PREFIX) && next.len() == token.len());
        token = next;
    }
    let session = story.session().await;
    assert_eq!((session.generation, session.state), (5, SessionState::Live));
}

// R05 R-17
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stored_its_key_gets_the_same_successor_at_any_time() {
    let story = Story::begin().await;
    let key = key("stored-before-it-was-sent");
    let next = story.refresh(&story.first, Some(&key)).await;
    let moved = story.session().await;
    for wait in [TICK, GRACE, DAY, 12 * DAY] {
        story.advance(wait);
        assert_eq!(story.refresh(&story.first, Some(&key)).await, next, "{wait:?}");
    }
    // The line has not moved, and nothing but the last request changed.
    let after = story.session().await;
    assert_eq!((after.generation, after.reached_at), (1, moved.reached_at));
    assert_eq!(after.move_key, moved.move_key);
    // The one successor is good, and now the first token is too old for any key.
    let third = story.refresh(&next, Some(&rescind_testkit::accounts::key("the-next"))).await;
    story.is_refused(&story.first, Some(&key)).await;
    story.is_refused(&third, None).await;
}

// R05 R-17
#[tokio::test(flavor = "multi_thread")]
async fn a_bare_client_gets_the_same_successor_within_the_grace_time_which_is_never_extended() {
    let story = Story::begin().await;
    let next = story.refresh(&story.first, None).await;
    for _ in 0..3 {
        story.advance(GRACE / 3);
        assert_eq!(story.refresh(&story.first, None).await, next);
    }
    assert_eq!(story.session().await.generation, 1);
    story.advance(TICK);
    story.is_refused(&story.first, None).await;
    story.is_refused(&next, None).await;
}

// R05
#[tokio::test(flavor = "multi_thread")]
async fn another_request_of_the_client_gets_409_within_the_grace_time_and_ends_nothing() {
    let [first, other] = ["first", "other"].map(key);
    for (sent, late) in [(Some(&first), Some(&other)), (Some(&first), None), (None, Some(&other))] {
        let story = Story::begin().await;
        let next = story.refresh(&story.first, sent.map(String::as_str)).await;
        let before = story.session().await;
        for _ in 0..3 {
            let answer = story.http.refresh(&story.first, late.map(String::as_str)).await;
            assert_eq!(answer.status, 409, "{}", answer.text());
            for member in ["access_token", "refresh_token"] {
                assert!(answer.json()[member].is_null());
            }
            story.advance(GRACE / 3);
        }
        assert_eq!(story.session().await, before, "nothing has changed");
        let answer = story.http.refresh(&story.first, late.map(String::as_str)).await;
        assert_eq!(answer.status, 409, "the last moment");
        // The one that was given out works on.
        assert_eq!(story.http.get_as("/whoami", &next).await.status, 200);
        story.advance(TICK);
        story.is_refused(&story.first, late.map(String::as_str)).await;
        story.is_refused(&next, None).await;
    }
}

// R01
#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_last_move_is_not_taken_for_the_next() {
    let story = Story::begin().await;
    let spent = key("spent");
    let next = story.refresh(&story.first, Some(&spent)).await;
    let before = story.session().await;
    let answer = story.http.refresh(&next, Some(&spent)).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"], "invalid_request");
    assert!(answer.json()["access_token"].is_null());
    assert_eq!(story.session().await, before, "nothing has changed");
    story.refresh(&next, Some(&key("fresh"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_idempotency_key_is_refused_before_anything_moves() {
    let story = Story::begin().await;
    let before = story.session().await;
    for bad in ["", "x", &"x".repeat(21), &"x".repeat(256), &format!("{} x", "x".repeat(22))] {
        let answer = story.http.refresh(&story.first, Some(bad)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (400, &"invalid_request".into())
        );
    }
    let form = [("grant_type", "refresh_token"), ("refresh_token", story.first.as_str())];
    let (a, b) = (key("one"), key("two"));
    let two = [("idempotency-key", a.as_str()), ("idempotency-key", b.as_str())];
    assert_eq!(story.http.post_form("/token", &form, &two).await.status, 400);
    assert_eq!(story.session().await, before);
    for (n, good) in ["x".repeat(22), "y".repeat(255)].iter().enumerate() {
        let token = if n == 0 {
            story.first.clone()
        } else {
            story.refresh(&story.first, Some(&"x".repeat(22))).await
        };
        story.refresh(&token, Some(good)).await;
    }
}

// R09
/// The line's 54 bytes are version, key id, session, generation, tag: no bit of them can be changed.
#[tokio::test(flavor = "multi_thread")]
async fn one_changed_or_missing_bit_is_refused_without_a_write() {
    let story = Story::begin().await;
    let token = story.refresh(&story.first, None).await;
    let before = story.session().await;
    let mut committed = story.authority.app.authority.store().committed();
    committed.mark_unchanged();
    let bytes = b64::decode(token.strip_prefix(REFRESH_PREFIX).unwrap()).unwrap();
    assert_eq!(bytes.len(), 54);
    let mut tried = Vec::new();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        tried.push(format!("{REFRESH_PREFIX}{}", b64::encode(changed)));
    }
    tried.extend((0..token.len()).map(|end| token[..end].to_owned()));
    tried.extend(
        (0..bytes.len()).map(|end| format!("{REFRESH_PREFIX}{}", b64::encode(&bytes[..end]))),
    );
    tried.push(format!("{token}A"));
    tried.push(format!("{token}="));
    tried.push(token.replacen(REFRESH_PREFIX, "rsc_RT_", 1));
    tried.push(token.strip_prefix(REFRESH_PREFIX).unwrap().to_owned());
    let refusal = story.http.refresh("junk", None).await.text();
    for bad in tried.into_iter().filter(|t| !t.is_empty()) {
        let answer = story.http.refresh(&bad, None).await;
        crate::is_invalid_grant(&answer);
        assert_eq!(answer.text(), refusal, "{bad}");
    }
    assert!(!committed.has_changed().unwrap());
    assert_eq!(story.session().await, before, "nobody was taken for a thief");
    story.refresh(&token, None).await;
}
