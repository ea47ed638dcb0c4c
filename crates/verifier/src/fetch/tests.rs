//! An authority that does not answer, and one that answers late.

use super::*;
use crate::secret::ClientSecret;
use axum::Router;
use rescind_wire::jwk::{SigningKey, jwks};
use rescind_wire::jws::Alg;
use std::sync::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::sleep;

// K08
#[tokio::test(start_paused = true)]
async fn an_authority_that_accepts_and_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let metadata = endpoint::metadata(&issuer).unwrap();
    let login = ClientSecret::new("y").login("x").unwrap();
    let authority = Authority::new(issuer, metadata, login).unwrap();
    let given_up = tokio::time::timeout(ANSWER * 2, authority.discover()).await;
    assert!(matches!(given_up, Ok(Err(FetchError::Timeout | FetchError::Transport(_)))));
}

/// A metadata document of this issuer with one feed key.
fn document(issuer: &str, feed_key: &SigningKey) -> String {
    let keys: serde_json::Value = serde_json::from_str(&jwks(feed_key.public())).unwrap();
    let document = serde_json::json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/j"),
        "rescind_feed_keys": keys,
        "rescind_snapshot_endpoint": format!("{issuer}/s"),
        "rescind_feed_endpoint": format!("{issuer}/f"),
        "rescind_head_endpoint": format!("{issuer}/h"),
    });
    document.to_string()
}

// K08 P05
#[tokio::test]
async fn metadata_that_comes_late_replaces_none_that_is_newer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let key =
        || SigningKey::from_secret(Alg::Ed25519, &SigningKey::generate(Alg::Ed25519).unwrap());
    let [old, new] = [key().unwrap(), key().unwrap()];
    let documents = [document(&issuer, &new), document(&issuer, &old)];
    let documents = Arc::new(Mutex::new(documents.to_vec()));
    // The first to ask gets the older document, and gets it last, if anybody else asks meanwhile.
    let asked = Arc::new(Notify::new());
    let router = Router::new().fallback(move || {
        let (document, left) = {
            let mut documents = documents.lock().unwrap();
            (documents.pop().unwrap(), documents.len())
        };
        let asked = Arc::clone(&asked);
        async move {
            if left == 0 {
                asked.notify_one();
            } else if timeout(Duration::from_millis(500), asked.notified()).await.is_ok() {
                sleep(Duration::from_millis(100)).await;
            }
            ([("content-type", "application/json")], document)
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let metadata = endpoint::metadata(&issuer).unwrap();
    let login = ClientSecret::new("y").login("x").unwrap();
    let authority = Authority::new(issuer, metadata, login).unwrap();
    let (a, b) = tokio::join!(authority.discover(), authority.discover());
    assert_eq!((a.unwrap(), b.unwrap()), (false, true));
    let held = &authority.known().unwrap().feed_keys;
    assert_eq!(held[0].thumbprint(), new.public().unwrap().thumbprint());
}
