//! The process dies at every fail point between request and answer, at each kind of request: an abort at the
//! point is what `kill -9` at that moment is, the process runs nothing after it. What the next process says
//! is judged: all of it has happened or nothing, nobody else has lost anything, and a verifier that lived
//! through it knows.

use crate::act::Act;
use crate::keys::Keys;
use crate::realm::{Realm, died, is_dead, refreshed, text};
use rescind_testkit::http::Http;
use rescind_testkit::process::Process;
use rescind_testkit::server::PASSWORD;
use rescind_verifier::{Refusal, Verifier};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

pub(crate) const KEY: &str = "an-idempotency-key-of-22+";
const ANOTHER_KEY: &str = "another-idempotency-key-22";
const NEXT_KEY: &str = "the-idempotency-key-after";

/// The fail points in their order, and whether what was asked for has happened there.
const POINTS: [(&str, bool); 8] = [
    ("http::before", false),
    ("store::before_rule", false),
    // What is answered is signed already.
    ("store::after_rule", false),
    ("store::before_commit", false),
    // Neither the feed nor the keys in use know.
    ("store::after_commit", true),
    ("store::after_publication", true),
    (MARKER, true),
    ("http::after", true),
];

/// On the way of a compromised key alone.
const MARKER: &str = "marker::before";

/// What a client was given last.
pub(crate) struct Given {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Given {
    fn by(tokens: &Value) -> Self {
        Self { access: text(tokens, "access_token"), refresh: text(tokens, "refresh_token") }
    }
}

/// A realm between two deaths, with a verifier that lives through all of them.
pub(crate) struct Scene {
    pub(crate) realm: Realm,
    process: Option<Process>,
    pub(crate) verifier: Verifier,
    pub(crate) alice: Given,
    bob: Given,
    pub(crate) keys: Keys,
    /// How many alice has.
    sessions: usize,
}

impl Scene {
    async fn new() -> Self {
        let realm = Realm::new();
        realm.person("bob");
        let process = Some(realm.start("").await);
        let (http, verifier, keys) = (realm.http(), realm.verifier().await, Keys::list(&realm));
        let alice = Given::by(&http.sign_in("alice", PASSWORD).await);
        let bob = Given::by(&http.sign_in("bob", PASSWORD).await);
        Self { realm, process, verifier, alice, bob, keys, sessions: 1 }
    }

    /// The process dies, and what the next one says is judged.
    async fn dies_at(&mut self, act: Act, point: &str, happened: bool) {
        let failpoints = match point {
            "http::before" | "http::after" => format!("{point} {}=return", act.route()),
            "store::before_commit" => format!("{point}=return(abort)"),
            _ => format!("{point}=return"),
        };
        let before = self.verifier.status();
        self.process = None;
        let process = self.realm.start(&failpoints).await;
        assert!(self.judges(&self.alice.access).await.is_ok());
        act.dies(self).await;
        died(process).await;

        self.process = Some(self.realm.start("").await);
        self.holds(act, happened).await;
        let after = self.verifier.status();
        assert_eq!(after.epoch, before.epoch, "a kill is no restore");
        let logged = happened && (act.ends_the_session() || act == Act::CompromiseKey);
        assert_eq!(
            after.applied,
            before.applied + u64::from(logged),
            "what was not done is not logged"
        );
    }

    /// The verifier judges by what the authority says now, so it is fresh again.
    async fn judges(&self, token: &str) -> Result<(), Refusal> {
        let judged = async {
            loop {
                match self.verifier.check_online(token).await {
                    Err(Refusal::Stale { .. }) => {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    judged => return judged.map(drop),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), judged).await.expect("it is fresh again")
    }

    /// All of the act has happened, or nothing, and it has cost nobody anything else.
    async fn holds(&mut self, act: Act, happened: bool) {
        let http = self.realm.http();
        let stolen = happened && act == Act::CompromiseKey;
        let ended = happened && act.ends_the_session();
        assert_eq!(
            self.judges(&self.alice.access).await.is_err(),
            ended || stolen,
            "alice's token"
        );
        assert_eq!(self.judges(&self.bob.access).await.is_err(), stolen, "bob's token");
        if ended {
            assert!(matches!(self.verifier.check(&self.alice.access), Err(Refusal::Revoked)));
        }
        self.holds_of_keys(&http, act, happened).await;
        match ended {
            true => is_dead(&http, &self.alice.refresh).await,
            false => self.alice_goes_on(&http, act, happened).await,
        }
        // Its own text is as good a key as any other that is used once.
        let answer = http.refresh(&self.bob.refresh, Some(&self.bob.refresh)).await;
        assert_eq!(answer.status, 200, "bob goes on: {}", answer.text());
        self.bob = Given::by(&answer.json());
        // A new sign-in works.
        self.alice = Given::by(&http.sign_in("alice", PASSWORD).await);
        for new in [&self.alice, &self.bob] {
            assert!(self.judges(&new.access).await.is_ok());
        }
        self.sessions = sessions(&http, &self.alice.refresh).await;
    }

    /// One key of each kind is active, and the key set is the store's.
    async fn holds_of_keys(&mut self, http: &Http, act: Act, happened: bool) {
        let (before, keys) = (&self.keys, Keys::list(&self.realm));
        for (purpose, moved_by, state) in [
            ("token", Some(Act::CompromiseKey), "compromised"),
            ("line", Some(Act::RotateKey), "retired"),
            ("feed", None, ""),
            ("csrf", None, ""),
        ] {
            let (old, moved) = (before.active(purpose), happened && moved_by == Some(act));
            assert_eq!(keys.active(purpose) != old, moved, "{purpose}");
            assert_eq!(keys.state(&old), if moved { state } else { "active" });
        }
        keys.are_served(http).await;
        if happened && act == Act::CompromiseKey {
            self.realm.remembers(&before.active("token")).await;
        }
        self.keys = keys;
    }

    /// Alice's session lives, in one line.
    async fn alice_goes_on(&self, http: &Http, act: Act, happened: bool) {
        let token = &self.alice.refresh;
        let more = usize::from(happened && act == Act::Login);
        assert_eq!(sessions(http, token).await, self.sessions + more);
        if happened && act == Act::Refresh {
            assert_eq!(http.refresh(token, Some(NEXT_KEY)).await.status, 409, "it is spent");
        }
        // A token that was not spent moves with any key.
        let key = if happened { KEY } else { ANOTHER_KEY };
        let successor = refreshed(http, token, Some(key)).await;
        assert_eq!(refreshed(http, token, Some(key)).await, successor, "one line");
        refreshed(http, &successor, Some(NEXT_KEY)).await;
    }
}

async fn sessions(http: &Http, token: &str) -> usize {
    http.get_as("/sessions", token).await.json().as_array().unwrap().len()
}

async fn through_every_point(act: Act) {
    let mut scene = Scene::new().await;
    for (point, happened) in POINTS {
        if point == MARKER && act != Act::CompromiseKey {
            continue;
        }
        if act == Act::CompromiseKey && scene.keys.any_compromised() {
            // Such a realm looks after its stolen keys at each start, and would die there.
            scene = Scene::new().await;
        }
        scene.dies_at(act, point, happened).await;
    }
    scene.process = None;
    scene.realm.is_sound();
}

// E05
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_dies_anywhere_is_a_whole_session_or_none() {
    through_every_point(Act::Login).await;
}

// R04 R05 R14 E05
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_dies_anywhere_gives_the_one_successor_to_the_same_key() {
    through_every_point(Act::Refresh).await;
}

// P10 S08 E05
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_that_dies_anywhere_is_known_everywhere_or_has_not_happened() {
    through_every_point(Act::Logout).await;
}

// P10 E05
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_that_dies_anywhere_is_known_everywhere_or_has_not_happened() {
    through_every_point(Act::RevokeSession).await;
}

// P10 E05
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_dies_anywhere_is_known_everywhere_or_has_not_happened() {
    through_every_point(Act::RevokeUser).await;
}

// E05
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_dies_anywhere_leaves_one_active_key_and_costs_nobody_the_session() {
    through_every_point(Act::RotateKey).await;
}

// K06 P10 E05
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_whose_end_dies_anywhere_is_refused_everywhere_or_goes_on() {
    through_every_point(Act::CompromiseKey).await;
}

// E05: a point that is not in the table would be one that nobody has died at.
#[test]
fn every_fail_point_of_the_program_is_in_the_table() {
    fn collect(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, names);
            } else if !path.ends_with("sqlite/restore.rs") {
                // A restore is no request: `restore` kills it at each of its steps.
                let source = std::fs::read_to_string(&path).unwrap_or_default();
                let after = source.split("fail_point!(").skip(1);
                let name = after.map(|text| text.split('"').nth(1).unwrap());
                // Those of the routes are named after the route.
                names.extend(name.map(|name| name.replace(" {route}", "").replace(" {}", "")));
            }
        }
    }
    let mut names = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src"), &mut names);
    // A read leaves nothing behind that could be half done; and one is a planted defect.
    for other in ["store::before_read", "store::sessions_by_entries"] {
        assert!(names.remove(other), "{other}");
    }
    assert_eq!(names, POINTS.iter().map(|(name, _)| (*name).to_owned()).collect());
}
