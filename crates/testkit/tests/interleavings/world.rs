//! A realm whose own operations run in every order of their calls to the store.

use crate::realm::{Realm, authority, name, refresh_command, sign_in_command, wait};
use crate::{entries, killed};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rescind_authority::Authority;
use rescind_authority::account::AccountState;
use rescind_authority::line::Carrier;
use rescind_authority::login::LoggedIn;
use rescind_authority::present::Present;
use rescind_authority::refresh::{RefreshError, Refreshed};
use rescind_authority::secret::Secret;
use rescind_testkit::interleave::SteppedStore;
use rescind_testkit::server::operator;
use rescind_wire::b64;
use rescind_wire::revocation::{Entry, TokenKeys};
use rescind_wire::token::Claims;
use std::sync::{Arc, Mutex};

/// What the operations of one run have given out.
#[derive(Default)]
pub(super) struct Given {
    pub(super) access: Vec<Secret>,
    pub(super) refresh: Vec<Secret>,
    pub(super) refused: usize,
    pub(super) superseded: usize,
    /// Whether the sign-in had ended before the other began, or began after the other had ended.
    pub(super) order: Vec<&'static str>,
}

/// A realm with a session to act on, and an authority that stops before each call of the store.
pub(super) struct World {
    pub(super) realm: Realm,
    pub(super) stepped: Arc<Authority>,
    pub(super) store: Arc<SteppedStore>,
    pub(super) device: LoggedIn,
    pub(super) present: Present,
    pub(super) page: Present,
    pub(super) given: Mutex<Given>,
}

impl World {
    pub(super) fn start() -> (Self, Arc<SteppedStore>) {
        let realm = Realm::new();
        let device = wait(realm.sign_in(Carrier::Token));
        let present = wait(realm.authority.present_bearer(&device.credential)).unwrap();
        let cookie = wait(realm.sign_in(Carrier::Cookie));
        let page = wait(realm.authority.present_cookie(&cookie.credential)).unwrap();
        let store = Arc::new(SteppedStore::new(Arc::clone(&realm.store) as _));
        let stepped = authority(Arc::clone(&store) as _, &realm.clock, 2);
        let given = Mutex::default();
        let kept = Arc::clone(&store);
        (Self { realm, stepped, store: kept, device, present, page, given }, store)
    }

    pub(super) fn note(&self, what: &'static str) {
        self.given.lock().unwrap().order.push(what);
    }

    pub(super) fn sign_in(&self) -> BoxFuture<'_, ()> {
        async {
            self.note("sign-in begins");
            let done = self.stepped.login(sign_in_command(Carrier::Token)).await;
            let mut given = self.given.lock().unwrap();
            given.order.push("sign-in ends");
            match done {
                Ok(done) => {
                    given.access.push(done.access.unwrap().token);
                    given.refresh.push(done.credential);
                }
                Err(_) => given.refused += 1,
            }
        }
        .boxed()
    }

    pub(super) fn refresh<'a>(&'a self, key: Option<&'a str>) -> BoxFuture<'a, ()> {
        async move {
            let command = refresh_command(&self.device.credential, key);
            self.take(self.stepped.refresh(command).await);
        }
        .boxed()
    }

    pub(super) fn take(&self, outcome: Result<Refreshed, RefreshError>) {
        let mut given = self.given.lock().unwrap();
        match outcome {
            Ok(refreshed) => {
                given.access.push(refreshed.access.token);
                given.refresh.push(refreshed.refresh_token);
            }
            Err(RefreshError::Superseded) => given.superseded += 1,
            Err(_) => given.refused += 1,
        }
    }

    pub(super) fn page_token(&self) -> BoxFuture<'_, ()> {
        async {
            if let Ok(access) = self.stepped.session_token(&self.page, Vec::new()).await {
                self.given.lock().unwrap().access.push(access.token);
            }
        }
        .boxed()
    }

    pub(super) fn logout(&self) -> BoxFuture<'_, ()> {
        async {
            self.stepped.logout(Carrier::Token, &self.device.credential).await.unwrap();
        }
        .boxed()
    }

    pub(super) fn end_page_session(&self) -> BoxFuture<'_, ()> {
        let (sub, sid) = (self.page.session.sub, self.page.session.sid);
        async move {
            self.stepped.end_session(sub, sid).await.unwrap();
        }
        .boxed()
    }

    pub(super) fn logout_everywhere(&self) -> BoxFuture<'_, ()> {
        async {
            self.note("everywhere begins");
            self.stepped.logout_everywhere(&self.present).await.unwrap();
            self.note("everywhere ends");
        }
        .boxed()
    }

    pub(super) fn ban(&self) -> BoxFuture<'_, ()> {
        async {
            let closed =
                self.stepped.set_account_state(name(), AccountState::Suspended, operator());
            closed.await.unwrap();
        }
        .boxed()
    }

    /// Whether the log kills an access token, by the rule of the verifiers.
    pub(super) fn is_dead(&self, token: &Secret) -> bool {
        let body = b64::decode(token.expose().split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let rv = claims["rv"].as_u64().unwrap();
        let keys =
            TokenKeys::of(&read_claims(&claims), self.realm.authority.keyring().token_key().kid());
        let matching: Vec<Entry> = entries(&*self.realm.store)
            .into_iter()
            .filter(|e| keys.iter().any(|(_, key)| key == e.key))
            .collect();
        killed(&matching, rv)
    }

    /// Something that was given out is still good for something.
    pub(super) fn anything_lives(&self) -> bool {
        let given = self.given.lock().unwrap();
        let access = given.access.iter().any(|token| !self.is_dead(token));
        access
            || given.refresh.iter().chain([&self.device.credential]).any(|token| {
                let command = refresh_command(token, None);
                let presented = wait(self.realm.authority.present_bearer(token));
                presented.is_ok() || wait(self.realm.authority.refresh(command)).is_ok()
            })
    }

    pub(super) fn reopen(&self) {
        wait(self.realm.authority.set_account_state(name(), AccountState::Active, operator()))
            .unwrap();
    }
}

pub(super) fn read_claims(claims: &serde_json::Value) -> Claims {
    let text = |name: &str| claims[name].as_str().unwrap();
    let aud = claims["aud"].as_array().unwrap();
    Claims {
        iss: text("iss").into(),
        sub: text("sub").parse().unwrap(),
        aud: aud.iter().map(|a| a.as_str().unwrap().into()).collect(),
        exp: 0,
        iat: 0,
        nbf: None,
        jti: text("jti").parse().unwrap(),
        sid: text("sid").parse().unwrap(),
        client_id: text("client_id").into(),
        scope: String::new(),
        roles: Vec::new(),
        auth_time: 0,
        amr: Vec::new(),
        rv: 0,
    }
}
