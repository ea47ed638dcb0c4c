//! Who may read through a relay.

use crate::{HEADS, INSTANCE, behind_proxy, quick, ready, verifier_at};
use futures_util::future::join_all;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rescind_authority::clients::Permission;
use rescind_testkit::http::{Answer, Http, basic};
use rescind_testkit::relay::TestRelay;
use rescind_testkit::server::{TestAuthority, operator};
use rescind_wire::b64;
use serde_json::json;
use std::time::Duration;

/// Asks for each of the resources; a feed that opens is an answer without an end.
async fn ask_all(authority: &TestAuthority, at: &str, credentials: Option<&str>) -> Vec<Answer> {
    let epoch = authority.app.authority.store().head().await.unwrap().epoch;
    let feed = format!("/v1/feed?epoch={epoch}&from=0&instance={INSTANCE}");
    let question = json!({ "nonce": b64::encode([7; 16]), "instance": INSTANCE, "applied": 0 });
    let batch = json!([question]).to_string();
    let mut answers = Vec::new();
    for (method, path, body) in [
        (Method::GET, "/v1/snapshot", String::new()),
        (Method::GET, feed.as_str(), String::new()),
        (Method::POST, "/v1/head", question.to_string()),
        (Method::POST, HEADS, batch),
    ] {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(credentials.map(|c| ("authorization", c)));
        answers.push(Http::new(at).send(method, path, &headers, body).await);
    }
    answers
}

// P01
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_tells_nobody_a_byte_whom_the_authority_does_not_let() {
    let authority = quick().await;
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let made = authority.app.authority.add_client("other", vec![], vec![], &operator()).await;
    let forbidden = basic("other", made.unwrap().expose());
    let wrong = basic("posts-api", "wrong");
    let long = basic("posts-api", &"x".repeat(5000));
    for (credentials, status) in [
        (None, 401),
        (Some("Basic %%%"), 401),
        (Some("Bearer x"), 401),
        (Some(wrong.as_str()), 401),
        (Some(long.as_str()), 401),
        (Some(forbidden.as_str()), 403),
    ] {
        for answer in ask_all(&authority, &relay.url(), credentials).await {
            assert_eq!(answer.status, status, "{credentials:?}: {}", answer.text());
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
    let right = basic("posts-api", &authority.secret);
    let http = Http::new(&relay.url());
    let answer = http.get("/v1/snapshot", &[("authorization", &right)]).await;
    assert_eq!(answer.status, 200);
}

// P02
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_removed_is_cut_off_within_a_beat() {
    let authority = quick().await;
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let (may, operator) = (vec![Permission::Feed], operator());
    let made = authority.app.authority.add_client("gone", vec![], may, &operator).await;
    let credentials = basic("gone", made.unwrap().expose());
    let epoch = authority.app.authority.store().head().await.unwrap().epoch;
    let url = format!("{}/v1/feed?epoch={epoch}&from=0&instance={INSTANCE}", relay.url());
    let request = Request::get(url).header("authorization", &credentials);
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let response = client.request(request.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();

    authority.app.authority.remove_client("gone", operator).await.unwrap();
    let over = async { while let Some(Ok(_)) = body.frame().await {} };
    // A beat, and a little for a machine that is busy.
    let in_time = tokio::time::timeout(Duration::from_millis(3500), over).await;
    assert!(in_time.is_ok(), "the stream goes on");
    for answer in ask_all(&authority, &relay.url(), Some(&credentials)).await {
        assert_eq!(answer.status, 401);
    }
}

// P09
#[tokio::test(flavor = "multi_thread")]
async fn strangers_cannot_make_a_relay_ask_without_end_nor_hinder_who_is_known() {
    let (authority, proxy) = behind_proxy().await;
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let verifier = verifier_at(&authority, &relay.url()).await;
    // Nobody else asks while they are counted.
    drop(verifier);
    let known = basic("posts-api", &authority.secret);
    let http = Http::new(&relay.url());
    assert_eq!(http.get("/v1/snapshot", &[("authorization", &known)]).await.status, 200);
    let before = proxy.asked(HEADS);
    let mut refused = [0, 0];
    for n in 0..200 {
        let credentials = basic("posts-api", &format!("guess-{n}"));
        let answer = http.get("/v1/snapshot", &[("authorization", &credentials)]).await;
        match answer.status.as_u16() {
            401 => refused[0] += 1,
            429 => refused[1] += 1,
            other => panic!("{other}"),
        }
    }
    let asked = proxy.asked(HEADS) - before;
    assert!(asked < 80 && refused[1] > 100, "{asked} were asked about, {refused:?}");
    assert_eq!(http.get("/v1/snapshot", &[("authorization", &known)]).await.status, 200);
}

/// Asks for the snapshot with an Authorization header that says this.
async fn ask_as(http: &Http, header: &str) -> u16 {
    http.get("/v1/snapshot", &[("authorization", header)]).await.status.as_u16()
}

// P09
#[tokio::test(flavor = "multi_thread")]
async fn one_secret_is_asked_about_once_however_it_is_written() {
    let (authority, proxy) = behind_proxy().await;
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let http = Http::new(&relay.url());
    let right = basic("posts-api", &authority.secret);
    let schemes = ["Basic", "basic", "BASIC", "bAsic", "baSic", "basIc", "basiC", "BAsic"];
    let written: Vec<String> = schemes.map(|scheme| right.replacen("Basic", scheme, 1)).into();
    let before = proxy.asked(HEADS);
    for answer in join_all(written.iter().map(|header| ask_as(&http, header))).await {
        assert_eq!(answer, 200);
    }
    let asked = proxy.asked(HEADS) - before;
    // A second one if they were not all there within the time for which an answer is fresh.
    assert!((1..=2).contains(&asked), "asked {asked} times");
}

// P09
#[tokio::test(flavor = "multi_thread")]
async fn many_guesses_at_once_are_no_more_than_many_after_each_other() {
    let (authority, proxy) = behind_proxy().await;
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let http = Http::new(&relay.url());
    let before = proxy.asked(HEADS);
    let guesses: Vec<String> =
        (0..400).map(|n| basic("posts-api", &format!("guess-{n}"))).collect();
    let answers = join_all(guesses.iter().map(|header| ask_as(&http, header))).await;
    assert!(answers.iter().all(|status| [401, 429, 503].contains(status)), "{answers:?}");
    // Those that are asked about at once, twenty refusals, and as many again if the count began anew.
    let asked = proxy.asked(HEADS) - before;
    assert!(asked < 200, "{asked} were asked about");
}

// P09 H09
#[tokio::test(flavor = "multi_thread")]
async fn how_a_relay_stands_is_told_under_its_own_names_only() {
    let authority = quick().await;
    let relay = TestRelay::start_with(&authority, "relay", |config| {
        config.hosts.push("relay.internal".to_owned());
    })
    .await;
    let http = Http::new(&format!("http://{}", relay.status));
    for (host, status) in [
        ("127.0.0.1:4101", 200),
        ("localhost:4101", 200),
        ("relay.internal:4101", 200),
        ("evil.example:4101", 400),
        ("relay.internal.evil.example", 400),
    ] {
        for path in ["/metrics", "/healthz"] {
            let answer = http.get(path, &[("host", host)]).await;
            assert_eq!(answer.status, status, "{host}{path}");
        }
    }
}

// to the authority both are the relay.
#[tokio::test(flavor = "multi_thread")]
async fn no_client_behind_a_relay_speaks_in_anothers_place() {
    let authority = quick().await;
    let permissions = vec![Permission::Feed];
    let evil = authority.app.authority.add_client("evil", vec![], permissions, &operator()).await;
    let evil = evil.unwrap();
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let epoch = authority.app.authority.store().head().await.unwrap().epoch;
    for (client, secret, applied) in
        [("posts-api", authority.secret.as_str(), 0), ("evil", evil.expose(), 9)]
    {
        let body = json!({
            "nonce": b64::encode([7; 16]), "instance": INSTANCE, "epoch": epoch, "applied": applied
        });
        let credentials = basic(client, secret);
        let headers =
            [("authorization", credentials.as_str()), ("content-type", "application/json")];
        let http = Http::new(&relay.url());
        let answer = http.send(Method::POST, "/v1/head", &headers, body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let seen = authority.app.feed.fleet().seen(authority.app.feed.position());
    let mut applied: Vec<_> = seen.iter().map(|verifier| verifier.applied).collect();
    applied.sort_unstable();
    assert_eq!(applied, [0, 9], "{seen:?}");
}
