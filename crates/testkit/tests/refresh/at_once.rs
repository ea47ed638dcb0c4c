//! Many at once with one token.

use crate::{GRACE, Story, TICK, refresh_token};
use rescind_authority::session::SessionState;
use rescind_testkit::accounts::key;
use rescind_testkit::http::Answer;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Barrier;

/// Twenty present the first token at the same moment, each with its key.
async fn all_at_once(story: &Story, keys: Vec<Option<String>>) -> Vec<Answer> {
    let start = Arc::new(Barrier::new(keys.len()));
    let racers: Vec<_> = keys
        .into_iter()
        .map(|key| {
            let (http, token) = (story.http.clone(), story.first.clone());
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                http.refresh(&token, key.as_deref()).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for racer in racers {
        answers.push(racer.await.unwrap());
    }
    answers
}

// R01 R02 R-17
#[tokio::test(flavor = "multi_thread")]
async fn all_who_use_one_token_with_one_key_or_none_get_the_one_successor() {
    for keys in [vec![Some(key("shared-by-all-tabs")); 20], vec![None; 20]] {
        let story = Story::begin().await;
        let verifier = story.authority.verifier().await;
        let answers = all_at_once(&story, keys).await;
        let mut successors = HashSet::new();
        for answer in &answers {
            assert_eq!(answer.status, 200, "{}", answer.text());
            let tokens = answer.json();
            successors.insert(refresh_token(&tokens));
            assert!(verifier.check(tokens["access_token"].as_str().unwrap()).is_ok());
        }
        assert_eq!(successors.len(), 1);
        assert_eq!(story.session().await.generation, 1);
        let next = story.refresh(successors.iter().next().unwrap(), None).await;
        assert_eq!(story.http.get_as("/whoami", &next).await.status, 200);
    }
}

// R01 R02 R-17
#[tokio::test(flavor = "multi_thread")]
async fn of_many_with_keys_of_their_own_one_gets_a_successor_and_the_others_are_told_so() {
    for _ in 0..5 {
        let story = Story::begin().await;
        let keys: Vec<_> = (0..20).map(|n| Some(key(&format!("tab-{n}")))).collect();
        let answers = all_at_once(&story, keys).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 19));
        for answer in lost {
            assert_eq!(answer.status, 409, "{}", answer.text());
            assert!(answer.json()["refresh_token"].is_null());
        }
        // The others read the winner's token from the storage that they share.
        let stored = refresh_token(&won[0].json());
        assert_eq!(story.session().await.state, SessionState::Live);
        let next = story.refresh(&stored, Some(&key("the-next-tab"))).await;
        assert_eq!(story.http.get_as("/whoami", &next).await.status, 200);
        assert_eq!(story.session().await.generation, 2);
    }
}

// R02 R03
#[tokio::test(flavor = "multi_thread")]
async fn many_spent_tokens_at_once_end_the_session_once() {
    let story = Story::begin().await;
    let next = story.refresh(&story.first, None).await;
    story.advance(GRACE + TICK);
    let before = rescind_testkit::accounts::pos(&story.authority).await;
    for answer in all_at_once(&story, vec![None; 20]).await {
        crate::is_invalid_grant(&answer);
    }
    assert_eq!(rescind_testkit::accounts::pos(&story.authority).await, before + 1);
    story.is_refused(&next, None).await;
}
