//! One authority, and two servers of an application: each an axum app of its own port behind a verifier
//! of its own audience.

use axum::routing::get;
use axum::{Json, Router};
use http::Method;
use rescind_authority::clients::Permission;
use rescind_server::admin::client::Door;
use rescind_testkit::accounts::quick;
use rescind_testkit::http::{Answer, Http};
use rescind_testkit::server::{TestAuthority, operator, until};
use rescind_verifier::{ClientSecret, Principal, Verifier};
use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::token::{Claims, sign};
use rescind_wire::{b64, sha256};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) const POSTS: &str = "posts-api";
pub(crate) const FILES: &str = "files-api";
/// What every refused token is answered with.
pub(crate) const CHALLENGE: &str = r#"Bearer error="invalid_token""#;

/// A server of an application.
pub(crate) struct Server {
    pub(crate) verifier: Verifier,
    pub(crate) http: Http,
}

/// An authority with Alice and Bob, and the servers that trust it.
pub(crate) struct Realm {
    pub(crate) authority: TestAuthority,
    pub(crate) posts: Server,
    pub(crate) files: Server,
    /// The secret of a client that may introspect tokens for the posts.
    auditor: String,
    /// Dropped with the realm, which ends the servers.
    _running: JoinSet<()>,
}

impl Realm {
    pub(crate) async fn start() -> Self {
        let authority = quick().await;
        // The next keys are known everywhere, so that they may take over.
        authority.clock.advance(rescind_authority::keys::overlap(&authority.config.settings));
        let add = async |id: &str, audience: &str, permission| {
            let (all, operator) = (vec![audience.to_owned()], operator());
            let made = authority.app.authority.add_client(id, all, vec![permission], &operator);
            made.await.unwrap().expose().to_owned()
        };
        let files = add(FILES, FILES, Permission::Feed).await;
        let auditor = add("auditor", POSTS, Permission::Introspect).await;
        for name in ["alice", "bob"] {
            authority.person(name).await;
        }
        let mut running = JoinSet::new();
        let posts = serve(&mut running, authority.verifier().await).await;
        let verifier = Verifier::builder(authority.issuer(), FILES)
            .client(FILES, ClientSecret::new(files))
            .clock(Arc::clone(&authority.clock) as _)
            .build();
        let files = serve(&mut running, verifier.await.unwrap()).await;
        Self { authority, posts, files, auditor, _running: running }
    }

    /// Calls a route of the administrator through the socket.
    pub(crate) async fn administer(&self, method: Method, path: &str, body: Value) -> Value {
        let door = Door::find(&self.authority.config).await.unwrap();
        assert!(matches!(door, Door::Socket(_)), "the authority runs");
        door.call(method, path, body).await.unwrap()
    }

    /// The same for `POST /admin/revoke`.
    pub(crate) async fn revoke(&self, what: Value) {
        self.administer(Method::POST, "/admin/revoke", what).await;
    }

    /// Waits until both servers have applied everything that is committed and hold the keys in force.
    pub(crate) async fn settle(&self) {
        for (Server { verifier, .. }, audience) in [(&self.posts, POSTS), (&self.files, FILES)] {
            self.authority.caught_up(verifier).await;
            let probe = self.sign(&self.nobodys(audience));
            until("the keys in force", || verifier.check(&probe).is_ok()).await;
        }
    }

    /// A token of an account, session and client that never were. It is fresh, and nothing kills it but
    /// what kills everything.
    fn nobodys(&self, audience: &str) -> Claims {
        let now = self.authority.app.authority.clock().now().wall / 1_000_000;
        Claims {
            iss: self.authority.issuer().to_owned(),
            sub: Sub::from_bytes([1; 16]),
            aud: vec![audience.to_owned()],
            exp: now + 60,
            iat: now,
            nbf: None,
            jti: Jti::from_bytes([2; 16]),
            sid: Sid::from_bytes([3; 16]),
            client_id: "nobody".into(),
            scope: String::new(),
            roles: Vec::new(),
            auth_time: now,
            amr: Vec::new(),
            rv: u64::MAX,
        }
    }

    /// Signs with the key in force.
    pub(crate) fn sign(&self, claims: &Claims) -> String {
        sign(claims, self.authority.app.authority.keyring().token_key()).unwrap()
    }

    /// Whether the authority calls a token active, to a client for the posts.
    pub(crate) async fn introspect(&self, token: &str) -> Answer {
        let credentials = basic("auditor", &self.auditor);
        let headers = [("authorization", credentials.as_str())];
        self.authority.http().post_form("/introspect", &[("token", token)], &headers).await
    }
}

async fn serve(running: &mut JoinSet<()>, verifier: Verifier) -> Server {
    let me = async |who: Principal| {
        Json(json!({ "sub": who.subject(), "session": who.session(), "roles": who.roles() }))
    };
    let owners = get(async || "yours").layer(verifier.require().role("owner"));
    let app = Router::new().route("/me", get(me)).route("/owner", owners).layer(verifier.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = Http::new(&format!("http://{}", listener.local_addr().unwrap()));
    running.spawn(async move { axum::serve(listener, app).await.unwrap() });
    Server { verifier, http }
}

impl Server {
    /// Whether it lets a token in. Anything but yes and a plain no fails the test.
    pub(crate) async fn lets_in(&self, token: &str) -> bool {
        let answer = self.http.get_as("/me", token).await;
        match answer.status.as_u16() {
            200 => true,
            401 => {
                assert_eq!(answer.header("www-authenticate"), CHALLENGE);
                false
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
}

/// What a token says.
pub(crate) fn claims(token: &str) -> Value {
    let body = b64::decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// A member that must be there.
pub(crate) fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

/// An id that differs for each name.
pub(crate) fn fresh_jti(name: &str) -> Jti {
    Jti::from_bytes(sha256(&[name.as_bytes()])[..16].try_into().unwrap())
}

/// Credentials of a client as HTTP Basic; ids and secrets have no character that needs escaping.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let mut text = b64::encode(format!("{id}:{secret}")).replace('-', "+").replace('_', "/");
    while text.len() % 4 != 0 {
        text.push('=');
    }
    format!("Basic {text}")
}
