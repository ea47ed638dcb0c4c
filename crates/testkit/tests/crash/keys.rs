//! The realm's keys, as an operator sees them.

use crate::realm::{Realm, text};
use rescind_testkit::http::Http;
use serde_json::Value;
use std::collections::BTreeSet;

/// The keys as the store holds them.
pub(crate) struct Keys(Vec<Value>);

impl Keys {
    /// As a command gives them.
    pub(crate) fn list(realm: &Realm) -> Self {
        let said = realm.command(&["keys", "list", "--json"], &[], "");
        Self(serde_json::from_slice(&said.stdout).unwrap())
    }

    /// The one active key of its kind.
    pub(crate) fn active(&self, purpose: &str) -> String {
        let active = |key: &&Value| key["purpose"] == purpose && key["state"] == "active";
        let mut active = self.0.iter().filter(active);
        let one = text(active.next().unwrap(), "kid");
        assert!(active.next().is_none(), "two active keys: {:?}", self.0);
        one
    }

    /// Whether one is compromised.
    pub(crate) fn any_compromised(&self) -> bool {
        self.0.iter().any(|key| key["state"] == "compromised")
    }

    /// The state of a key.
    pub(crate) fn state(&self, kid: &str) -> &str {
        self.0.iter().find(|key| key["kid"] == kid).unwrap()["state"].as_str().unwrap()
    }

    /// The key set is that of the store: its token keys, but the compromised ones.
    pub(crate) async fn are_served(&self, http: &Http) {
        let served = http.get("/.well-known/jwks.json", &[]).await.json();
        let served = served["keys"].as_array().unwrap().iter();
        let served: BTreeSet<_> = served.map(|key| text(key, "kid")).collect();
        let signs = |key: &&Value| key["purpose"] == "token" && key["state"] != "compromised";
        let stored: BTreeSet<_> = self.0.iter().filter(signs).map(|key| text(key, "kid")).collect();
        assert_eq!(served, stored);
    }
}
