//! `kill -9` while many sign in, refresh and log out. Whatever was answered holds afterwards.

use crate::realm::{Realm, is_dead, refreshed, sign_in, text, try_refresh};
use http::Method;
use rescind_testkit::http::{Answer, Http};
use rescind_testkit::server::PASSWORD;
use serde_json::json;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const WORKERS: usize = 8;
/// The kill comes after so many answers.
const ANSWERS: usize = 120;

/// What a client knows of its session.
#[derive(Debug, Clone)]
enum Known {
    /// The newest token that it was given.
    Live { token: String },
    /// It sent this token with this key, and heard nothing.
    Refreshing { token: String, key: String },
    /// It sent a logout with this token, and heard nothing.
    LeavingUnheard { token: String },
    /// It was told that the logout is done.
    Left { token: String },
}

/// One client: signs in, refreshes twice, logs out of every other session, again and again until the
/// authority is gone.
async fn client(http: Http, name: usize, answers: Arc<AtomicUsize>) -> Vec<Known> {
    let mut all = Vec::new();
    let body = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" }).to_string();
    let count = |answer: Answer, status: u16| {
        assert_eq!(answer.status, status, "{}", answer.text());
        answers.fetch_add(1, Ordering::Relaxed);
        answer
    };
    for round in 0.. {
        let headers = [("content-type", "application/json")];
        let login = http.attempt(Method::POST, "/login", &headers, body.clone()).await;
        let Some(answer) = login else { return all };
        let mut token = text(&count(answer, 200).json(), "refresh_token");
        for step in 0..2 {
            let key = format!("client-{name}-round-{round}-step-{step}-key");
            let Some(answer) = try_refresh(&http, &token, Some(&key)).await else {
                all.push(Known::Refreshing { token, key });
                return all;
            };
            token = text(&count(answer, 200).json(), "refresh_token");
        }
        if round % 2 == 1 {
            all.push(Known::Live { token });
            continue;
        }
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let Some(answer) = http.attempt(Method::POST, "/logout", &headers, "").await else {
            all.push(Known::LeavingUnheard { token });
            return all;
        };
        count(answer, 204);
        all.push(Known::Left { token });
    }
    all
}

/// What the client knows is true.
async fn holds(http: &Http, known: &Known) {
    match known {
        Known::Left { token } => is_dead(http, token).await,
        Known::Live { token } => {
            refreshed(http, token, Some("the-first-key-after-the-kill")).await;
        }
        Known::Refreshing { token, key } => {
            let successor = refreshed(http, token, Some(key)).await;
            assert_eq!(refreshed(http, token, Some(key)).await, successor, "one line");
            refreshed(http, &successor, Some("the-first-key-after-the-kill")).await;
        }
        Known::LeavingUnheard { token } => match http.refresh(token, None).await.status.as_u16() {
            200 => {}
            _ => is_dead(http, token).await,
        },
    }
}

// R14 S08 E05 R-17 R-31
#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_answered_before_a_kill_under_load_holds_after_it() {
    let realm = Realm::new();
    let mut of_kinds = [0; 4];
    for _ in 0..3 {
        let mut process = realm.start("").await;
        let answers = Arc::new(AtomicUsize::new(0));
        let start = |name| tokio::spawn(client(realm.http(), name, Arc::clone(&answers)));
        let clients: Vec<_> = (0..WORKERS).map(start).collect();
        let enough = async {
            while answers.load(Ordering::Relaxed) < ANSWERS {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), enough).await.expect("the load goes on");
        process.kill();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.await.unwrap());
        }

        let _process = realm.start("").await;
        let http = realm.http();
        for known in &all {
            holds(&http, known).await;
            of_kinds[match known {
                Known::Live { .. } => 0,
                Known::Refreshing { .. } => 1,
                Known::LeavingUnheard { .. } => 2,
                Known::Left { .. } => 3,
            }] += 1;
        }
    }
    assert!(of_kinds[0] > 0 && of_kinds[3] > 0, "the load was no load: {of_kinds:?}");
}

// S08 R-58
#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_at_random_moments_under_load_are_no_rollback() {
    let realm = Realm::new();
    let mut process = realm.start("").await;
    let verifier = realm.verifier().await;
    let epoch = verifier.status().epoch;
    let (_, mut kept) = sign_in(&realm.http()).await;
    let mut seed = RandomState::new().hash_one("kill");
    println!("seed {seed}");
    for round in 0..10 {
        let answers = Arc::new(AtomicUsize::new(0));
        let start = |name| tokio::spawn(client(realm.http(), name, Arc::clone(&answers)));
        let clients: Vec<_> = (0..WORKERS).map(start).collect();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (enough, moment) = (1 + (seed >> 33) as usize % 60, (seed >> 40) % 40);
        let load = async {
            while answers.load(Ordering::Relaxed) < enough {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), load).await.expect("the load goes on");
        tokio::time::sleep(Duration::from_millis(moment)).await;
        process.kill();
        for client in clients {
            client.await.unwrap();
        }
        process = realm.start("").await;
        kept =
            refreshed(&realm.http(), &kept, Some(&format!("the-key-of-round-{round}-here"))).await;
    }
    let head = realm.json(&["backup", realm.at("copy.db").to_str().unwrap()]);
    assert_eq!(Some(text(&head, "epoch")), epoch.map(|epoch| epoch.to_string()));
    assert!(head["pos"].as_u64().unwrap() > 10, "there was something to lose: {head}");
    assert_eq!(realm.epochs_opened(), Vec::<String>::new());
    let log = realm.log();
    assert!(!log.contains("store_rolled_back") && !log.contains("marker_missing"), "{log}");
    assert!(!verifier.status().stopped);
}
