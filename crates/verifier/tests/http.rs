//! The layer in front of an axum router: who passes, and what all others are told.

#![expect(clippy::unwrap_used, reason = "tests, and what they share")]

mod support;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use axum::routing::{any, get};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use rescind_verifier::{Principal, Verifier};
use rescind_wire::b64;
use rescind_wire::revocation::Target;
use rescind_wire::token::Claims;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use support::{Authority, Fault, until};
use tower::ServiceExt;

/// An application that counts what reaches it.
struct App {
    router: Router,
    reached: Arc<AtomicU32>,
}

impl App {
    fn behind(verifier: &Verifier) -> Self {
        let reached = Arc::new(AtomicU32::new(0));
        let count = reached.clone();
        let handler = move |user: Principal| async move {
            count.fetch_add(1, Ordering::SeqCst);
            user.subject().to_string()
        };
        let with = |layer| any(handler.clone()).layer(layer);
        let router = Router::new()
            .route("/posts", any(handler.clone()))
            .route("/online", with(verifier.require().online()))
            .route("/within", with(verifier.require().within(Duration::from_secs(2))))
            .route("/owner", with(verifier.require().role("owner")))
            .route("/reader", with(verifier.require().role("reader").scope("read")))
            .route("/writer", with(verifier.require().scope("write")))
            .route("/recent", with(verifier.require().max_age(Duration::from_secs(30))))
            .route("/today", with(verifier.require().max_age(Duration::from_secs(86_400))))
            .layer(verifier.layer());
        Self { router, reached }
    }

    async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str, token: &str) -> Response {
        self.send(with_token(path, token)).await
    }

    fn reached(&self) -> u32 {
        self.reached.load(Ordering::SeqCst)
    }
}

fn with_token(path: &str, token: &str) -> Request<Body> {
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    request.body(Body::empty()).unwrap()
}

fn challenge(response: &Response) -> &str {
    response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap()
}

async fn problem(response: Response) -> Value {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn a_good_token_reaches_the_handler_with_its_principal() {
    let authority = Authority::serve().await;
    let app = App::behind(&authority.verifier().await);
    let response = app.get("/posts", &authority.token(1)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, authority.claims(1).sub.to_string());
}

// E02
#[tokio::test]
async fn without_credentials_nothing_passes_not_even_options() {
    let authority = Authority::serve().await;
    let app = App::behind(&authority.verifier().await);
    for method in [Method::GET, Method::POST, Method::OPTIONS, Method::HEAD, Method::DELETE] {
        let request = Request::builder().method(method).uri("/posts").body(Body::empty()).unwrap();
        let response = app.send(request).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(challenge(&response), format!(r#"Bearer realm="{}""#, authority.issuer));
    }
    assert_eq!(app.reached(), 0);
}

// E03, T31
#[tokio::test]
async fn every_bad_token_gets_the_same_answer_and_reaches_nothing() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    let app = App::behind(&verifier);
    let good = authority.token(1);
    let expired = {
        let c = authority.claims(2);
        authority.sign(&Claims { exp: c.iat - 1, iat: c.iat - 300, ..c })
    };
    let other_audience =
        authority.sign(&Claims { aud: vec!["other".into()], ..authority.claims(3) });
    authority.revoke(&Target::Session(authority.claims(4).sid));
    let revoked = authority.token(4);
    until("the revocation", || verifier.status().applied == 1).await;
    let unsigned = format!("{}.AAAA", good.rsplit_once('.').unwrap().0);
    let long = "a".repeat(9000);
    let mut answers = vec![];
    for token in [&expired, &other_audience, &revoked, &unsigned, &long, &"rubbish".to_owned()] {
        let response = app.get("/posts", token).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let head = format!("{:?}", response.headers());
        answers.push((head, problem(response).await));
    }
    assert!(answers.iter().all(|a| *a == answers[0]), "{answers:?}");
    assert!(answers[0].0.contains(r#"Bearer error=\"invalid_token\""#), "{}", answers[0].0);
    assert_eq!(app.reached(), 0);
}

// H03, H04, H05
#[tokio::test]
async fn a_credential_in_the_wrong_place_or_number_is_a_bad_request() {
    let authority = Authority::serve().await;
    let app = App::behind(&authority.verifier().await);
    let token = authority.token(1);
    let twice = Request::get("/posts")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    for request in [
        with_token(&format!("/posts?access_token={token}"), &token),
        Request::get(format!("/posts?access_token={token}")).body(Body::empty()).unwrap(),
        with_token("/posts", &format!("{token}, Bearer {token}")),
        with_token("/posts", &format!(" {token}")),
        twice.body(Body::empty()).unwrap(),
    ] {
        let response = app.send(request).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(challenge(&response), r#"Bearer error="invalid_request""#);
    }
    assert_eq!(app.reached(), 0);
}

// P06
#[tokio::test]
async fn while_not_ready_the_answer_is_503_with_a_time_and_never_401() {
    let (authority, _listener) = Authority::bind().await;
    let app = App::behind(&authority.builder().start().unwrap());
    for path in ["/posts", "/online", "/within"] {
        for token in [authority.token(1), "rubbish".to_owned()] {
            let response = app.get(path, &token).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::RETRY_AFTER], "1");
            assert!(!response.headers().contains_key(header::WWW_AUTHENTICATE));
            assert_eq!(problem(response).await["type"], "urn:rescind:problem:stale");
        }
    }
    assert_eq!(app.reached(), 0);
}

// E02
#[tokio::test]
async fn a_missing_role_or_scope_is_403_and_an_old_sign_in_asks_for_a_new_one() {
    let authority = Authority::serve().await;
    let app = App::behind(&authority.verifier().await);
    let token = authority.token(1);
    for (path, status, line) in [
        ("/owner", 403, r#"Bearer error="insufficient_scope""#),
        ("/writer", 403, r#"Bearer error="insufficient_scope""#),
        ("/recent", 401, r#"Bearer error="insufficient_user_authentication", max_age="30""#),
    ] {
        let response = app.get(path, &token).await;
        assert_eq!((response.status().as_u16(), challenge(&response)), (status, line));
    }
    assert_eq!(app.reached(), 0);
    for path in ["/reader", "/today"] {
        assert_eq!(app.get(path, &token).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn an_online_route_knows_what_was_revoked_a_moment_ago() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    let app = App::behind(&verifier);
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let token = authority.token(1);
    assert_eq!(app.get("/online", &token).await.status(), StatusCode::OK);
    authority.revoke(&Target::Subject(authority.claims(1).sub));
    authority.clock.advance(Duration::from_millis(1));
    assert_eq!(app.get("/online", &token).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn cut_off_an_online_route_refuses_while_a_local_one_goes_on() {
    let authority = Authority::serve().await;
    let app = App::behind(&authority.verifier().await);
    let token = authority.token(1);
    authority.fault("/head", Fault::Down);
    authority.clock.advance(Duration::from_secs(3));
    assert_eq!(app.get("/posts", &token).await.status(), StatusCode::OK);
    assert_eq!(app.get("/online", &token).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.get("/within", &token).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    authority.fault("/head", None);
    assert_eq!(app.get("/within", &token).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_handler_without_the_layer_refuses() {
    let router: Router = Router::new().route("/", get(|_: Principal| async { "passed" }));
    let response = router.oneshot(with_token("/", "x")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(problem(response).await["type"], "urn:rescind:problem:internal");
}

/// Tokens that look like the authority's, up to the signature.
fn made_up(authority: &Authority, count: usize) -> Vec<String> {
    let token = authority.token(9);
    let input = token.rsplit_once('.').unwrap().0;
    let signature = |n: usize| {
        let mut bytes = [7; 64];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        b64::encode(bytes)
    };
    (0..count).map(|n| format!("{input}.{}", signature(n))).collect()
}

#[tokio::test]
async fn who_is_known_does_not_wait_for_those_who_make_up_tokens() {
    let authority = Authority::serve().await;
    let verifier = authority.builder().new_tokens_at_once(1).build().await.unwrap();
    let app = App::behind(&verifier);
    let token = authority.token(1);
    assert_eq!(app.get("/posts", &token).await.status(), StatusCode::OK);
    let flood: Vec<_> = made_up(&authority, 100)
        .into_iter()
        .map(|token| tokio::spawn(app.router.clone().oneshot(with_token("/posts", &token))))
        .collect();
    tokio::task::yield_now().await;
    assert!(flood.iter().any(|task| !task.is_finished()), "they wait");
    let answered = app.get("/posts", &token).now_or_never();
    assert_eq!(answered.map(|response| response.status()), Some(StatusCode::OK));
    for task in flood {
        assert_eq!(task.await.unwrap().unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.reached(), 2);
}

#[tokio::test]
async fn a_flood_of_made_up_tokens_is_told_to_come_back() {
    let authority = Authority::serve().await;
    let verifier = authority.builder().new_tokens_at_once(1).build().await.unwrap();
    let app = App::behind(&verifier);
    let flood: Vec<_> = made_up(&authority, 1200)
        .into_iter()
        .map(|token| tokio::spawn(app.router.clone().oneshot(with_token("/posts", &token))))
        .collect();
    let mut busy = 0;
    for task in flood {
        let response = task.await.unwrap().unwrap();
        if response.status() == StatusCode::UNAUTHORIZED {
            continue;
        }
        busy += 1;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert!(!response.headers().contains_key(header::WWW_AUTHENTICATE));
        assert_eq!(problem(response).await["type"], "urn:rescind:problem:unavailable");
    }
    let counted = verifier.status().unavailable.into_iter().find(|(why, _)| *why == "busy");
    assert!(busy > 0 && counted == Some(("busy", busy)), "{busy}, {counted:?}");
    assert_eq!(app.get("/posts", &authority.token(1)).await.status(), StatusCode::OK);
    assert_eq!(app.reached(), 1);
}
