//! Monitor mode, and what a verifier says of itself.

#![expect(clippy::unwrap_used, reason = "tests, and what they share")]

mod support;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use rescind_verifier::{Principal, Protect, Refusal, Verifier};
use rescind_wire::revocation::Target;
use rescind_wire::token::Claims;
use std::time::Duration;
use support::{Authority, Fault, until};
use tower::ServiceExt;

/// The status, and whether the answer is marked as one that would have been another.
async fn ask(layer: Protect, token: &str) -> (StatusCode, Option<String>) {
    let app = Router::new()
        .route("/", get(|user: Principal| async move { user.subject().to_string() }))
        .layer(layer);
    let request = Request::get("/").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let mark = response.headers().get("rescind-monitor").map(|v| v.to_str().unwrap().to_owned());
    (response.status(), mark)
}

fn long_lived(authority: &Authority, n: u8) -> String {
    let claims = authority.claims(n);
    authority.sign(&Claims { exp: claims.iat + 86_400, ..claims })
}

fn counted(verifier: &Verifier, why: &str) -> u64 {
    verifier.status().unavailable.iter().find(|(name, _)| *name == why).unwrap().1
}

//
#[tokio::test]
async fn monitor_mode_passes_what_is_stale_counts_it_and_says_so() {
    let authority = Authority::serve().await;
    let strict = authority.verifier().await;
    let monitor = authority.builder().monitor().build().await.unwrap();
    let token = long_lived(&authority, 1);
    assert_eq!(ask(monitor.layer(), &token).await, (StatusCode::OK, None), "not while it is fresh");
    authority.fault("/head", Fault::Down);
    authority.clock.advance(Duration::from_secs(60));
    let would_refuse = (StatusCode::OK, Some("503".to_owned()));
    assert_eq!(ask(strict.layer(), &token).await, (StatusCode::SERVICE_UNAVAILABLE, None));
    assert_eq!(ask(monitor.layer(), &token).await, would_refuse);
    let second = Duration::from_secs(1);
    assert_eq!(ask(monitor.require().within(second), &token).await, would_refuse);
    assert_eq!(ask(monitor.require().online(), &token).await, would_refuse);
    assert!(monitor.check(&token).is_ok());
    assert_eq!((counted(&strict, "stale"), counted(&monitor, "stale")), (1, 4));
    assert!(monitor.status().monitor && !strict.status().monitor);
    assert!(!monitor.status().ready, "it does not claim to know");
}

//
#[tokio::test]
async fn after_a_goodbye_monitor_mode_and_tolerance_pass_nothing_either() {
    let authority = Authority::serve().await;
    let token = long_lived(&authority, 1);
    let monitor = authority.builder().monitor().build().await.unwrap();
    let strict = authority.verifier().await;
    let hour = Duration::from_secs(3600);
    assert_eq!(ask(strict.tolerate(hour), &token).await.0, StatusCode::OK);
    for verifier in [monitor, strict] {
        assert!(verifier.check(&token).is_ok());
        verifier.leave().await;
        for layer in [verifier.layer(), verifier.tolerate(hour), verifier.require().online()] {
            assert_eq!(ask(layer, &token).await, (StatusCode::SERVICE_UNAVAILABLE, None));
        }
    }
}

//
#[tokio::test]
async fn monitor_mode_refuses_what_is_known_to_be_dead() {
    let authority = Authority::serve().await;
    let monitor = authority.builder().monitor().build().await.unwrap();
    until("the feed", || authority.feeds.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    let (revoked, short) = (long_lived(&authority, 1), authority.token(2));
    let other_key = Authority::serve().await;
    authority.revoke(&Target::Session(authority.claims(1).sid));
    until("the entry", || monitor.status().applied == 1).await;
    authority.fault("/head", Fault::Down);
    authority.clock.advance(Duration::from_secs(3600));
    assert_eq!(monitor.check(&revoked).err(), Some(Refusal::Revoked));
    for dead in [short.as_str(), "rubbish", &other_key.token(1)] {
        assert!(matches!(monitor.check(dead), Err(Refusal::InvalidToken(_))), "{dead}");
        assert_eq!(ask(monitor.layer(), dead).await.0, StatusCode::UNAUTHORIZED);
    }
}

//
#[tokio::test]
async fn monitor_mode_accepts_nothing_before_the_first_snapshot_and_head() {
    let authority = Authority::serve().await;
    authority.fault("/head", Fault::Down);
    let monitor = authority.builder().monitor().start().unwrap();
    let token = long_lived(&authority, 1);
    until("the snapshot", || monitor.status().epoch.is_some()).await;
    assert!(matches!(monitor.check(&token), Err(Refusal::Stale { .. })));
    assert_eq!(counted(&monitor, "starting"), 1);
}

// T26 R-33
#[tokio::test]
async fn monitor_mode_judges_by_the_authoritys_time_also_when_nothing_vouches_any_more() {
    let authority = Authority::serve().await;
    authority.revoke(&Target::Client("a".into()));
    let monitor = authority.builder().monitor().build().await.unwrap();
    let dead = authority.token(1);
    let living = long_lived(&authority, 2);
    // This server's clock stands still, and the authority's goes on.
    authority.world().wall_us += 600_000_000;
    let expired = |token: &str| matches!(monitor.check(token), Err(Refusal::InvalidToken(_)));
    until("the authority's time", || expired(&dead)).await;
    {
        let mut world = authority.world();
        world.entries.clear();
        world.digests.truncate(1);
    }
    until("the stop", || monitor.status().stopped).await;
    assert_eq!(ask(monitor.layer(), &living).await, (StatusCode::OK, Some("503".to_owned())));
    assert!(expired(&dead), "{:?}", monitor.check(&dead));
}

//
#[tokio::test]
async fn a_verifier_exports_how_it_stands() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    authority.revoke(&Target::Session(authority.claims(1).sid));
    until("the entry", || verifier.status().applied == 1).await;
    authority.fault("/head", Fault::Down);
    authority.clock.advance(Duration::from_secs(30));
    assert!(verifier.check(&authority.token(2)).is_err());
    let text = verifier.metrics();
    for line in [
        "rescind_verifier_applied 1",
        "rescind_verifier_lag 0",
        "rescind_verifier_ready 0",
        "rescind_verifier_monitor 0",
        "rescind_verifier_entries 1",
        "rescind_verifier_unavailable_total{why=\"stale\"} 1",
        "rescind_verifier_unavailable_total{why=\"online\"} 0",
        "# TYPE rescind_verifier_unavailable_total counter",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    let epoch = verifier.status().epoch.unwrap();
    assert!(text.contains(&format!("rescind_verifier_log_info{{epoch=\"{epoch}\"}} 1")), "{text}");
    let document = include_str!("../../../docs/metrics.md");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split([' ', '{']).next().unwrap();
        assert!(document.contains(&format!("| `{name}` |")), "{name} is not documented");
    }
    let status = serde_json::to_value(verifier.status()).unwrap();
    assert!(
        status["digest"].is_string() && status["staleness_ms"].as_u64() >= Some(30_000),
        "{status}"
    );
}
