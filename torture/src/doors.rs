//! What may be asked: of the authority by its public routes and the administrator's socket, of the verifiers by
//! theirs. Everything that is asked here is in the history.

use crate::boot;
use crate::draw::Draw;
use crate::history::{Answer, Denial, Failure, Presentation, Revocation, Route, TokenId};
use crate::realm::{AUDIENCE, Realm};
use http::Method;
use rescind_server::admin::client::Door;
use rescind_testkit::http::{Answer as Reply, Headers, basic, encode};
use rescind_testkit::server::PASSWORD;
use rescind_wire::revocation::Scope;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// How long anybody waits for an answer: longer than anything is frozen.
const PATIENCE: Duration = Duration::from_secs(12);
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

/// A session as its client keeps it.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose.
    pub account: String,
    /// Its id.
    pub sid: String,
    /// The refresh token.
    pub refresh: String,
    /// The access token, and its number.
    pub access: (TokenId, String),
    /// The key of a refresh whose answer has not come yet, stored before it is sent.
    pub pending: Option<String>,
}

/// What became of a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// The session goes on.
    Done,
    /// It is over.
    Denied,
    /// Nobody knows: the same again, with the same key.
    Lost,
}

/// The administrator's door, found anew when it is lost.
#[derive(Default)]
pub struct Admin(Option<Door>);

impl Admin {
    async fn post(&mut self, realm: &Realm, path: &str, body: Value) -> Option<Value> {
        if self.0.is_none() {
            self.0 = realm.door().await;
        }
        let asked = self.0.as_ref()?.call(Method::POST, path, body);
        let answer = timeout(PATIENCE, asked).await.ok().and_then(Result::ok);
        if answer.is_none() {
            self.0 = None;
        }
        answer
    }
}

/// A problem of RFC 9457, or an error of RFC 6749.
fn explained(reply: &Reply) -> bool {
    let said = reply.json();
    match reply.header("content-type") {
        "application/problem+json" => {
            said["title"].is_string() && said["status"] == reply.status.as_u16()
        }
        "application/json" => said["error"].is_string(),
        _ => false,
    }
}

impl Realm {
    async fn ask(&self, path: &str, headers: Headers<'_>, body: String) -> Option<Reply> {
        let headers = [headers, &[("host", self.host())]].concat();
        let asked = self.http.attempt(Method::POST, path, &headers, body);
        let reply = timeout(PATIENCE, asked).await.ok().flatten()?;
        if reply.status.is_server_error() {
            let (path, status, ended) = (path.to_owned(), reply.status.as_u16(), boot());
            let explained = explained(&reply);
            let failure = Failure { path, status, explained, ended };
            self.observer.history().failures.push(failure);
        }
        Some(reply)
    }

    /// Presents a token.
    pub async fn present(
        &self,
        token: &(TokenId, String),
        verifier: usize,
        route: Route,
    ) -> Answer {
        let bearer = format!("Bearer {}", token.1);
        let headers = [("authorization", bearer.as_str())];
        let begun = boot();
        let asked = self.servers[verifier].http.attempt(Method::GET, route.path(), &headers, "");
        let answer = match timeout(PATIENCE, asked).await {
            Ok(Some(reply)) if reply.status.is_success() => Answer::Accepted,
            Ok(Some(reply)) if reply.status == 401 => Answer::Refused,
            Ok(Some(reply)) if reply.status == 503 => Answer::Stale,
            _ => Answer::Nothing,
        };
        let (verifier, ended) = (verifier as u8, boot());
        let shown = Presentation { token: token.0, verifier, route, answer, begun, ended };
        self.observer.history().presentations.push(shown);
        answer
    }

    /// Signs in for these audiences.
    pub async fn sign_in(&self, account: &str, audiences: &[String]) -> Option<Session> {
        let body = json!({
            "username": account, "password": PASSWORD, "carrier": "token", "audience": audiences,
        });
        let begun = boot();
        let reply = self.ask("/login", &[JSON], body.to_string()).await?;
        if reply.status != 200 {
            return None;
        }
        let said = reply.json();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (access, refresh) = (text(&said["access_token"])?, text(&said["refresh_token"])?);
        let access = (self.observer.token(&access, begun, true), access);
        let (account, sid) = (account.to_owned(), text(&said["session"]["id"])?);
        Some(Session { account, sid, refresh, access, pending: None })
    }

    /// Refreshes once, as a client does that follows the rules.
    pub async fn refresh(&self, session: &mut Session, draw: &Draw) -> Refreshed {
        let key = session.pending.get_or_insert_with(|| draw.key()).clone();
        let form = [("grant_type", "refresh_token"), ("refresh_token", session.refresh.as_str())];
        let begun = boot();
        let reply = self.ask("/token", &[FORM, ("idempotency-key", &key)], encode(&form)).await;
        match reply {
            Some(reply) if reply.status == 200 => {
                let said = reply.json();
                let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
                let access = text("access_token");
                session.access = (self.observer.token(&access, begun, false), access);
                session.refresh = text("refresh_token");
                session.pending = None;
                Refreshed::Done
            }
            Some(reply) if reply.status == 400 || reply.status == 401 || reply.status == 409 => {
                let (sid, ended) = (session.sid.clone(), boot());
                self.observer.history().denials.push(Denial { sid, begun, ended });
                Refreshed::Denied
            }
            _ => Refreshed::Lost,
        }
    }

    /// Takes something of this session back, by one of the doors for it; whether the call returned well.
    pub async fn take_back(
        &self,
        admin: &mut Admin,
        scope: Scope,
        session: &Session,
        draw: &Draw,
    ) -> bool {
        let token = self.observer.history().tokens[session.access.0 as usize].clone();
        let id = match scope {
            Scope::Token => token.jti,
            Scope::Session => token.sid,
            Scope::Key => token.kid,
            Scope::Subject | Scope::Claims => token.sub,
            Scope::Grant => format!("{} {}", token.sub, token.client),
            Scope::Client => token.client,
            Scope::Audience => token.audiences.into_iter().find(|a| a != AUDIENCE).unwrap(),
            Scope::Everything => String::new(),
        };
        let begun = boot();
        let done = match (scope, draw.below(3)) {
            (Scope::Token, 0) => self.revoke(&session.access.1, true).await,
            (Scope::Token, 1) => self.revoke(&session.access.1, false).await,
            (Scope::Session, 0) => self.bearer("/logout", session).await,
            (Scope::Session, 1) => self.revoke(&session.refresh, false).await,
            (Scope::Subject, 0) => self.bearer("/logout/everywhere", session).await,
            _ => self.administer(admin, scope, &id, &session.account, draw).await,
        };
        let returned = done.then(boot);
        let witness = Some(session.access.0);
        let revocation = Revocation { scope, id, begun, returned, witness };
        self.observer.history().revocations.push(revocation);
        done
    }

    async fn bearer(&self, path: &str, session: &Session) -> bool {
        let bearer = format!("Bearer {}", session.refresh);
        let reply = self.ask(path, &[("authorization", &bearer)], String::new()).await;
        reply.is_some_and(|reply| reply.status.is_success())
    }

    async fn revoke(&self, token: &str, by_server: bool) -> bool {
        let server = basic(AUDIENCE, &self.secret);
        let reply = match by_server {
            true => {
                let headers = [FORM, ("authorization", server.as_str())];
                self.ask("/revoke", &headers, encode(&[("token", token)])).await
            }
            false => {
                let form = [("token", token), ("client_id", "first-party")];
                self.ask("/revoke", &[FORM], encode(&form)).await
            }
        };
        reply.is_some_and(|reply| reply.status.is_success())
    }

    async fn administer(
        &self,
        admin: &mut Admin,
        scope: Scope,
        id: &str,
        account: &str,
        draw: &Draw,
    ) -> bool {
        let roles = ["author", "editor", "reader"][draw.below(3)];
        let (path, body) = match scope {
            Scope::Token => ("/admin/revoke".into(), json!({ "token": id })),
            Scope::Session => ("/admin/revoke".into(), json!({ "session": id })),
            Scope::Key => ("/admin/keys/retire".into(), json!({ "kid": id, "compromised": true })),
            Scope::Subject => ("/admin/revoke".into(), json!({ "user": account })),
            Scope::Grant => {
                ("/admin/revoke".into(), json!({ "user": account, "client": "first-party" }))
            }
            Scope::Client => ("/admin/revoke".into(), json!({ "client": id })),
            Scope::Audience => ("/admin/revoke".into(), json!({ "audience": id })),
            Scope::Everything => ("/admin/revoke".into(), json!({ "everything": true })),
            Scope::Claims => (format!("/admin/users/{account}/roles"), json!({ "roles": [roles] })),
        };
        let path: String = path;
        admin.post(self, &path, body).await.is_some()
    }

    /// Entries that concern nobody, so that the log goes on.
    pub async fn fill_log(&self, admin: &mut Admin, draw: &Draw) {
        for _ in 0..3 {
            let nobodys = rescind_wire::b64::encode([draw.below(256) as u8; 16]);
            admin.post(self, "/admin/revoke", json!({ "token": nobodys })).await;
        }
    }
}
