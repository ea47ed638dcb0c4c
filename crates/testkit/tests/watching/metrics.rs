//! What is counted and measured: each thing where it happens, nothing that somebody sent, and no less
//! where the log is quiet.

use crate::support::{Metrics, Watched, over_socket, watched};
use http::Method;
use rescind_testkit::http::basic;
use rescind_testkit::process::{Process, free_port, wait_for_port};
use rescind_testkit::server::{PASSWORD, TestAuthority, operator, until};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

impl Watched {
    async fn metrics(&self) -> Metrics {
        Metrics::of(&self.authority).await
    }

    /// Signs in, or fails to.
    async fn sign_in(&self, name: &str, password: &str) -> serde_json::Value {
        let body = json!({ "username": name, "password": password, "carrier": "token" });
        self.authority.http().post_json("/login", &body).await.json()
    }
}

/// How much each sample has moved.
fn moved(before: &Metrics, after: &Metrics, samples: &[(&str, f64)]) {
    for (sample, by) in samples {
        let moved = after.value(sample) - before.value(sample);
        assert_eq!(moved, *by, "{sample}");
    }
}

// G06
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_moves_the_metric_that_counts_it() {
    let watched = watched().await;
    watched.authority.person("alice").await;
    let before = watched.metrics().await;
    assert_eq!(before.value("rescind_ready"), 1.0);
    let token =
        watched.sign_in("alice", PASSWORD).await["refresh_token"].as_str().unwrap().to_owned();
    watched.sign_in("alice", "wrong").await;
    watched.sign_in("nobody", "wrong").await;
    let http = watched.authority.http();
    assert_eq!(http.refresh(&token, None).await.status, 200);
    assert_eq!(http.refresh(&token, None).await.status, 200, "repeated");
    assert_eq!(http.refresh("rsc_rt_x", None).await.status, 400);
    watched.authority.clock.advance(Duration::from_secs(31));
    assert_eq!(http.refresh(&token, None).await.status, 400, "theft");
    assert_eq!(http.refresh(&token, None).await.status, 400, "over");
    // The feed counts what it publishes.
    let authority = &watched.authority.app.authority;
    let pos = authority.store().head().await.unwrap().pos;
    let verifier = watched.authority.verifier().await;
    until("the feed has published it", || verifier.status().applied >= pos).await;
    until("the verifier follows", || watched.authority.app.feed.followers() == 1).await;
    let after = watched.metrics().await;
    moved(
        &before,
        &after,
        &[
            ("rescind_sign_ins_total{outcome=\"success\"}", 1.0),
            ("rescind_sign_ins_total{outcome=\"credentials\"}", 2.0),
            ("rescind_refreshes_total{outcome=\"move\"}", 1.0),
            ("rescind_refreshes_total{outcome=\"repeat\"}", 1.0),
            ("rescind_refreshes_total{outcome=\"unknown\"}", 1.0),
            ("rescind_refreshes_total{outcome=\"reuse\"}", 1.0),
            ("rescind_refreshes_total{outcome=\"over\"}", 1.0),
            ("rescind_alarms_total{kind=\"credential_reuse\"}", 1.0),
            ("rescind_events_total{event=\"credential_reuse\",level=\"warn\"}", 1.0),
            ("rescind_revocations_total{scope=\"session\"}", 1.0),
            ("rescind_requests_total{method=\"POST\",route=\"/login\",status=\"401\"}", 2.0),
            ("rescind_requests_total{method=\"POST\",route=\"/token\",status=\"400\"}", 3.0),
            ("rescind_log_position", 1.0),
            ("rescind_hashes_total", 3.0),
            ("rescind_feed_followers", 1.0),
            ("rescind_fleet_verifiers{client_id=\"posts-api\"}", 1.0),
            ("rescind_fleet_laggards{client_id=\"posts-api\"}", 0.0),
        ],
    );
    assert_eq!(after.value("rescind_accounts"), 1.0);
    assert_eq!(after.value("rescind_sessions"), 0.0, "the one that there was is ended");
    assert_eq!(after.value("rescind_keys{purpose=\"token\",state=\"active\"}"), 1.0);
    assert!(after.value("process_resident_memory_bytes") > 1e6);
    assert!(after.value("process_open_fds") > 3.0);
    assert_eq!(after.value("process_start_time_seconds"), 1_790_000_000.0);
    assert_eq!(after.value("rescind_key_age_seconds{purpose=\"token\",state=\"active\"}"), 31.0);
}

// G06
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_is_ahead_of_the_log_raises_an_alarm() {
    let watched = watched().await;
    let head = watched.authority.app.authority.store().head().await.unwrap();
    let before = watched.metrics().await;
    let instance = "AAAAAAAAAAAAAAAAAAAAAA";
    let path = format!("/v1/feed?epoch={}&from={}&instance={instance}", head.epoch, head.pos + 1);
    let secret = basic("posts-api", &watched.authority.secret);
    let answer = watched.authority.http().get(&path, &[("authorization", &secret)]).await;
    assert_eq!(answer.status, 200, "it is told to start afresh");
    let alarm = ("rescind_alarms_total{kind=\"feed_ahead\"}", 1.0);
    moved(&before, &watched.metrics().await, &[alarm]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_told_to_wait_is_counted() {
    let watched = watched_with_little_patience().await;
    watched.authority.person("alice").await;
    let before = watched.metrics().await;
    for _ in 0..3 {
        watched.sign_in("alice", "wrong").await;
    }
    let secret = basic("posts-api", "wrong");
    for _ in 0..3 {
        let form = [("token", "x")];
        let headers = [("authorization", secret.as_str())];
        watched.authority.http().post_form("/introspect", &form, &headers).await;
    }
    let after = watched.metrics().await;
    moved(
        &before,
        &after,
        &[
            ("rescind_sign_ins_total{outcome=\"credentials\"}", 1.0),
            ("rescind_sign_ins_total{outcome=\"throttled\"}", 2.0),
            ("rescind_throttled_total{at=\"sign_in\"}", 2.0),
            ("rescind_throttled_total{at=\"refusal\"}", 2.0),
        ],
    );
}

async fn watched_with_little_patience() -> Watched {
    crate::support::watched_with(|config| {
        config.settings.throttle.pair.free = 1;
        config.settings.throttle.refusals.free = 1;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_histogram_rises_to_its_count_and_has_one_observation_for_each_request() {
    let watched = watched().await;
    let http = watched.authority.http();
    let before = watched.metrics().await;
    for _ in 0..5 {
        http.get("/signin", &[]).await;
    }
    watched.authority.person("alice").await;
    let after = watched.metrics().await;
    let page = "{method=\"GET\",route=\"/signin\"}";
    moved(&before, &after, &[(&format!("rescind_request_duration_seconds_count{page}"), 5.0)]);
    let histograms = after.types.iter().filter(|(_, kind)| *kind == "histogram");
    assert_eq!(histograms.clone().count(), 4);
    for (name, _) in histograms {
        let bucket = format!("{name}_bucket{{");
        let mut series: std::collections::BTreeMap<String, Vec<(f64, f64)>> = Default::default();
        for (sample, count) in after.samples.iter().filter(|(s, _)| s.starts_with(&bucket)) {
            let (labels, bound) =
                sample[bucket.len()..].trim_end_matches("\"}").rsplit_once("le=\"").unwrap();
            let bound: f64 = bound.parse().unwrap();
            series
                .entry(labels.trim_end_matches(',').to_owned())
                .or_default()
                .push((bound, *count));
        }
        assert!(!series.is_empty(), "{name}");
        for (labels, mut buckets) in series {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.iter().is_sorted_by_key(|(_, count)| *count), "{name} {buckets:?}");
            let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            let (last, count) = buckets.pop().unwrap();
            assert_eq!(
                (last, count),
                (f64::INFINITY, after.value(&format!("{name}_count{labels}")))
            );
            assert!(after.value(&format!("{name}_sum{labels}")) >= 0.0);
        }
    }
    assert!(after.value("rescind_commit_jobs_count") >= 1.0);
}

/// What is in no label and no help text, whatever it was sent as.
#[derive(Default)]
struct Canaries(Vec<String>);

impl Canaries {
    fn plant(&mut self) -> String {
        self.0.push(format!("Canary{}q", 104_729 * (self.0.len() + 1)));
        self.0[self.0.len() - 1].clone()
    }
}

async fn plant_everywhere(authority: &TestAuthority, canaries: &mut Canaries) {
    let http = authority.http();
    let name = canaries.plant();
    authority.person(&name).await;
    let tokens = http.sign_in(&name, PASSWORD).await;
    for member in ["access_token", "refresh_token"] {
        canaries.0.push(tokens[member].as_str().unwrap().to_owned());
    }
    let (user, password, agent) = (canaries.plant(), canaries.plant(), canaries.plant());
    let body =
        json!({ "username": user, "password": password, "carrier": "token", "device": user });
    let headers = [("content-type", "application/json"), ("user-agent", agent.as_str())];
    http.send(Method::POST, "/login", &headers, body.to_string()).await;
    let path = canaries.plant();
    for path in [format!("/{path}"), format!("/sessions/{path}"), format!("/signin?next={path}")] {
        let method = Method::from_bytes(canaries.plant().as_bytes()).unwrap();
        http.send(method, &path, &[("x-forwarded-for", "192.0.2.77")], "").await;
        http.get(&path, &[("authorization", &format!("Bearer {}", canaries.plant()))]).await;
    }
    http.refresh(&canaries.plant(), Some(&canaries.plant().repeat(3))).await;
    let client = canaries.plant();
    let audiences = vec![client.clone()];
    let made = authority.app.authority.add_client(&client, audiences, vec![], &operator()).await;
    canaries.0.push(made.unwrap().expose().to_owned());
    authority.app.authority.share_key(&client, operator()).await.unwrap();
    canaries.0.extend(["192.0.2.77".into(), "127.0.0.1".into(), authority.secret.clone()]);
}

// G02
#[tokio::test(flavor = "multi_thread")]
async fn no_metric_holds_what_somebody_sent_or_was_given() {
    let watched = watched().await;
    let mut canaries = Canaries::default();
    plant_everywhere(&watched.authority, &mut canaries).await;
    let (status, text) = over_socket(&watched.authority.config.data, "/metrics").await;
    assert_eq!(status, 200);
    for canary in &canaries.0 {
        assert!(!text.to_lowercase().contains(&canary.to_lowercase()), "{canary} in {text}");
    }
    assert!(text.contains("method=\"-\""), "another method is only another one");
    assert!(text.contains("route=\"/sessions/{id}\"") && text.contains("route=\"-\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_log_counts_no_less() {
    let folder = tempfile::tempdir().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (data_text, keys_text) = (text(&data), text(&keys));
    let issuer = format!("http://{listen}");
    let listen_text = listen.to_string();
    let arguments = ["serve", "--listen", &listen_text, "--issuer", &issuer, "--log", "off"];
    let folders = ["--data", &data_text, "--keys", &keys_text];
    let log = folder.path().join("log");
    let program = env!("CARGO_BIN_EXE_rescind-under-test");
    let _process = Process::start(program, &[&arguments[..], &folders[..]].concat(), &[], &log);
    wait_for_port(listen).await;
    let body = json!({ "username": "nobody", "password": "wrong", "carrier": "cookie" });
    let refused = rescind_testkit::http::Http::new(&issuer).post_json("/login", &body).await;
    assert_eq!(refused.status, 401);
    let (_, metrics) = over_socket(&data, "/metrics").await;
    let metrics = Metrics::read(&metrics);
    assert_eq!(metrics.value("rescind_sign_ins_total{outcome=\"credentials\"}"), 1.0);
    let route = "rescind_requests_total{method=\"POST\",route=\"/login\",status=\"401\"}";
    assert_eq!(metrics.value(route), 1.0);
    assert!(metrics.value("rescind_commit_duration_seconds_count") >= 1.0);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "", "and nothing is logged");
}
