//! Reads that go on although the authority cannot be reached, on a router that says so.

#![expect(clippy::unwrap_used, reason = "tests, and what they share")]

mod support;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use rescind_verifier::{Principal, Protect, Verifier};
use rescind_wire::revocation::Target;
use rescind_wire::token::Claims;
use std::time::Duration;
use support::{Authority, Fault, until};
use tower::ServiceExt;

const MARK: &str = "rescind-staleness";
const MINUTE: Duration = Duration::from_secs(60);
const OK: StatusCode = StatusCode::OK;
const STALE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

fn app(layer: Protect) -> Router {
    Router::new()
        .route("/", any(|user: Principal| async move { user.subject().to_string() }))
        .layer(layer)
}

async fn ask(app: &Router, method: Method, token: &str) -> Response {
    let request = Request::builder().method(method).uri("/");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// The status, and the mark if there is one.
async fn answer(app: &Router, method: Method, token: &str) -> (StatusCode, Option<u64>) {
    let response = ask(app, method, token).await;
    let mark = response.headers().get(MARK).map(|v| v.to_str().unwrap().parse().unwrap());
    (response.status(), mark)
}

/// A token that lives for a day.
fn long_lived(authority: &Authority) -> String {
    let claims = authority.claims(1);
    authority.sign(&Claims { exp: claims.iat + 86_400, ..claims })
}

async fn cut_off() -> (Authority, Verifier) {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    authority.fault("/head", Fault::Down);
    (authority, verifier)
}

#[tokio::test]
async fn only_reads_within_the_tolerance_pass_and_beyond_the_bound_they_are_marked() {
    let (authority, verifier) = cut_off().await;
    let token = long_lived(&authority);
    let minute = app(verifier.tolerate(MINUTE));
    let day = app(verifier.tolerate(24 * 60 * MINUTE));
    let below_the_bound = app(verifier.tolerate(Duration::from_secs(1)));
    let local = app(verifier.layer());
    let reads = [Method::GET, Method::HEAD];
    let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let mut passed = 0;
    // The realm's bound is 10 s; a day is cut to an hour.
    for (staleness, in_bound, in_minute, in_hour) in [
        (0, true, true, true),
        (8, true, true, true),
        (12, false, true, true),
        (58, false, true, true),
        (62, false, false, true),
        (3590, false, false, true),
        (3610, false, false, false),
    ] {
        authority.clock.advance(Duration::from_secs(staleness - passed));
        passed = staleness;
        for method in reads.iter().chain(&writes) {
            let read = reads.contains(method);
            for (app, tolerated) in [
                (&minute, read && in_minute),
                (&day, read && in_hour),
                (&below_the_bound, false),
                (&local, false),
            ] {
                let (status, mark) = answer(app, method.clone(), &token).await;
                let what = format!("{method} after {staleness} s");
                assert_eq!(status, if in_bound || tolerated { OK } else { STALE }, "{what}");
                let marked = !in_bound && tolerated;
                assert_eq!(mark.is_some(), marked, "{what}");
                // Whole seconds, rounded up, with the drift that clocks may have.
                assert!(mark.is_none_or(|m| (staleness..=staleness + 3).contains(&m)), "{what}");
            }
        }
    }
    authority.fault("/head", None);
    until("freshness", || verifier.check(&token).is_ok()).await;
    assert_eq!(answer(&minute, Method::GET, &token).await, (OK, None));
}

#[tokio::test]
async fn what_is_known_revoked_or_expired_is_refused_all_the_same() {
    let (authority, verifier) = cut_off().await;
    let app = app(verifier.tolerate(10 * MINUTE));
    let (expires, revoked) = (authority.token(2), long_lived(&authority));
    authority.clock.advance(Duration::from_secs(30));
    for token in [&expires, &revoked] {
        assert_eq!(answer(&app, Method::GET, token).await.0, OK);
    }
    authority.revoke(&Target::Session(authority.claims(1).sid));
    until("the revocation", || verifier.status().applied == 1).await;
    assert_eq!(answer(&app, Method::GET, &revoked).await, (StatusCode::UNAUTHORIZED, None));
    authority.clock.advance(Duration::from_secs(270));
    assert_eq!(answer(&app, Method::GET, &expires).await, (StatusCode::UNAUTHORIZED, None));
}

// P06
#[tokio::test]
async fn before_the_first_head_nothing_is_tolerated() {
    let authority = Authority::serve().await;
    authority.fault("/head", Fault::Down);
    let verifier = authority.builder().start().unwrap();
    until("the snapshot", || verifier.status().epoch.is_some()).await;
    let token = authority.token(1);
    let app = app(verifier.tolerate(60 * MINUTE));
    assert_eq!(answer(&app, Method::GET, &token).await, (STALE, None));
    authority.fault("/head", None);
    until("the head", || verifier.status().ready).await;
    assert_eq!(answer(&app, Method::GET, &token).await, (OK, None));
}

#[tokio::test]
async fn under_an_authority_that_contradicts_itself_nothing_is_tolerated() {
    let authority = Authority::serve().await;
    authority.revoke(&Target::Client("a".into()));
    let verifier = authority.verifier().await;
    let app = app(verifier.tolerate(60 * MINUTE));
    let token = authority.token(1);
    assert_eq!(answer(&app, Method::GET, &token).await, (OK, None));
    {
        let mut world = authority.world();
        world.entries.clear();
        world.digests.truncate(1);
    }
    until("the stop", || verifier.status().stopped).await;
    assert_eq!(answer(&app, Method::GET, &token).await, (STALE, None));
}

#[tokio::test]
async fn any_other_demand_of_the_verifier_is_stricter() {
    let (authority, verifier) = cut_off().await;
    let token = long_lived(&authority);
    authority.clock.advance(Duration::from_secs(30));
    let tolerating = || verifier.tolerate(MINUTE);
    assert_eq!(answer(&app(tolerating()), Method::GET, &token).await.0, OK);
    for stricter in [
        app(tolerating()).layer(verifier.layer()),
        app(verifier.layer()).layer(tolerating()),
        app(verifier.require().role("reader")).layer(tolerating()),
        app(tolerating().online()),
        app(tolerating().within(Duration::from_secs(5))),
        app(tolerating().within(2 * MINUTE)),
        app(verifier.tolerate(Duration::from_secs(20))).layer(tolerating()),
    ] {
        assert_eq!(answer(&stricter, Method::GET, &token).await.0, STALE);
    }
    let owner = app(tolerating().role("owner"));
    assert_eq!(answer(&owner, Method::GET, &token).await, (StatusCode::FORBIDDEN, None));
}
