//! Refresh tokens: the line moves by one step, a spent token is known as spent, an honest client never
//! loses its session, and nobody learns anything from a refusal.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod account_routes;
mod at_once;
mod line;
mod refusals;
mod spent;
mod tokens;

use rescind_authority::session::Session;
use rescind_testkit::accounts::{quick, row, session_of};
use rescind_testkit::http::{Answer, Http};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use serde_json::Value;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(86_400);
const TICK: Duration = Duration::from_micros(1);

/// A quick authority with alice, who has just signed in.
struct Story {
    authority: TestAuthority,
    http: Http,
    /// Her first refresh token.
    first: String,
    /// Her first access token.
    access: String,
}

impl Story {
    async fn begin() -> Self {
        let authority = quick().await;
        authority.person("alice").await;
        let http = authority.http();
        let tokens = http.sign_in("alice", PASSWORD).await;
        let (first, access) = (refresh_token(&tokens), access_token(&tokens));
        Self { authority, http, first, access }
    }

    /// Refreshes; it must work. Gives the successor.
    async fn refresh(&self, token: &str, key: Option<&str>) -> String {
        let answer = self.http.refresh(token, key).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        refresh_token(&answer.json())
    }

    /// Refreshes; it must be refused like everything that is no good.
    async fn is_refused(&self, token: &str, key: Option<&str>) {
        is_invalid_grant(&self.http.refresh(token, key).await);
    }

    /// The session as it stands.
    async fn session(&self) -> Session {
        row(&self.authority, session_of(&self.authority, &self.first)).await.unwrap()
    }

    fn advance(&self, by: Duration) {
        self.authority.clock.advance(by);
    }
}

fn refresh_token(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

fn access_token(tokens: &Value) -> String {
    tokens["access_token"].as_str().unwrap().to_owned()
}

fn is_invalid_grant(answer: &Answer) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.json()["error"], "invalid_grant");
}
