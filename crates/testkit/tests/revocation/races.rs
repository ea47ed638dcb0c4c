//! A logout against what is in flight: whichever comes first, nothing of the session is left.

use crate::{Device, assert_revoked, cheap, claims, quick, revoke, text};
use http::Method;
use rescind_authority::account::AccountState::{Active, Suspended};
use rescind_testkit::http::{Answer, Browser};
use rescind_testkit::server::operator;
use rescind_testkit::server::{PASSWORD, TestAuthority};
use serde_json::json;

const ROUNDS: usize = 150;

//
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_races_a_logout_leaves_nothing_alive() {
    let authority = quick().await;
    authority.person("alice").await;
    let verifier = authority.verifier().await;
    let (mut won, mut lost) = (0, 0);
    for round in 0..ROUNDS {
        let mut device = Device::sign_in(&authority, "alice").await;
        let (old, http, credential) =
            (device.access.clone(), device.http.clone(), device.refresh.clone());
        let logout = async { http.send_as(Method::POST, "/logout", &credential).await };
        let (refreshed, ended): (Answer, Answer) = match round % 3 {
            0 => tokio::join!(device.refresh(), logout),
            1 => {
                let (ended, refreshed) = tokio::join!(logout, device.refresh());
                (refreshed, ended)
            }
            // The refresh is surely first: else this machine might never show it winning.
            _ => (device.refresh().await, logout.await),
        };
        assert_eq!(ended.status, 204);
        // Both have answered. From now on:
        match refreshed.status.as_u16() {
            200 => won += 1,
            400 => lost += 1,
            other => panic!("{other}: {}", refreshed.text()),
        }
        for token in [&old, &device.access] {
            assert_revoked(verifier.check_online(token).await);
        }
        device.assert_over().await;
        let stale = authority.http().refresh(&credential, None).await;
        assert_eq!(stale.json()["error"], "invalid_grant");
    }
    assert!(won > 0, "no refresh was ever first: {won} of {ROUNDS}");
    assert_eq!(won + lost, ROUNDS);
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_pages_token_that_races_a_logout_is_dead() {
    let authority = quick().await;
    authority.person("alice").await;
    let verifier = authority.verifier().await;
    let mut given = 0;
    for round in 0..ROUNDS {
        let mut page = authority.http().browser();
        page.sign_in("alice", PASSWORD).await;
        let mut other: Browser = page.clone();
        let ask = json!({ "audience": "posts-api" });
        let token = page.send(Method::POST, "/session/token", Some(ask.clone()));
        let (token, ended) = match round % 2 {
            0 => tokio::join!(token, other.post("/logout")),
            _ => (token.await, other.post("/logout").await),
        };
        assert_eq!(ended.status, 204);
        if token.status == 200 {
            given += 1;
            let token = text(&token.json(), "access_token");
            assert_revoked(verifier.check_online(&token).await);
        } else {
            assert_eq!(token.status, 401);
        }
        assert_eq!(page.get("/whoami").await.status, 401);
        assert_eq!(page.send(Method::POST, "/session/token", Some(ask)).await.status, 401);
    }
    assert!(given >= ROUNDS / 2);
}

// R-60, V09
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_races_a_ban_is_refused_or_dead() {
    // A ban looks like a wrong password to whoever signs in: so many would be throttled.
    let authority = TestAuthority::start_with(|config| {
        cheap(config);
        config.settings.throttle.pair.free = 10_000;
        config.settings.throttle.address.free = 10_000;
    })
    .await;
    authority.person("alice").await;
    let verifier = authority.verifier().await;
    let app = &authority.app.authority;
    let name = || rescind_authority::name::Name::new("alice").unwrap();
    let (mut in_time, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let body = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
        let http = authority.http();
        let login = http.post_json("/login", &body);
        let ban = app.set_account_state(name(), Suspended, operator());
        let (login, banned) = match round % 3 {
            0 => tokio::join!(login, ban),
            1 => (login.await, ban.await),
            _ => {
                let banned = ban.await;
                (login.await, banned)
            }
        };
        banned.unwrap();
        let tokens = login.json();
        if login.status == 200 {
            in_time += 1;
            assert_revoked(verifier.check_online(&text(&tokens, "access_token")).await);
        } else {
            refused += 1;
            assert_eq!(login.status, 401, "{}", login.text());
        }
        app.set_account_state(name(), Active, operator()).await.unwrap();
        assert!(app.sessions(person(&authority).await).await.unwrap().is_empty());
        if login.status == 200 {
            let dead = http.refresh(&text(&tokens, "refresh_token"), None).await;
            assert_eq!(dead.json()["error"], "invalid_grant");
        }
    }
    assert!(in_time >= ROUNDS / 3 && refused >= ROUNDS / 3, "{in_time} and {refused}");
}

async fn person(authority: &TestAuthority) -> rescind_wire::id::Sub {
    authority.app.authority.store().accounts().await.unwrap()[0].sub
}

//
#[tokio::test(flavor = "multi_thread")]
async fn of_many_refreshes_in_flight_none_outlives_the_end_of_the_session() {
    let authority = quick().await;
    authority.person("alice").await;
    let verifier = authority.verifier().await;
    for _ in 0..20 {
        let device = Device::sign_in(&authority, "alice").await;
        let http = &device.http;
        let keys: Vec<String> = (0..10).map(|n| format!("{n:0>24}")).collect();
        let refreshes = keys.iter().map(|key| http.refresh(&device.refresh, Some(key)));
        let refreshes = futures_util::future::join_all(refreshes);
        let sid = claims(&device.access)["sid"].clone();
        let end = revoke(&authority, json!({ "session": sid }));
        let (answers, _) = tokio::join!(refreshes, end);
        for answer in answers.iter().filter(|a| a.status == 200) {
            let tokens = answer.json();
            assert_revoked(verifier.check_online(&text(&tokens, "access_token")).await);
            let dead = http.refresh(&text(&tokens, "refresh_token"), None).await;
            assert_eq!(dead.json()["error"], "invalid_grant");
        }
        assert!(answers.iter().filter(|a| a.status == 200).count() <= 1);
        assert_revoked(verifier.check_online(&device.access).await);
    }
}
