//! A key that somebody else has.

use super::fleet::{Fleet, Session, check};
use rescind_e2e::realm::kid;
use rescind_e2e::wait::{Stopwatch, say, until};
use rescind_testkit::http::Http;

const SESSIONS: usize = 8;
const TOKENS: usize = 5;

async fn all_answer(apis: &[Http], tokens: &[String], status: u16) {
    for api in apis {
        for token in tokens {
            let answer = api.get_as("/posts", token).await;
            assert_eq!(answer.status, status, "{}", answer.text());
        }
    }
}

/// Sessions, and several tokens of each, all of one key.
async fn sessions_of(fleet: &Fleet, key: &str) -> (Vec<Session>, Vec<String>) {
    let (mut sessions, mut tokens) = (Vec::new(), Vec::new());
    for _ in 0..SESSIONS {
        let mut session = Session::open(&fleet.realm).await;
        tokens.push(session.access.clone());
        for _ in 1..TOKENS {
            session.refresh().await.unwrap();
            tokens.push(session.access.clone());
        }
        sessions.push(session);
    }
    assert!(tokens.iter().all(|token| kid(token) == key));
    (sessions, tokens)
}

// K06 R-11
#[tokio::test(flavor = "multi_thread")]
async fn a_compromised_key_is_refused_everywhere_and_each_session_goes_on_after_one_refresh() {
    let fleet = Fleet::start().await;
    let (apis, checker) = (fleet.apis(), fleet.checker.http());
    let before = Session::open(&fleet.realm).await;
    fleet.rotate().await;
    let key = fleet.realm.active_kid();
    assert_ne!(kid(&before.access), key);
    let (sessions, tokens) = sessions_of(&fleet, &key).await;
    all_answer(&apis, &tokens, 200).await;

    fleet.realm.cli(&["keys", "retire", &key, "--compromised", "--yes"]);
    let answered = Stopwatch::new();
    for api in &apis {
        until("the API server refuses the key", async || {
            let status = api.get_as("/posts", &tokens[0]).await.status;
            assert!(status == 200 || status == 401, "{status}");
            (status == 401).then_some(())
        })
        .await;
    }
    let refused = answered.elapsed().as_secs_f64() * 1e3;
    say(&format!(
        "a compromised key was refused at both API servers {refused:.1} ms after the answer"
    ));
    all_answer(&apis, &tokens, 401).await;
    // The key before it is not compromised.
    all_answer(&apis, std::slice::from_ref(&before.access), 200).await;

    for mut session in sessions {
        session.refresh().await.unwrap();
        assert_ne!(kid(&session.access), key);
        all_answer(&apis, std::slice::from_ref(&session.access), 200).await;
    }
    // Who has nothing but the key set learns it when the set is too old, here after a second.
    let jwks = fleet.realm.http().get("/.well-known/jwks.json", &[]).await.text();
    assert!(!jwks.contains(&key));
    until("jose drops the key", async || {
        (check(&checker, &tokens[0]).await?.status == 401).then_some(())
    })
    .await;
}
