//! An account with very many sessions.

use rescind_authority::store::MOST_SIBLINGS;
use rescind_testkit::server::{PASSWORD, TestAuthority};
use std::time::Duration;

// S13
#[tokio::test(flavor = "multi_thread")]
async fn one_sign_in_too_many_ends_the_oldest_session() {
    let authority = TestAuthority::start_with(|config| {
        config.settings.argon2.memory_kib = 64;
        config.settings.max_sessions = 3;
    })
    .await;
    let sub = authority.person("alice").await;
    let (http, verifier) = (authority.http(), authority.verifier().await);
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(http.sign_in("alice", PASSWORD).await);
        authority.clock.advance(Duration::from_secs(1));
    }
    for (n, tokens) in all.iter().enumerate() {
        let lives = n >= 2;
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(verifier.check_online(access).await.is_ok(), lives, "{n}");
        let refresh = http.refresh(tokens["refresh_token"].as_str().unwrap(), None).await;
        assert_eq!(refresh.status == 200, lives, "{n}");
    }
    assert_eq!(authority.app.authority.sessions(sub).await.unwrap().len(), 3);
    const { assert!(MOST_SIBLINGS >= 1_000) };
}
