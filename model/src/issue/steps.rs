//! The steps: each calls what production calls, on data of the model.

use super::state::{
    Answering, Applied, Batch, Cut, End, FIRST, Facts, Loading, Node, Password, RENEWED, SIGNED_IN,
    State, Step, Stored, Taken, Token, of_session,
};
use super::{Act, Issuing, Mutant};
use crate::realm::{ISSUER, SECOND, issue, session, sid, sub};
use rescind_authority::account::AccountState;
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::clock::Now;
use rescind_authority::login::{self, Checked};
use rescind_authority::mint::Reading;
use rescind_authority::session::Cutoff;
use rescind_authority::store::{Load, Loaded, Write};
use rescind_authority::{logout, refresh, renew, revoke};
use rescind_wire::revocation::Target;
use std::time::Duration;

/// How long the credential before the current one is understood, and a node answers from its facts.
const GRACE: Duration = Duration::from_secs(30);

/// What a rule has decided in its transaction.
type Decided<T> = (Vec<Write>, Option<T>);

impl Issuing {
    /// Runs a rule as the next job of the batch, which is begun if there is none.
    fn job<T>(
        &self,
        state: &mut State,
        node: usize,
        load: &Load,
        rule: impl FnOnce(&Loaded) -> Decided<T>,
    ) -> Option<T> {
        let now = state.now();
        let mut batch = state.batch.take().unwrap_or_else(|| Batch {
            stored: state.durable.clone(),
            jobs: 0,
            tokens: Vec::new(),
            cuts: Vec::new(),
            births: [None; 3],
            generation: state.generation,
        });
        state.nodes[node].writes = true;
        let mut realm = (*batch.stored.realm).clone();
        let before = realm.head;
        let shared = state.durable.realm.head.ts;
        if self.mutant == Some(Mutant::OneTime) {
            realm.head.ts = shared;
        }
        let mut answer = None;
        let decide = |loaded: &Loaded| {
            let loaded = Loaded { head: before, ..self.seen(&batch.stored, loaded.clone()) };
            let (writes, decided) = rule(&loaded);
            answer = decided;
            writes
        };
        if realm.transact(load, decide, now.wall).is_err() {
            answer = None;
        }
        realm.head.ts = realm.head.ts.max(before.ts);
        batch.stored = Stored::new(realm, Some(&batch.stored), now);
        batch.jobs += 1;
        state.batch = Some(batch);
        answer
    }

    /// What was loaded; for a mutant judged by entries instead of rows.
    fn seen(&self, stored: &Stored, mut loaded: Loaded) -> Loaded {
        if let (Some(Mutant::ByEntries), Some(judged)) = (self.mutant, &mut loaded.session) {
            let keys = judged.session.cutoff_keys(ISSUER);
            let matching = stored.realm.entries().filter(|e| keys.contains(&e.key));
            judged.cutoffs = matching.map(|e| Cutoff { scope: e.scope, ts: e.ts }).collect();
        }
        loaded
    }

    fn load(&self, stored: &Stored, n: usize) -> Loaded {
        self.seen(stored, stored.realm.load(&of_session(n)))
    }

    /// Signs for session `n`, or not.
    fn token(
        &self,
        reading: &Reading,
        loaded: &Loaded,
        n: usize,
        now: Now,
    ) -> Option<(Token, Vec<Write>)> {
        let judged = loaded.session.as_ref()?;
        let (claims, writes) = reading
            .claims(&judged.session, loaded.account.as_ref()?, &issue(&self.audiences), now)
            .ok()?;
        let (session, rv) = (n, claims.rv);
        Some((Token { session, rv, seen: loaded.head.pos, began: 0, exact: true }, writes))
    }

    pub(crate) fn act(&self, state: &mut State, node: usize, act: Act) {
        state.acts += 1;
        let now = state.now();
        let load = of_session(FIRST);
        let done = self.job(state, node, &load, |loaded| match act {
            Act::Logout => {
                let (writes, owner) = logout::sign_out(loaded, now.wall);
                (writes, owner.map(|_| Cut::Session(FIRST)))
            }
            Act::Everywhere => (vec![Write::Revoke(Target::Subject(sub(1)))], Some(Cut::Account)),
            Act::Grant => {
                let grant = Target::Grant(sub(1), FIRST_PARTY.into());
                (vec![Write::Revoke(grant)], Some(Cut::Account))
            }
            Act::Client => {
                (vec![Write::Revoke(Target::Client(FIRST_PARTY.into()))], Some(Cut::Account))
            }
            Act::Everything => (vec![Write::Revoke(Target::Everything)], Some(Cut::Account)),
            Act::Roles => (revoke::to_roles(sub(1), vec!["guest".into()]), Some(Cut::Roles)),
            Act::Ban => {
                let closed = |account| revoke::to_state(account, AccountState::Banned).ok();
                match loaded.account.as_ref().and_then(closed) {
                    Some(writes) => (writes, Some(Cut::Ban)),
                    None => (Vec::new(), None),
                }
            }
        });
        if let (Some(cut), Some(batch)) = (done, &mut state.batch) {
            batch.cuts.push((batch.stored.pos(), cut));
        }
    }

    pub(crate) fn refresh(&self, state: &mut State, node: usize) {
        let now = state.now();
        let (generation, client_id) = (state.generation, FIRST_PARTY);
        let presented = refresh::Presented { generation, client_id, move_key: None };
        let done = self.job(state, node, &of_session(FIRST), |loaded| {
            let (mut writes, decided) = refresh::decide(loaded, &presented, GRACE, now.wall);
            let Ok((generation, _)) = decided else {
                let theft = !writes.is_empty();
                return (writes, Some(Err(theft)));
            };
            let reading = Reading::of_store(&loaded.head, now);
            let Some((token, more)) = self.token(&reading, loaded, FIRST, now) else {
                return (Vec::new(), None);
            };
            writes.extend(more);
            (writes, Some(Ok((token, generation))))
        });
        state.refresh = Step::Refusing;
        let Some(batch) = &mut state.batch else { return };
        match done {
            Some(Ok((token, generation))) => {
                batch.tokens.push(Token { began: state.answered, ..token });
                batch.generation = generation;
                state.refresh = Step::Waiting;
            }
            Some(Err(true)) => batch.cuts.push((batch.stored.pos(), Cut::Session(FIRST))),
            _ => {}
        }
    }

    /// The password is found right, before the transaction.
    pub(crate) fn check_password(&self, state: &State, keep: Mutant) -> Option<Password> {
        let account = self.load(&state.durable, FIRST).account?;
        let then = (self.mutant == Some(keep)).then(|| state.durable.clone());
        Some(Password { version: account.password_version, began: state.answered, then })
    }

    pub(crate) fn sign_in(&self, state: &mut State, node: usize, password: Password) {
        let now = state.now();
        let new = session(SIGNED_IN, 1, now.wall);
        let checked = Checked { sub: sub(1), version: password.version, rehashed: None };
        let load = Load { session: None, siblings: true, ..of_session(FIRST) };
        let then = password.then.map(|then| then.realm.load(&load));
        let done = self.job(state, node, &load, |loaded| {
            let mut view = loaded.clone();
            if let Some(then) = then {
                view.account = then.account;
            }
            let Some((mut writes, new)) = login::open(&view, new, &checked, 100, now.wall) else {
                return (Vec::new(), None);
            };
            let judged = rescind_authority::store::Judged { session: new, cutoffs: Vec::new() };
            let view = Loaded { session: Some(judged), ..view };
            let reading = Reading::of_store(&loaded.head, now);
            let Some((token, more)) = self.token(&reading, &view, SIGNED_IN, now) else {
                return (Vec::new(), None);
            };
            writes.extend(more);
            (writes, Some((token, loaded.head.pos)))
        });
        state.login = if done.is_some() { Step::Waiting } else { Step::Refusing };
        if let (Some((token, born)), Some(batch)) = (done, &mut state.batch) {
            batch.tokens.push(Token { began: password.began, ..token });
            batch.births[SIGNED_IN] = Some(born);
        }
    }

    pub(crate) fn renew(
        &self,
        state: &mut State,
        node: usize,
        (change, password): (bool, Password),
    ) {
        let now = state.now();
        let checked = Checked { sub: sub(1), version: password.version, rehashed: None };
        let load = of_session(FIRST);
        let then = password.then.map(|then| then.realm.load(&load));
        let done = self.job(state, node, &load, |loaded| {
            let view = then.unwrap_or_else(|| loaded.clone());
            let hash = change.then(|| "new".to_owned());
            let renewed = renew::replace(&view, sid(RENEWED), &checked, hash, now.wall);
            let Some((mut writes, _)) = renewed else { return (Vec::new(), None) };
            if self.mutant == Some(Mutant::OldSidKept) {
                writes.retain(|w| !matches!(w, Write::Revoke(Target::Session(_))));
            }
            (writes, Some(loaded.head.pos))
        });
        state.renewal = if done.is_some() { Step::Waiting } else { Step::Refusing };
        let (Some(before), Some(batch)) = (done, &mut state.batch) else { return };
        let born = batch.stored.pos();
        batch.cuts.push((before + 1, Cut::Session(FIRST)));
        if change {
            batch.cuts.push((born, Cut::Account));
        }
        batch.births[RENEWED] = Some(born);
        // Born of a session that was dead by then: it inherits that.
        if state.dead_in_batch(FIRST, before) {
            state.orphan = true;
        }
    }

    /// A page's token by a reading from the store: head, then facts.
    pub(crate) fn page_begins(&self, state: &mut State) {
        let first = self.mutant == Some(Mutant::CheckBeforeReading);
        state.page = Step::Under(Taken {
            head: Applied(state.durable.realm.head),
            began: state.answered,
            morning: state.morning,
            then: first.then(|| state.durable.clone()),
        });
    }

    pub(crate) fn page_ends(&self, state: &mut State, taken: &Taken) {
        let now = state.now();
        let checked = taken.then.as_ref().unwrap_or(&state.durable);
        let loaded = self.load(checked, FIRST);
        let head = if taken.then.is_some() { state.durable.realm.head } else { taken.head.0 };
        let reading = Reading::of_store(&head, Self::at(taken.morning));
        let alive = loaded.alive(now.wall).is_some();
        let token = alive.then(|| self.token(&reading, &loaded, FIRST, now)).flatten();
        state.page = if token.is_some() { Step::Done } else { Step::Refused };
        if let Some((token, _)) = token {
            let (seen, began) = (checked.pos(), taken.began);
            state.tokens.push(Token { seen, began, exact: false, ..token });
        }
    }

    pub(crate) fn load_begins(&self, state: &mut State, node: usize, session: usize) {
        let late = self.mutant == Some(Mutant::StampLast);
        state.nodes[node].loading = Step::Under(Loading {
            session,
            stamp: state.durable.realm.head.ts,
            then: late.then(|| state.durable.clone()),
        });
    }

    pub(crate) fn load_ends(&self, state: &mut State, node: usize, loading: &Loading) {
        let read = loading.then.as_ref().unwrap_or(&state.durable);
        let stamp = match loading.then {
            Some(_) => state.durable.realm.head.ts,
            None => loading.stamp,
        };
        let loaded = self.load(read, loading.session);
        let facts = Facts::new(loading.session, stamp, (read, loaded), state.morning);
        let node = &mut state.nodes[node];
        node.cache = Some(facts);
        node.loading = Step::Done;
    }

    pub(crate) fn answer_begins(&self, state: &mut State, node: usize) {
        let head = match self.mutant {
            Some(Mutant::PrimaryHead) => Applied(state.durable.realm.head),
            _ => state.nodes[node].applied,
        };
        let (began, morning) = (state.answered, state.morning);
        state.nodes[node].answering = Step::Under(Answering { head, began, morning });
    }

    /// The node judges the session by its facts, and signs.
    pub(crate) fn answer_ends(&self, state: &mut State, node: usize, answering: &Answering) {
        let now = state.now();
        let at = &mut state.nodes[node];
        at.answering = Step::Lost;
        let Some(facts) = at.cache.clone() else { return };
        if facts.morning != state.morning && self.mutant != Some(Mutant::OldFacts) {
            return;
        }
        if facts.loaded.alive(now.wall).is_none() {
            at.answering = Step::Refused;
            return;
        }
        let matching = at.entries.iter().filter(|e| self.matches(facts.session, e));
        let newest = matching.map(|e| e.ts).max();
        let newest = newest.filter(|_| self.mutant != Some(Mutant::NoStamp));
        let taken = Self::at(answering.morning);
        let reading = Reading::of_memory(&answering.head.0, facts.stamp, newest, taken);
        let signed = reading.and_then(|r| self.token(&r, &facts.loaded, facts.session, now));
        if let Some((token, _)) = signed {
            at.answering = Step::Done;
            let (seen, began) = (facts.seen, answering.began);
            state.tokens.push(Token { seen, began, exact: false, ..token });
        }
    }

    pub(crate) fn apply(&self, state: &mut State, node: usize) {
        let now = state.now().seconds();
        let source = state.published(self.mutant).clone();
        let node = &mut state.nodes[node];
        // Entry by entry where nodes answer from what they have applied; else all at once.
        let most = if self.bounds.memory { 1 } else { usize::MAX };
        for (entry, head) in source.history.iter().skip(node.applied.0.pos as usize).take(most) {
            node.applied = Applied(*head);
            node.entries.extend(Some(*entry).filter(|e| e.until > now));
        }
    }

    pub(crate) fn commit(&self, state: &mut State, answered: bool) {
        let Some(batch) = state.batch.take() else { return };
        state.durable = batch.stored;
        state.cuts.extend(batch.cuts);
        for (birth, born) in state.births.iter_mut().zip(batch.births) {
            *birth = birth.or(born);
        }
        if answered {
            state.tokens.extend(batch.tokens);
            state.generation = batch.generation;
        }
        state.settle(if answered { End::Answered } else { End::Unanswered });
    }

    /// A node stops and comes back: its memory is gone, and its batch unless that was durable already.
    pub(crate) fn crash(&self, state: &mut State, node: usize, committed: bool) {
        state.crashed = true;
        if state.nodes[node].writes {
            if committed {
                self.commit(state, false);
            } else {
                state.batch = None;
                state.settle(End::Undone);
            }
        }
        state.nodes[node] = Node::new(&state.durable);
    }

    /// An hour passes: all tokens expire, what has passed is swept, facts and readings are old.
    pub(crate) fn night(&self, state: &mut State) {
        state.morning = true;
        let now = state.now();
        let mut realm = (*state.durable.realm).clone();
        realm.sweep(now.wall);
        state.durable = Stored::new(realm, Some(&state.durable), now);
        state.tokens.clear();
        for node in &mut state.nodes {
            node.entries.retain(|e| e.until > now.wall / SECOND);
        }
    }
}
