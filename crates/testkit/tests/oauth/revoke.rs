//! A client takes a token back.

use crate::{Tokens, World, error, refuses_other_forms};
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::settings::Rate;
use std::time::Duration;

const PUBLIC: (&str, &str) = ("client_id", FIRST_PARTY);

// V01 R-38
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_access_token_is_dead_and_its_session_goes_on() {
    let world = World::start().await;
    let tokens = world.sign_in(None).await;
    let form = [("token", tokens.access.as_str()), PUBLIC];
    assert!(world.lives(&tokens.access).await);
    let answer = world.post("/revoke", &form, None).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, ""));
    assert!(!world.lives(&tokens.access).await);
    assert_eq!(world.http.refresh(&tokens.refresh, None).await.status, 200);
}

// V01 V02 V04
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_refresh_token_ends_its_session_whatever_the_hint_says() {
    let world = World::start().await;
    for hint in [None, Some("access_token"), Some("refresh_token"), Some("unheard_of")] {
        let tokens = world.sign_in(None).await;
        let mut form = vec![("token", tokens.refresh.as_str()), PUBLIC];
        form.extend(hint.map(|h| ("token_type_hint", h)));
        assert_eq!(world.post("/revoke", &form, None).await.status, 200);
        assert!(!world.lives(&tokens.access).await, "{hint:?}");
        let answer = world.http.refresh(&tokens.refresh, None).await;
        assert_eq!(error(&answer), (400, "invalid_grant".into()));
    }
    let tokens = world.sign_in(None).await;
    let hinted = [("token", tokens.access.as_str()), PUBLIC, ("token_type_hint", "refresh_token")];
    assert_eq!(world.post("/revoke", &hinted, None).await.status, 200);
    assert!(!world.lives(&tokens.access).await);
}

// V01
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_or_dead_already_is_answered_alike_and_appends_nothing() {
    let world = World::start().await;
    let (tokens, other) = (world.sign_in(None).await, world.sign_in(None).await);
    for token in [&tokens.access, &tokens.refresh] {
        assert_eq!(world.post("/revoke", &[("token", token), PUBLIC], None).await.status, 200);
    }
    let before = world.pos().await;
    let cut = &other.access[..other.access.len() - 4];
    let spoilt = format!("{cut}AAAA");
    let line = format!("{}AAAA", &other.refresh[..other.refresh.len() - 4]);
    for token in
        [&tokens.access, &tokens.refresh, &spoilt, &line, "", "x", "a.b.c", &"x".repeat(9000)]
    {
        let answer = world.post("/revoke", &[("token", token), PUBLIC], None).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, ""));
    }
    assert_eq!(world.pos().await, before);
    assert!(world.lives(&other.access).await);
    world.authority.clock.advance(Duration::from_secs(331));
    let expired = [("token", other.access.as_str()), PUBLIC];
    assert_eq!(world.post("/revoke", &expired, None).await.status, 200);
    assert_eq!(world.pos().await, before);
}

/// Makes a new access token and takes it back; the answer's status and position of the log.
async fn once_more(world: &World, tokens: &mut Tokens, basic: Option<&str>) -> (u16, u64) {
    *tokens = Tokens::of(&world.http.refresh(&tokens.refresh, None).await.json());
    let token = ("token", tokens.access.as_str());
    let form = if basic.is_some() { vec![token] } else { vec![token, PUBLIC] };
    let answer = world.post("/revoke", &form, basic).await;
    if answer.status == 429 {
        assert_eq!(error(&answer).1, "invalid_request");
        assert_eq!(answer.header("retry-after"), "60");
    }
    (answer.status.as_u16(), world.pos().await)
}

// V01 V08
#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_back_tokens_without_end_fills_neither_the_log_nor_the_record() {
    let few = Rate { at_once: 3, every: Duration::from_secs(60) };
    for client in [false, true] {
        let world = World::start_with(|config| {
            let limits = &mut config.settings.throttle;
            let bounded = match client {
                true => &mut limits.client_revocations,
                false => &mut limits.account_revocations,
            };
            *bounded = few;
        })
        .await;
        world.authority.person("bob").await;
        let basic = client.then_some(world.posts.as_str());
        let (mut alice, mut again) = (world.sign_in(None).await, world.sign_in(None).await);
        for _ in 0..3 {
            assert_eq!(once_more(&world, &mut alice, basic).await.0, 200);
        }
        let full = world.pos().await;
        for _ in 0..3 {
            assert_eq!(once_more(&world, &mut alice, basic).await, (429, full));
        }
        assert_eq!(once_more(&world, &mut again, basic).await, (429, full), "another session");
        let records = world.authority.app.authority.store().records(None, 99).await.unwrap();
        let revoked = records.iter().filter(|r| r.action.name() == "revoked").count();
        assert_eq!(revoked, if client { 3 } else { 0 });
        // What is dead already costs nothing, and a session is always ended.
        let form = [("token", again.refresh.as_str()), PUBLIC];
        assert_eq!(world.post("/revoke", &form, None).await.status, 200);
        let form = [("token", again.access.as_str())];
        let form = if client { form.to_vec() } else { vec![form[0], PUBLIC] };
        assert_eq!(world.post("/revoke", &form, basic).await.status, 200);
        // Others are not held off, nor is anybody for longer than was said.
        let other = if client { Some(world.more.as_str()) } else { None };
        let mut bob = world.sign_in_as("bob", None).await;
        assert_eq!(once_more(&world, &mut bob, other).await.0, 200);
        let full = world.pos().await;
        world.authority.clock.advance(Duration::from_secs(60));
        assert_eq!(once_more(&world, &mut alice, basic).await, (200, full + 1));
        assert_eq!(once_more(&world, &mut alice, basic).await, (429, full + 1));
    }
}

// V03
#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_client_or_not_the_tokens_own_changes_nothing() {
    let world = World::start().await;
    let tokens = world.sign_in(Some("posts-api")).await;
    let before = world.pos().await;
    for token in [tokens.access.as_str(), tokens.refresh.as_str()] {
        let form = [("token", token)];
        let unknown = world.post("/revoke", &form, None).await;
        assert_eq!(error(&unknown), (401, "invalid_client".into()));
        assert!(unknown.header("www-authenticate").starts_with("Basic"));
        let named = [form[0], ("client_id", "posts-back")];
        assert_eq!(
            error(&world.post("/revoke", &named, None).await),
            (401, "invalid_client".into())
        );
        let wrong = rescind_testkit::http::basic("posts-back", "rsc_cs_wrong");
        let answer = world.post("/revoke", &form, Some(&wrong)).await;
        assert_eq!(error(&answer), (401, "invalid_client".into()));
        // Known, but of another audience, or without the permission.
        for basic in [&world.files, &world.plain] {
            let answer = world.post("/revoke", &form, Some(basic)).await;
            assert_eq!(error(&answer), (400, "invalid_grant".into()));
        }
    }
    assert_eq!(world.pos().await, before);
    assert!(world.lives(&tokens.access).await);
}

// R-29 V03
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_may_take_back_what_is_for_it_and_no_session() {
    let world = World::start().await;
    let tokens = world.sign_in(Some("posts-api")).await;
    let refresh = [("token", tokens.refresh.as_str())];
    let answer = world.post("/revoke", &refresh, Some(&world.posts)).await;
    assert_eq!(error(&answer), (400, "invalid_grant".into()));
    let access = [("token", tokens.access.as_str())];
    assert_eq!(world.post("/revoke", &access, Some(&world.posts)).await.status, 200);
    assert!(!world.lives(&tokens.access).await);
    assert_eq!(world.http.refresh(&tokens.refresh, None).await.status, 200);
}

// V05
#[tokio::test(flavor = "multi_thread")]
async fn a_token_to_revoke_comes_in_a_form_and_nowhere_else() {
    let world = World::start().await;
    let tokens = world.sign_in(None).await;
    refuses_other_forms(&world, "/revoke", &tokens.access).await;
    assert!(world.lives(&tokens.access).await);
}
