//! A realm, the servers that verify its tokens, and the sessions that use them.

use http::Method;
use rescind_e2e::clients::Checker;
use rescind_e2e::realm::{AUDIENCE, Api, Realm, USER, kid};
use rescind_testkit::http::{Answer, Http};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::RwLock;

/// The realm and its servers. Keys may be cached for one second, tokens outlive the run.
pub(super) struct Fleet {
    pub(super) realm: Arc<Realm>,
    pub(super) steady: Api,
    pub(super) restarted: Api,
    pub(super) checker: Checker,
}

impl Fleet {
    pub(super) async fn start() -> Self {
        let realm =
            Realm::start(&["--set", "tokens.jwks_max_age=1s", "--set", "tokens.access_life=15m"])
                .await;
        let (steady, restarted) = (Api::start(&realm).await, Api::start(&realm).await);
        let checker = Checker::start(&realm.issuer, AUDIENCE);
        Self { realm: Arc::new(realm), steady, restarted, checker }
    }

    /// Both API servers.
    pub(super) fn apis(&self) -> [Http; 2] {
        [self.steady.http(), self.restarted.http()]
    }

    /// Lets the next key take over, once it has been published for long enough.
    pub(super) async fn rotate(&self) {
        let realm = Arc::clone(&self.realm);
        tokio::task::spawn_blocking(move || realm.cli(&["keys", "rotate", "token"])).await.unwrap();
    }

    pub(super) async fn figures(&self) -> Value {
        self.checker.http().get("/figures", &[]).await.json()
    }
}

/// A session with its newest tokens.
pub(super) struct Session {
    authority: Http,
    pub(super) access: String,
    refresh: String,
}

fn member(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap().to_owned()
}

impl Session {
    pub(super) async fn open(realm: &Realm) -> Self {
        let authority = realm.http();
        let tokens = authority.sign_in(USER, &realm.password).await;
        let (access, refresh) = (member(&tokens, "access_token"), member(&tokens, "refresh_token"));
        Self { authority, access, refresh }
    }

    /// Refreshes once; an error says what came instead.
    pub(super) async fn refresh(&mut self) -> Result<(), String> {
        let answer = self.authority.refresh(&self.refresh, None).await;
        if answer.status != 200 {
            return Err(format!("refresh: {} {}", answer.status, answer.text()));
        }
        let tokens = answer.json();
        self.access = member(&tokens, "access_token");
        self.refresh = member(&tokens, "refresh_token");
        Ok(())
    }
}

/// Whom the load asks, and what came of it.
pub(super) struct Load {
    steady: Http,
    /// Absent while that server is down. Whoever asks it holds the lock, so none is asked as it goes.
    pub(super) restarted: RwLock<Option<Http>>,
    checker: Http,
    requests: AtomicU64,
    failed: Mutex<Vec<String>>,
    kids: Mutex<BTreeSet<String>>,
}

impl Load {
    pub(super) fn on(fleet: &Fleet) -> Self {
        Self {
            steady: fleet.steady.http(),
            restarted: RwLock::new(Some(fleet.restarted.http())),
            checker: fleet.checker.http(),
            requests: AtomicU64::new(0),
            failed: Mutex::default(),
            kids: Mutex::default(),
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self) -> Vec<String> {
        self.failed.lock().unwrap().clone()
    }

    /// How many keys have signed the tokens so far.
    pub(super) fn kids(&self) -> usize {
        self.kids.lock().unwrap().len()
    }

    /// Refreshes, and shows the new token and the `old` one to every server at once.
    pub(super) async fn round(&self, session: &mut Session, old: &str) {
        if let Err(problem) = session.refresh().await {
            return self.count("authority", Err(problem));
        }
        self.count("authority", Ok(()));
        self.kids.lock().unwrap().insert(kid(&session.access));
        tokio::join!(self.everywhere(&session.access), self.everywhere(old));
    }

    async fn everywhere(&self, token: &str) {
        let restarted = async {
            if let Some(api) = self.restarted.read().await.as_ref() {
                self.count("restarted API", fine(ask(api, token).await));
            }
        };
        let steady = async { self.count("steady API", fine(ask(&self.steady, token).await)) };
        let checker = async { self.count("jose", fine(check(&self.checker, token).await)) };
        tokio::join!(restarted, steady, checker);
    }

    fn count(&self, who: &str, outcome: Result<(), String>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Err(problem) = outcome {
            self.failed.lock().unwrap().push(format!("{who}: {problem}"));
        }
    }
}

fn fine(answer: Option<Answer>) -> Result<(), String> {
    match answer {
        Some(answer) if answer.status == 200 => Ok(()),
        Some(answer) => Err(format!("{} {}", answer.status, answer.text())),
        None => Err("no answer".to_owned()),
    }
}

/// Asks an API server.
async fn ask(api: &Http, token: &str) -> Option<Answer> {
    let bearer = format!("Bearer {token}");
    api.attempt(Method::GET, "/posts", &[("authorization", &bearer)], "").await
}

/// Asks the server that verifies with jose.
pub(super) async fn check(checker: &Http, token: &str) -> Option<Answer> {
    checker.attempt(Method::POST, "/check", &[], token.to_owned()).await
}
