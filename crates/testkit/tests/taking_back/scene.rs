//! Who holds what when something is taken back: Alice with a program, another program and a browser,
//! Bob with a program.

use crate::realm::{FILES, POSTS, Realm, text};
use http::Method;
use rescind_testkit::http::{Browser, Http};
use rescind_testkit::server::PASSWORD;
use serde_json::json;

/// A signed-in program, with three access tokens of its session.
pub(crate) struct Program {
    http: Http,
    /// The first refresh token of its line, spent long ago.
    pub(crate) spent: String,
    pub(crate) refresh: String,
    pub(crate) posts: String,
    pub(crate) posts_again: String,
    pub(crate) files: String,
}

impl Program {
    pub(crate) async fn sign_in(realm: &Realm, name: &str) -> Self {
        let http = realm.authority.http();
        let tokens = http.sign_in(name, PASSWORD).await;
        let spent = text(&tokens, "refresh_token");
        let mut refresh = spent.clone();
        let mut access = Vec::new();
        for audience in [POSTS, POSTS, FILES] {
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh.as_str()),
                ("audience", audience),
            ];
            let answer = http.post_form("/token", &form, &[]).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            access.push(text(&answer.json(), "access_token"));
            refresh = text(&answer.json(), "refresh_token");
        }
        let [posts, posts_again, files] = access.try_into().unwrap();
        Self { http, spent, refresh, posts, posts_again, files }
    }

    /// Whether its line moves.
    async fn refreshes(&mut self) -> bool {
        let answer = self.http.refresh(&self.refresh, None).await;
        match answer.status.as_u16() {
            200 => {
                self.refresh = text(&answer.json(), "refresh_token");
                true
            }
            _ => {
                let error = (answer.status.as_u16(), text(&answer.json(), "error"));
                assert_eq!(error, (400, "invalid_grant".into()));
                false
            }
        }
    }
}

pub(crate) struct Scene {
    pub(crate) realm: Realm,
    pub(crate) program: Program,
    pub(crate) other: Program,
    browser: Browser,
    pages_token: String,
    bob: Program,
    /// Alice's password.
    pub(crate) password: String,
}

/// What may live or die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    /// An access token for the posts, of Alice's program.
    Access,
    /// The same, as the authority introspects it.
    Introspected,
    /// Another of the same session.
    Again,
    /// One of the same session for another audience, at that one's server.
    Files,
    /// The refresh token of that session.
    Refresh,
    /// An access token of Alice's other program.
    OtherAccess,
    OtherRefresh,
    /// The cookie of Alice's browser.
    Cookie,
    /// The access token of its page.
    PagesToken,
    BobsAccess,
    BobsFiles,
    BobsRefresh,
    /// A new sign-in of Alice, at once, with all it gives.
    SignIn,
    BobsSignIn,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let realm = Realm::start().await;
        let program = Program::sign_in(&realm, "alice").await;
        let other = Program::sign_in(&realm, "alice").await;
        let bob = Program::sign_in(&realm, "bob").await;
        let mut browser = realm.authority.http().browser();
        browser.sign_in("alice", PASSWORD).await;
        let body = json!({ "audience": POSTS });
        let answer = browser.send(Method::POST, "/session/token", Some(body)).await;
        let pages_token = text(&answer.json(), "access_token");
        let password = PASSWORD.to_owned();
        Self { realm, program, other, browser, pages_token, bob, password }
    }

    /// Whether a thing lives. Anything between yes and a plain no fails the test.
    pub(crate) async fn lives(&mut self, thing: Thing) -> bool {
        let Realm { posts, files, .. } = &self.realm;
        match thing {
            Thing::Access => posts.lets_in(&self.program.posts).await,
            Thing::Introspected => self.introspected().await,
            Thing::Again => posts.lets_in(&self.program.posts_again).await,
            Thing::Files => files.lets_in(&self.program.files).await,
            Thing::Refresh => self.program.refreshes().await,
            Thing::OtherAccess => posts.lets_in(&self.other.posts).await,
            Thing::OtherRefresh => self.other.refreshes().await,
            Thing::Cookie => match self.browser.get("/whoami").await.status.as_u16() {
                200 => true,
                status => {
                    assert_eq!(status, 401);
                    false
                }
            },
            Thing::PagesToken => posts.lets_in(&self.pages_token).await,
            Thing::BobsAccess => posts.lets_in(&self.bob.posts).await,
            Thing::BobsFiles => files.lets_in(&self.bob.files).await,
            Thing::BobsRefresh => self.bob.refreshes().await,
            Thing::SignIn => self.signs_in("alice", &self.password).await,
            Thing::BobsSignIn => self.signs_in("bob", PASSWORD).await,
        }
    }

    async fn introspected(&self) -> bool {
        let answer = self.realm.introspect(&self.program.posts).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let active = answer.json()["active"].as_bool().unwrap();
        assert!(active || answer.text() == r#"{"active":false}"#, "{}", answer.text());
        active
    }

    /// Signs in once, without any wait, and uses what that gives everywhere.
    async fn signs_in(&self, name: &str, password: &str) -> bool {
        let http = self.realm.authority.http();
        let body = json!({ "username": name, "password": password, "carrier": "token" });
        let answer = http.post_json("/login", &body).await;
        if answer.status != 200 {
            assert_eq!(answer.status, 401, "{}", answer.text());
            return false;
        }
        let tokens = answer.json();
        let access = text(&tokens, "access_token");
        assert!(self.realm.posts.lets_in(&access).await, "a new token, at the posts");
        assert!(self.realm.files.lets_in(&access).await, "a new token, at the files");
        let refresh = text(&tokens, "refresh_token");
        assert_eq!(http.get_as("/whoami", &refresh).await.status, 200);
        assert_eq!(http.refresh(&refresh, None).await.status, 200);
        true
    }
}
