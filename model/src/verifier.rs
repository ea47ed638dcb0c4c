//! A verifier as the models hold it.
//!
//! The product's: [`Follower`] with its steps, [`Lease`], [`judge`], and [`kills`] over [`TokenKeys`]. The
//! model's: the set is a list of all entries that [`Effect::Insert`] brought (the product merges those of
//! one key, and expires them), and effects are carried out at once, as under the product's lock. A check
//! is one moment: one that pauses after its look-up is one of a verifier that nothing reached since.

use crate::realm::{ISSUER, LIFE, SECOND, START, sub};
use rescind_authority::clients::FIRST_PARTY;
use rescind_verifier::check::{Facts, Judged, Terms, World, judge};
use rescind_verifier::lease::Lease;
use rescind_verifier::state::{Alarm, Effect, Event, Follower};
use rescind_verifier::{Now, Refusal};
use rescind_wire::id::{Jti, Sid};
use rescind_wire::revocation::{Entry, RevocationKey, kills};
use rescind_wire::token::{Claims, Verified};

/// What a verifier holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Verifier {
    pub(crate) follower: Follower,
    pub(crate) lease: Option<Lease>,
    pub(crate) held: Vec<Entry>,
    /// The UTC second up to which it has forgotten; only in [`crate::joint`].
    pub(crate) pruned_to: u64,
    /// Something that was held is held no more.
    forgot: bool,
    pub(crate) wants_snapshot: bool,
    pub(crate) alarm: bool,
    /// A lease was withdrawn, or had run out before a new one came.
    pub(crate) was_stale: bool,
}

impl Verifier {
    /// Which needs a snapshot.
    pub(crate) fn new() -> Self {
        Self { wants_snapshot: true, ..Self::default() }
    }

    /// Takes an event. With `replaces`, a mutant: what a snapshot brings stands in the place of what was.
    pub(crate) fn step(&mut self, event: Event, replaces: bool) {
        let replaces = replaces && matches!(event, Event::Snapshot { .. });
        if matches!(event, Event::Snapshot { .. }) {
            self.wants_snapshot = false;
        }
        for effect in self.follower.step(event) {
            match effect {
                Effect::Insert(entries) => {
                    let before = if replaces { std::mem::take(&mut self.held) } else { vec![] };
                    entries.into_iter().for_each(|e| self.insert(e));
                    self.forgot |= before.iter().any(|e| !self.held.contains(e));
                }
                Effect::Fresh(lease) => self.lease = Some(lease),
                Effect::EndLease => {
                    self.was_stale |= self.lease.is_some();
                    self.lease = None;
                }
                Effect::FetchSnapshot(_) => self.wants_snapshot = true,
                Effect::Alarm(Alarm::OldRefused) | Effect::Acknowledge => {}
                Effect::Alarm(_) => self.alarm = true,
            }
        }
    }

    fn insert(&mut self, entry: Entry) {
        if !self.held.contains(&entry) {
            self.held.push(entry);
            self.held.sort_by_key(|e| (e.ts, e.key));
        }
    }

    /// Forgets what has passed, as [`rescind_verifier::set::RevocationSet::prune`] does.
    pub(crate) fn prune(&mut self, now: Now) {
        let before = self.lease.map_or(0, |lease| lease.earlier_s(now));
        self.pruned_to = self.pruned_to.max(before);
        self.held.retain(|entry| entry.until > self.pruned_to);
    }

    /// The verdict on a token at this moment.
    pub(crate) fn judges(&self, token: &Facts, now: Now) -> Result<Judged, Refusal> {
        judge(token, &At(self, now), Terms::default())
    }

    /// Whether what it knows is new enough to judge at all.
    pub(crate) fn is_fresh(&self, now: Now) -> bool {
        self.lease.is_some_and(|lease| lease.holds(now, None))
    }

    /// I2.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.forgot
    }
}

struct At<'a>(&'a Verifier, Now);

impl World for At<'_> {
    fn lease(&self) -> Option<Lease> {
        self.0.lease
    }
    fn killed(&self, facts: &Facts) -> bool {
        let rv = facts.claims.rv;
        self.0.held.iter().any(|e| is_about(facts, e) && kills(e.scope, e.ts, rv))
    }
    fn pruned_to(&self) -> u64 {
        self.0.pruned_to
    }
    fn now(&self) -> Now {
        self.1
    }
}

/// Whether an entry names something of this token.
pub(crate) fn is_about(token: &Facts, entry: &Entry) -> bool {
    let mut keys = token.keys().filter(|(scope, _)| *scope == entry.scope);
    keys.any(|(_, key)| RevocationKey::from(key) == entry.key)
}

/// A token of session `sid` of account `owner`.
pub(crate) fn token(sid: Sid, owner: u8, rv: u64) -> Facts {
    let claims = Claims {
        iss: ISSUER.into(),
        sub: sub(owner),
        aud: vec!["posts-api".into()],
        exp: START / SECOND + LIFE,
        iat: START / SECOND,
        nbf: None,
        jti: Jti::from_bytes(*sid.as_bytes()),
        sid,
        client_id: FIRST_PARTY.into(),
        scope: String::new(),
        roles: Vec::new(),
        auth_time: START / SECOND,
        amr: Vec::new(),
        rv,
    };
    Facts::of(Verified { claims, kid: "kid".into() }, 1)
}
