//! Those who take back: each shows that a token is taken, takes it back, and shows it to every verifier until it
//! is refused; then signs in anew at once.

use crate::doors::{Admin, Refreshed, Session};
use crate::draw::Draw;
use crate::history::{Answer, Route, TokenId};
use crate::realm::{AUDIENCE, Realm, SIDES, side};
use rescind_wire::revocation::Scope;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, RwLock};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Most that is remembered of what is dead.
const DEAD: usize = 400;
const OVER: usize = 2_000;
/// A verifier fetches keys once in 1.25 s at the most: were they to change more often, what it has would never be in force,
/// and it would have to answer 503 for them.
const KEY_PAUSE: Duration = Duration::from_millis(1_300);

/// What all share.
pub struct Stage {
    /// The processes.
    pub realm: Arc<Realm>,
    /// Held by who takes something back; a fault that needs a quiet log holds it alone.
    pub running: RwLock<()>,
    /// Held by who takes back a key; a fault for which every verifier must know all keys holds it too.
    pub keys: Mutex<()>,
    /// Tokens that were taken back a moment ago.
    pub dead: std::sync::Mutex<VecDeque<(TokenId, String)>>,
    /// Sessions that are over.
    pub over: std::sync::Mutex<VecDeque<Session>>,
}

impl Stage {
    /// An empty one.
    pub fn new(realm: Arc<Realm>) -> Arc<Self> {
        let (running, keys, dead, over) = Default::default();
        Arc::new(Self { realm, running, keys, dead, over })
    }

    /// Remembers what was taken back, to be shown again.
    pub fn haunt(&self, session: &Session) {
        push(&self.dead, session.access.clone(), DEAD);
    }

    fn end(&self, session: Session) {
        push(&self.over, session, OVER);
    }
}

fn push<T>(kept: &std::sync::Mutex<VecDeque<T>>, thing: T, most: usize) {
    let mut kept = kept.lock().unwrap();
    kept.push_back(thing);
    if kept.len() > most {
        kept.pop_front();
    }
}

/// How often each scope is taken back one by one.
const OFTEN: [(Scope, usize); 6] = [
    (Scope::Token, 8),
    (Scope::Session, 6),
    (Scope::Subject, 3),
    (Scope::Grant, 3),
    (Scope::Claims, 3),
    (Scope::Audience, 3),
];

fn scope(draw: &Draw) -> Scope {
    let mut drawn = draw.below(OFTEN.iter().map(|(_, weight)| weight).sum());
    for (scope, weight) in OFTEN {
        match drawn.checked_sub(weight) {
            Some(rest) => drawn = rest,
            None => return scope,
        }
    }
    Scope::Token
}

/// One who takes back.
pub struct Actor {
    stage: Arc<Stage>,
    accounts: Vec<String>,
    audiences: Vec<String>,
    draw: Draw,
    admin: Admin,
    session: Option<Session>,
}

impl Actor {
    /// The one of this number, with these accounts.
    pub fn new(stage: Arc<Stage>, number: usize, accounts: Vec<String>, draw: Draw) -> Self {
        let audiences = vec![AUDIENCE.to_owned(), side(number % SIDES)];
        Self { stage, accounts, audiences, draw, admin: Admin::default(), session: None }
    }

    /// One thing after another.
    pub async fn one_by_one(mut self, pause: Duration) {
        loop {
            sleep(self.draw.span(0, 2 * pause.as_millis() as u64)).await;
            let scope = scope(&self.draw);
            self.act(scope).await;
        }
    }

    /// What meets everybody: many times in a row, so that everybody has to sign in anew once and not each time.
    pub async fn for_everybody(mut self, times: usize, rest: Duration) {
        loop {
            for scope in [Scope::Client, Scope::Everything] {
                sleep(rest).await;
                // A connection that was idle for so long is closed.
                self.admin = Admin::default();
                for _ in 0..if scope == Scope::Client { times } else { 1 } {
                    self.act(scope).await;
                }
            }
        }
    }

    /// One key after another.
    pub async fn keys(mut self) {
        let stage = Arc::clone(&self.stage);
        loop {
            sleep(KEY_PAUSE).await;
            let _one = stage.keys.lock().await;
            self.act(Scope::Key).await;
        }
    }

    async fn act(&mut self, scope: Scope) {
        let Some(session) = self.ready().await else { return };
        let realm = Arc::clone(&self.stage.realm);
        if !self.taken(&session).await {
            self.session = Some(session);
            return;
        }
        {
            let _running = self.stage.running.read().await;
            if !realm.take_back(&mut self.admin, scope, &session, &self.draw).await {
                return;
            }
        }
        self.stage.haunt(&session);
        self.until_refused(&session).await;
        match scope {
            Scope::Token | Scope::Key | Scope::Audience | Scope::Claims => {
                self.session = Some(session);
            }
            _ => self.stage.end(session),
        }
        // Works at once.
        if let Some(session) = self.ready().await {
            self.taken(&session).await;
            self.session = Some(session);
        }
    }

    /// A session whose token nobody has refused yet.
    async fn ready(&mut self) -> Option<Session> {
        if let Some(mut session) = self.session.take()
            && self.stage.realm.refresh(&mut session, &self.draw).await == Refreshed::Done
        {
            return Some(session);
        }
        let account = &self.accounts[self.draw.below(self.accounts.len())];
        self.stage.realm.sign_in(account, &self.audiences).await
    }

    /// Whether some verifier takes the token.
    async fn taken(&self, session: &Session) -> bool {
        for _ in 0..3 {
            let verifier = self.stage.realm.any_server(&self.draw);
            let shown = self.stage.realm.present(&session.access, verifier, Route::Local);
            if shown.await == Answer::Accepted {
                return true;
            }
        }
        false
    }

    /// Shows it to all verifiers until each refuses it.
    async fn until_refused(&self, session: &Session) {
        let mut showing = JoinSet::new();
        for verifier in 0..self.stage.realm.verifiers() {
            let (realm, access) = (Arc::clone(&self.stage.realm), session.access.clone());
            showing.spawn(async move {
                for _ in 0..100 {
                    if realm.present(&access, verifier, Route::Local).await != Answer::Accepted {
                        return;
                    }
                    sleep(Duration::from_millis(1)).await;
                }
            });
        }
        showing.join_all().await;
    }
}
