//! Taking back: what each scope kills and spares, races against it, how long an entry lives, and that a
//! key for one purpose does nothing for another.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod keys;
mod life;
mod races;
mod scopes;

use rescind_authority::settings::Argon2Cost;
use rescind_server::admin::client::Door;
use rescind_server::run::Config;
use rescind_testkit::http::{Answer, Http};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use rescind_verifier::{Principal, Refusal, Verifier};
use serde_json::{Value, json};

/// An authority whose passwords cost next to nothing.
async fn quick() -> TestAuthority {
    TestAuthority::start_with(cheap).await
}

fn cheap(config: &mut Config) {
    config.settings.argon2 = Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 };
}

/// A signed-in program: its session's current tokens.
struct Device {
    http: Http,
    access: String,
    refresh: String,
}

impl Device {
    async fn sign_in(authority: &TestAuthority, name: &str) -> Self {
        let http = authority.http();
        let tokens = http.sign_in(name, PASSWORD).await;
        Self {
            access: text(&tokens, "access_token"),
            refresh: text(&tokens, "refresh_token"),
            http,
        }
    }

    /// Refreshes and keeps what it is given.
    async fn refresh(&mut self) -> Answer {
        let answer = self.http.refresh(&self.refresh, None).await;
        if answer.status == 200 {
            self.access = text(&answer.json(), "access_token");
            self.refresh = text(&answer.json(), "refresh_token");
        }
        answer
    }

    async fn whoami(&self) -> u16 {
        self.http.get_as("/whoami", &self.refresh).await.status.as_u16()
    }

    /// Its session takes nothing any more: neither refresh nor account routes.
    async fn assert_over(&mut self) {
        let refused = self.refresh().await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert_eq!(refused.json()["error"], "invalid_grant");
        assert_eq!(self.whoami().await, 401);
    }

    /// Its session works.
    async fn assert_works(&mut self) {
        assert_eq!(self.whoami().await, 200);
        assert_eq!(self.refresh().await.status, 200);
    }
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

/// What a token says.
fn claims(token: &str) -> Value {
    let body = rescind_wire::b64::decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// An administrator takes something back, as `rescind revoke` does.
async fn revoke(authority: &TestAuthority, what: Value) -> Value {
    let door = Door::find(&authority.config).await.unwrap();
    assert!(matches!(door, Door::Socket(_)), "the authority runs");
    door.call(http::Method::POST, "/admin/revoke", what).await.unwrap()
}

#[track_caller]
fn assert_good(verifier: &Verifier, token: &str) {
    let judged = verifier.check(token);
    assert!(judged.is_ok(), "{judged:?}");
}

#[track_caller]
fn assert_revoked(judged: Result<Principal, Refusal>) {
    assert!(matches!(judged, Err(Refusal::Revoked)), "{judged:?}");
}

fn everything() -> Value {
    json!({ "everything": true })
}
