//! A spent token that comes back: somebody has a copy.

use crate::{DAY, GRACE, Story, TICK, access_token, is_invalid_grant, refresh_token};
use rescind_authority::session::Why;
use rescind_server::run::Config;
use rescind_testkit::accounts::{ended, key, pos, session_of};
use rescind_verifier::Refusal;
use std::path::{Path, PathBuf};

// R03 R-16
#[tokio::test(flavor = "multi_thread")]
async fn a_spent_token_after_the_grace_time_ends_the_session_everywhere() {
    let story = Story::begin().await;
    let verifier = story.authority.verifier().await;
    let answer = story.http.refresh(&story.first, Some(&key("owner"))).await.json();
    let (next, access) = (refresh_token(&answer), access_token(&answer));
    for access in [&story.access, &access] {
        assert!(verifier.check(access).is_ok());
    }
    story.advance(GRACE + TICK);
    let before = pos(&story.authority).await;
    story.is_refused(&story.first, Some(&key("thief"))).await;

    // The end is committed although the request failed.
    assert_eq!(pos(&story.authority).await, before + 1);
    let sid = session_of(&story.authority, &story.first);
    assert_eq!(ended(&story.authority, sid).await, Some(Why::Reuse));
    story.is_refused(&next, Some(&key("owners-next"))).await;
    assert_eq!(story.http.get_as("/whoami", &next).await.status, 401);
    story.authority.caught_up(&verifier).await;
    for access in [&story.access, &access] {
        assert_eq!(verifier.check(access).unwrap_err(), Refusal::Revoked);
    }
    // No second alarm, not even for the key that was stored.
    for again in [Some(key("owner")), Some(key("thief")), None] {
        story.is_refused(&story.first, again.as_deref()).await;
    }
    assert_eq!(pos(&story.authority).await, before + 1);
    assert_eq!(ended(&story.authority, sid).await, Some(Why::Reuse));
}

// R01 R03
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_older_generation_ends_the_session_at_once() {
    let story = Story::begin().await;
    let [a, b] = ["move-a", "move-b"].map(key);
    let second = story.refresh(&story.first, Some(&a)).await;
    let third = story.refresh(&second, Some(&b)).await;
    story.is_refused(&story.first, Some(&a)).await;
    let sid = session_of(&story.authority, &story.first);
    assert_eq!(ended(&story.authority, sid).await, Some(Why::Reuse));
    for token in [&second, &third] {
        story.is_refused(token, Some(&b)).await;
    }
}

// R03
/// The thief was quicker: the owner's own token is now the spent one.
#[tokio::test(flavor = "multi_thread")]
async fn a_thief_who_refreshes_first_loses_the_session_when_the_owner_comes() {
    let story = Story::begin().await;
    let verifier = story.authority.verifier().await;
    let stolen = story.http.refresh(&story.first, Some(&key("thief"))).await.json();
    let (stolen, access) = (refresh_token(&stolen), access_token(&stolen));
    story.advance(GRACE * 4);
    story.is_refused(&story.first, Some(&key("owner"))).await;
    story.is_refused(&stolen, Some(&key("thiefs-next"))).await;
    story.authority.caught_up(&verifier).await;
    assert_eq!(verifier.check(&access).unwrap_err(), Refusal::Revoked);
}

// R03
#[tokio::test(flavor = "multi_thread")]
async fn theft_in_one_session_leaves_the_others_of_the_account_alone() {
    let story = Story::begin().await;
    let other = story.http.sign_in("alice", rescind_testkit::server::PASSWORD).await;
    story.refresh(&story.first, None).await;
    story.advance(GRACE + TICK);
    story.is_refused(&story.first, None).await;
    story.refresh(&refresh_token(&other), None).await;
}

// R04
#[tokio::test(flavor = "multi_thread")]
async fn a_spent_token_is_known_as_spent_after_a_restart() {
    let mut story = Story::begin().await;
    let stored = key("stored");
    let next = story.refresh(&story.first, Some(&stored)).await;
    story.advance(2 * DAY);
    story.authority = story.authority.restart().await;
    story.http = story.authority.http();
    assert_eq!(
        story.refresh(&story.first, Some(&stored)).await,
        next,
        "its own client knows the key"
    );
    story.authority = story.authority.restart().await;
    story.http = story.authority.http();
    story.is_refused(&story.first, Some(&key("thief"))).await;
    let sid = session_of(&story.authority, &story.first);
    assert_eq!(ended(&story.authority, sid).await, Some(Why::Reuse));
    story.authority = story.authority.restart().await;
    story.http = story.authority.http();
    story.is_refused(&next, None).await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn backup(config: &Config) -> PathBuf {
    config.data.with_extension("backup")
}

async fn keep(config: &Config) {
    copy(&config.data, &backup(config));
}

async fn put_back(config: &Config) {
    std::fs::remove_dir_all(&config.data).unwrap();
    copy(&backup(config), &config.data);
}

// R01 R04 R-58
/// Refreshing appends nothing to the log, so that the marker cannot know of it: the line itself tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_generation_that_the_store_never_reached_ends_the_session() {
    let mut story = Story::begin().await;
    story.authority = story.authority.restart_after(keep).await;
    story.http = story.authority.http();
    let verifier = story.authority.verifier().await;
    let later = story.http.refresh(&story.first, None).await.json();
    let (later, access) = (refresh_token(&later), access_token(&later));
    assert!(verifier.check(&access).is_ok());
    drop(verifier);
    story.authority = story.authority.restart_after(put_back).await;
    story.http = story.authority.http();
    assert_eq!(story.session().await.generation, 0, "the store is the older one");
    let verifier = story.authority.verifier().await;
    assert!(verifier.check(&access).is_ok());

    let before = pos(&story.authority).await;
    is_invalid_grant(&story.http.refresh(&later, None).await);
    let sid = session_of(&story.authority, &story.first);
    assert_eq!(ended(&story.authority, sid).await, Some(Why::Rollback));
    assert_eq!(pos(&story.authority).await, before + 1);
    story.is_refused(&story.first, None).await;
    story.authority.caught_up(&verifier).await;
    assert_eq!(verifier.check(&access).unwrap_err(), Refusal::Revoked);
}

// R04
#[tokio::test(flavor = "multi_thread")]
async fn a_token_spent_before_the_backup_is_known_as_spent_after_its_restore() {
    let mut story = Story::begin().await;
    let next = story.refresh(&story.first, None).await;
    story.authority = story.authority.restart_after(keep).await;
    story.authority = story.authority.restart_after(put_back).await;
    story.http = story.authority.http();
    story.advance(GRACE + TICK);
    story.is_refused(&story.first, None).await;
    story.is_refused(&next, None).await;
    let sid = session_of(&story.authority, &story.first);
    assert_eq!(ended(&story.authority, sid).await, Some(Why::Reuse));
}

// R03
#[tokio::test(flavor = "multi_thread")]
async fn a_spent_token_is_theft_whatever_audience_is_asked_for() {
    let story = Story::begin().await;
    let next = refresh_token(&story.http.refresh(&story.first, None).await.json());
    story.advance(GRACE + TICK);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", story.first.as_str()),
        ("audience", "nobody"),
    ];
    let answer = story.http.post_form("/token", &form, &[]).await;
    assert_eq!(answer.json()["error"], "invalid_grant");
    let answer = story.http.refresh(&next, None).await;
    assert_eq!(answer.json()["error"], "invalid_grant", "the session is over");
}
