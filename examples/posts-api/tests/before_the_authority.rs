//! The server while no authority is there: it is up, says so, and lets nobody in.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use rescind_verifier::{ClientSecret, Verifier};
use tower::ServiceExt;

const ORIGIN: &str = "http://localhost:4000";

#[expect(clippy::unwrap_used, reason = "part of the tests")]
async fn answer(request: axum::http::request::Builder) -> Response {
    // Port 9 (discard): nobody answers there.
    let verifier = Verifier::builder("http://127.0.0.1:9", "posts-api")
        .client("posts-api", ClientSecret::new("secret"))
        .start()
        .unwrap();
    let app: Router = posts_api::app(verifier, HeaderValue::from_static(ORIGIN));
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn readiness_says_no_and_a_token_gets_503() {
    let response = answer(Request::get("/readyz")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let request = Request::get("/posts").header(header::AUTHORIZATION, "Bearer x");
    let response = answer(request).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn every_route_but_readiness_wants_a_token() {
    for path in ["/posts", "/posts/publish"] {
        let response = answer(Request::post(path)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn the_page_of_the_one_origin_may_read_refusals_and_no_other_may() {
    for (origin, allowed) in [(ORIGIN, true), ("http://127.0.0.1:4000", false), ("null", false)] {
        let preflight = Request::options("/posts")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization");
        for request in [preflight, Request::get("/posts").header(header::ORIGIN, origin)] {
            let response = answer(request).await;
            let headers = response.headers();
            assert_eq!(headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), allowed);
            assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        }
    }
}
