//! The authority is killed, and comes back.

use http::Method;
use rescind_e2e::demo::{Demo, exists};
use rescind_e2e::wait::{Stopwatch, say, until};
use rescind_testkit::http::Http;
use rustix::process::{Signal, kill_process};
use std::time::Duration;

/// The bound of staleness, which the demo leaves at its default.
const S: Duration = Duration::from_secs(10);

/// Asks for the posts until the API no longer answers 200. Gives how long after `killed` that was.
async fn goes_on(api: &Http, token: &str, killed: Stopwatch) -> Duration {
    loop {
        let answer = api.get_as("/posts", token).await;
        let after = killed.elapsed();
        if answer.status == 200 {
            assert!(after < S, "accepted {after:?} after the authority was gone");
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        assert_eq!(answer.status, 503, "an outage is no bad token: {}", answer.text());
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert_eq!(answer.header("www-authenticate"), "");
        return after;
    }
}

// P07 R-31 R-33
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_authority_costs_nobody_the_session_and_brings_no_revoked_token_back() {
    let demo = Demo::start();
    let (authority, api) = (demo.authority(), demo.api());
    let (name, password) = demo.alice();
    let kept = authority.sign_in(name, password).await;
    let token = kept["access_token"].as_str().unwrap();
    let mut browser = Http::new(&demo.issuer()).browser();
    browser.sign_in("bob", demo.say("/users/1/password")).await;
    let ended = authority.sign_in(name, password).await;
    let (dead, dead_refresh) =
        (ended["access_token"].as_str().unwrap(), ended["refresh_token"].as_str().unwrap());
    for token in [token, dead] {
        assert_eq!(api.get_as("/posts", token).await.status, 200);
    }

    // The kill follows the logout's answer at once.
    assert_eq!(authority.send_as(Method::POST, "/logout", dead_refresh).await.status, 204);
    kill_process(demo.pid("authority"), Signal::KILL).unwrap();
    let killed = Stopwatch::new();

    let after = goes_on(&api, token, killed).await;
    say(&format!("the API went on for {:.1} s after the kill, S is 10 s", after.as_secs_f64()));
    assert!(after > S / 2, "it gave up after {after:?} already");
    // Still no 401: the token is good, the API just cannot know.
    assert_eq!(api.get_as("/posts", token).await.status, 503);
    assert!(exists(demo.pid("api")) && exists(demo.parent()));

    assert!(demo.errors().contains(demo.say("/serve")), "it says how to go on: {}", demo.errors());
    let _served = demo.serve_again();
    until("the API answers again", async || {
        let status = api.get_as("/posts", token).await.status;
        assert!(status == 200 || status == 503, "{status}");
        (status == 200).then_some(())
    })
    .await;
    let refused = api.get_as("/posts", dead).await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").contains("invalid_token"));
    let authority = demo.authority();
    assert_eq!(authority.refresh(dead_refresh, None).await.json()["error"], "invalid_grant");

    let refreshed = authority.refresh(kept["refresh_token"].as_str().unwrap(), None).await;
    assert_eq!(refreshed.status, 200, "no session was lost");
    let fresh = refreshed.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(api.get_as("/posts", &fresh).await.status, 200);
    assert_eq!(browser.get("/whoami").await.json()["user"]["username"], "bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_api_server_is_reported_and_ends_the_demo() {
    let mut demo = Demo::start();
    kill_process(demo.pid("api"), Signal::KILL).unwrap();
    let (status, _) = demo.ended().await;
    assert_eq!(status.code(), Some(1));
    assert!(demo.errors().contains("the posts API has ended"), "{}", demo.errors());
    assert!(!exists(demo.pid("authority")));
    assert!(!demo.folder().exists());
}
