//! A flood of sign-ins fills the queue and nothing else.

use super::attempt;
use rescind_authority::settings::Argon2Cost;
use rescind_testkit::accounts::hashes;
use rescind_testkit::server::{PASSWORD, TestAuthority, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

// L21 R-2
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sign_ins_gets_503_while_session_checks_and_keys_are_answered() {
    let authority = TestAuthority::start_with(|config| {
        config.settings.hash_threads = 1;
        config.settings.hash_queue = 2;
        // So slow that the few that are let in are under way until everything else is over.
        config.settings.argon2 = Argon2Cost { memory_kib: 64 * 1024, passes: 20, lanes: 1 };
    })
    .await;
    authority.person("alice").await;
    let http = authority.http();
    let mut browser = http.browser();
    browser.sign_in("alice", PASSWORD).await;
    let refresh_token = http.sign_in("alice", PASSWORD).await["refresh_token"].clone();

    let before = hashes(&authority);
    let turned_away = Arc::new(AtomicU64::new(0));
    let sent = |n: usize| {
        let (http, turned_away) = (http.clone(), Arc::clone(&turned_away));
        tokio::spawn(async move {
            let answer = attempt(&http, &format!("flood{n}"), "wrong password").await;
            if answer.status == 503 {
                turned_away.fetch_add(1, Ordering::SeqCst);
            }
            answer
        })
    };
    let at_work = sent(0);
    until("the first is at work", || authority.app.authority.hasher().state().busy == 1).await;
    let flood: Vec<_> = std::iter::once(at_work).chain((1..40).map(sent)).collect();
    // One at work, two waiting, the others turned away.
    until("the others are turned away", || turned_away.load(Ordering::SeqCst) >= 37).await;
    for _ in 0..10 {
        assert_eq!(browser.get("/whoami").await.status, 200);
        assert_eq!(http.get("/.well-known/jwks.json", &[]).await.status, 200);
    }
    let refreshed = http.refresh(refresh_token.as_str().unwrap(), None).await;
    assert_eq!(refreshed.status, 200);
    assert!(hashes(&authority) - before < 3, "the hashing was still full all that time");

    let mut failed = 0;
    for answer in flood {
        let answer = answer.await.unwrap();
        if answer.status == 503 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
            assert_eq!(answer.header("content-type"), "application/problem+json");
        } else {
            assert_eq!(answer.status, 401);
            failed += 1;
        }
    }
    assert_eq!((failed, hashes(&authority) - before), (3, 3), "who was turned away cost no hash");
    assert_eq!(attempt(&http, "alice", PASSWORD).await.status, 200, "and it is over");
}
