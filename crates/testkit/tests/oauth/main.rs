//! `/revoke` (RFC 7009) and `/introspect` (RFC 7662), as their callers see them.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod introspect;
mod revoke;

use http::Method;
use rescind_authority::clients::Permission;
use rescind_server::run::Config;
use rescind_testkit::accounts::quick_with;
use rescind_testkit::http::{Answer, Http, encode};
use rescind_testkit::server::{PASSWORD, TestAuthority, operator};
use rescind_verifier::Verifier;
use serde_json::Value;

/// A realm with Alice, the server of `posts-api`, and two more clients.
struct World {
    authority: TestAuthority,
    http: Http,
    verifier: Verifier,
    /// Answers for posts-api; may introspect and revoke.
    posts: String,
    /// Another one for posts-api, which may as much.
    more: String,
    /// Answers for files-api; may introspect and revoke.
    files: String,
    /// Answers for posts-api; may do nothing.
    plain: String,
}

impl World {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let authority = quick_with(change).await;
        authority.person("alice").await;
        let all = vec![Permission::Introspect, Permission::Revoke];
        let posts = add(&authority, "posts-back", "posts-api", all.clone()).await;
        let more = add(&authority, "posts-more", "posts-api", all.clone()).await;
        let files = add(&authority, "files-back", "files-api", all).await;
        let plain = add(&authority, "plain", "posts-api", Vec::new()).await;
        let (http, verifier) = (authority.http(), authority.verifier().await);
        Self { authority, http, verifier, posts, more, files, plain }
    }

    /// Signs Alice in for all audiences, or for this one.
    async fn sign_in(&self, audience: Option<&str>) -> Tokens {
        self.sign_in_as("alice", audience).await
    }

    async fn sign_in_as(&self, name: &str, audience: Option<&str>) -> Tokens {
        let audience: Vec<&str> = audience.into_iter().collect();
        let body = serde_json::json!({
            "username": name, "password": PASSWORD, "carrier": "token", "audience": audience,
        });
        let answer = self.http.post_json("/login", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Tokens::of(&answer.json())
    }

    async fn post(&self, path: &str, form: &[(&str, &str)], basic: Option<&str>) -> Answer {
        let more: Vec<_> = basic.map(|b| ("authorization", b)).into_iter().collect();
        self.http.post_form(path, form, &more).await
    }

    async fn introspect(&self, token: &str, basic: &str) -> Value {
        let answer = self.post("/introspect", &[("token", token)], Some(basic)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.json()
    }

    async fn lives(&self, access: &str) -> bool {
        self.authority.caught_up(&self.verifier).await;
        self.verifier.check(access).is_ok()
    }

    async fn pos(&self) -> u64 {
        self.authority.app.authority.store().head().await.unwrap().pos
    }
}

struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    fn of(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

async fn add(
    authority: &TestAuthority,
    id: &str,
    audience: &str,
    permissions: Vec<Permission>,
) -> String {
    let (audiences, by) = (vec![audience.to_owned()], operator());
    let made = authority.app.authority.add_client(id, audiences, permissions, &by).await;
    rescind_testkit::http::basic(id, made.unwrap().expose())
}

/// What a caller that proves nothing, or may not do this, is told.
fn error(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["error"].as_str().unwrap_or("").to_owned())
}

/// The requests that neither route takes, whoever sends them.
async fn refuses_other_forms(world: &World, path: &str, token: &str) {
    let basic = [("authorization", world.posts.as_str())];
    let form = [basic[0], ("content-type", "application/x-www-form-urlencoded")];
    let get = world.http.get(path, &basic).await;
    assert_eq!(get.status, 405);
    for query in [format!("?token={token}"), "?callback=run".to_owned()] {
        let path = format!("{path}{query}");
        assert_eq!(world.http.get(&path, &basic).await.status, 400, "{path}");
        let body = encode(&[("token", token)]);
        assert_eq!(world.http.send(Method::POST, &path, &form, body).await.status, 400, "{path}");
    }
    let twice = encode(&[("token", token), ("token", token)]);
    let answer = world.http.send(Method::POST, path, &form, twice).await;
    assert_eq!(error(&answer), (400, "invalid_request".into()));
    let answer = world.http.send(Method::POST, path, &form, "").await;
    assert_eq!(error(&answer), (400, "invalid_request".into()));
    let json = [basic[0], ("content-type", "application/json")];
    let answer = world.http.send(Method::POST, path, &json, "{}").await;
    assert_eq!(answer.status, 415);
    let two = [basic[0], basic[0], form[1]];
    let answer = world.http.send(Method::POST, path, &two, encode(&[("token", token)])).await;
    assert_eq!(error(&answer), (400, "invalid_request".into()));
}
