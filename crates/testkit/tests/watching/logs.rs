//! Lines of the log as a contract: their form, and the id that joins an answer with them.

use crate::support::{log, watched};
use http::Method;
use rescind_testkit::http::{Answer, Http};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn request_of(answer: &Answer) -> Value {
    let id = answer.header("x-correlation-id");
    let mut events = log().of_request(id);
    events.retain(|e| e["event"] == "request");
    assert_eq!(events.len(), 1, "one request has the id {id}: {events:?}");
    events.remove(0)
}

// G01
#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_a_request_has_the_documented_fields_and_no_other() {
    let watched = watched().await;
    let answer = watched.authority.http().get("/sessions/x?q=1", &[]).await;
    let line = request_of(&answer);
    let fields = ["id", "address", "method", "route", "status", "micros"];
    let all = fields.into_iter().chain(["timestamp", "level", "target", "event"]);
    assert_eq!(keys(&line), all.collect());
    assert_eq!(line["level"], "INFO");
    assert_eq!(
        (&line["method"], &line["route"], &line["status"], &line["address"]),
        (&json!("GET"), &json!("/sessions/{id}"), &json!(405), &json!("127.0.0.1"))
    );
}

// G01
#[tokio::test(flavor = "multi_thread")]
async fn times_are_utc() {
    let watched = watched().await;
    watched.authority.http().get("/whoami", &[]).await;
    let events = log().events();
    assert!(!events.is_empty());
    for event in events {
        let time = event["timestamp"].as_str().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    }
}

/// One request for each form of refusal.
async fn refusals(http: &Http, headers: &[(&str, &str)]) -> Vec<(u16, Answer)> {
    let form = [headers, &[("content-type", "application/x-www-form-urlencoded")]].concat();
    let json_body = [headers, &[("content-type", "application/json")]].concat();
    let sign_in = json!({ "username": "nobody", "password": "x", "carrier": "token" }).to_string();
    let grant = "grant_type=refresh_token&refresh_token=x";
    let mut seen = Vec::new();
    for (status, method, path, headers, body) in [
        (404, Method::GET, "/nowhere", headers, ""),
        (405, Method::DELETE, "/login", headers, ""),
        (401, Method::GET, "/whoami", headers, ""),
        (400, Method::GET, "/whoami?access_token=x", headers, ""),
        (415, Method::POST, "/login", headers, "x"),
        (400, Method::POST, "/login", &json_body, "{"),
        (401, Method::POST, "/login", &json_body, &sign_in),
        (400, Method::POST, "/token", &form, grant),
        (400, Method::POST, "/token", &form, ""),
        (401, Method::POST, "/introspect", &form, "token=x"),
        (401, Method::GET, "/v1/snapshot", headers, ""),
        (403, Method::POST, "/signin", &form, "username=a&password=b"),
    ] {
        seen.push((status, http.send(method, path, headers, body.to_owned()).await));
    }
    seen
}

// E04
#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_carries_the_id_of_its_line_in_the_log_in_every_form_of_answer() {
    let watched = watched().await;
    // With no server to sign in for, there is no token to ask for either.
    let http = watched.authority.http();
    let mut ids = BTreeSet::new();
    for (status, answer) in refusals(&http, &[]).await {
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        assert_eq!(request_of(&answer)["status"], status);
        assert!(ids.insert(answer.header("x-correlation-id").to_owned()), "each its own");
    }
    fail::cfg("store::before_read", "return").unwrap();
    let failed = http.get("/v1/snapshot", &[("authorization", "Basic eDp4")]).await;
    assert_eq!((failed.status.as_u16(), &request_of(&failed)["status"]), (503, &json!(503)));
    assert_eq!(failed.json()["correlation_id"], failed.header("x-correlation-id"));
    let served = http.get("/signin", &[]).await;
    assert_eq!((served.status.as_u16(), served.header("x-correlation-id")), (200, ""));
}

// E04
#[tokio::test(flavor = "multi_thread")]
async fn no_request_chooses_its_own_id() {
    let watched = watched().await;
    let own = "AAAAAAAAAAAA";
    for name in ["x-correlation-id", "x-request-id", "traceparent"] {
        for (_, answer) in refusals(&watched.authority.http(), &[(name, own)]).await {
            assert_ne!(answer.header("x-correlation-id"), own);
            request_of(&answer);
        }
    }
    assert_eq!(log().of_request(own), Vec::<Value>::new());
}
