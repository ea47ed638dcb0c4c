//! The behaviour of a store, as one suite that every store runs: `store_conformance!` makes a test of
//! each claim. The claims: [`log`] (order, time, digest, epochs), [`atomic`] (all or nothing), [`records`]
//! (accounts, sessions, clients and their guards), [`keys`] (keys, deleted accounts, the record), [`line`] (the moving credential),
//! [`held`] (what is in memory), [`cutoffs`] and [`sweep`].

pub mod atomic;
pub mod cutoffs;
pub mod held;
pub mod keys;
pub mod line;
pub mod log;
pub mod records;
pub mod sweep;

use crate::clock::ManualClock;
use rescind_authority::account::{Account, AccountState};
use rescind_authority::audit::{Action, Actor, Record};
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::line::Carrier;
use rescind_authority::name::Name;
use rescind_authority::session::{Session, SessionState};
use rescind_authority::store::{Head, Load, Loaded, Store, StoreError, Write};
use rescind_wire::id::{Sid, Sub};
use rescind_wire::revocation::{Entry, Target};
use std::sync::Arc;

/// Issuer of the realm that the suite wants.
pub const ISSUER: &str = "https://auth.example.com";
/// Longest life of its access tokens, in seconds.
pub const LONGEST_LIFE: u64 = 300;
/// What its clock shows at first, in microseconds since 1970 UTC.
pub const START: u64 = 1_800_000_000_000_000;
/// One second, in microseconds.
pub const SECOND: u64 = 1_000_000;
/// One day, in microseconds.
pub const DAY: u64 = 86_400 * SECOND;

/// What is recorded of a new epoch.
pub fn epoch_record() -> Record {
    Record::by(&Actor::Rule, Action::EpochOpened, START)
}

/// An empty store of the realm, with the clock it asks.
pub type Made = (Arc<dyn Store>, Arc<ManualClock>);

/// Makes one `#[tokio::test]` per claim. `$open` is a `Fn(&Path) -> Made`: an empty store that may keep its
/// files below the path, which exists until the test is over.
#[macro_export]
macro_rules! store_conformance {
    ($open:expr) => {
        $crate::store_conformance! { @ $open,
            log: positions_are_dense_and_in_commit_order_under_concurrent_writers,
                log_times_rise_strictly_though_the_wall_clock_steps_back,
                entries_of_one_transaction_have_a_log_time_each,
                the_digest_is_that_of_the_whole_log,
                a_snapshot_is_the_part_of_the_log_that_lives,
                the_log_is_told_without_gaps_or_not_at_all,
                the_log_is_told_from_any_position_and_in_parts,
                an_entry_lives_as_long_as_any_token_it_can_kill,
                a_new_epoch_begins_a_log_and_spares_sessions,
                a_new_epoch_may_end_all_sessions,
                the_committed_head_is_durable_and_the_newest;
            atomic: a_refused_transaction_leaves_nothing,
                a_log_time_of_a_refused_transaction_is_never_used_again,
                no_rule_sees_what_a_refused_transaction_wrote,
                transactions_that_read_and_write_do_not_lose_each_other,
                a_rule_that_writes_nothing_changes_nothing,
                a_view_is_one_moment;
            records: a_session_comes_back_as_it_went_in,
                a_session_id_that_is_taken_is_refused,
                accounts_come_back_by_id_by_name_and_in_order,
                a_name_or_an_account_id_that_is_taken_is_refused,
                a_rehash_needs_the_version_it_was_made_from,
                an_account_is_closed_and_opened,
                clients_come_back_in_order_and_their_ids_are_taken_once,
                a_rule_sees_the_clients_of_its_own_moment,
                a_session_brings_its_account_and_its_siblings_newest_first,
                what_is_unknown_is_absent;
            line: of_concurrent_moves_from_one_generation_exactly_one_wins,
                a_move_needs_the_generation_it_starts_from,
                a_session_that_is_over_takes_no_change,
                ending_twice_keeps_the_first_reason,
                only_the_first_sight_of_a_generation_is_kept,
                the_last_request_never_moves_back;
            held: what_is_held_is_what_is_stored_after_every_kind_of_change,
                what_a_refused_transaction_wrote_is_never_held,
                a_session_is_never_held_older_than_what_was_answered,
                an_account_is_never_held_older_than_what_was_answered;
            cutoffs: a_cutoff_judges_the_sessions_of_its_scope_only,
                what_judges_no_session_leaves_no_cutoff,
                the_newest_cutoff_of_a_key_stands,
                a_session_born_at_a_cutoff_lives;
            sweep: an_entry_goes_at_its_until_and_not_before,
                a_session_goes_at_its_absolute_end,
                a_cutoff_outlives_its_entry_while_an_older_session_is_left,
                a_cutoff_goes_when_only_younger_sessions_are_left,
                an_entry_that_never_expires_stays;
            keys: keys_come_back_as_they_went_in_by_time_of_making,
                a_key_whose_place_is_taken_is_refused,
                a_key_only_goes_forward,
                a_key_that_is_in_use_or_compromised_is_not_dropped,
                entries_against_keys_are_in_every_epoch,
                entries_are_found_by_what_they_take_back,
                the_id_of_a_deleted_account_is_never_given_out_again,
                roles_and_bans_come_back,
                a_client_gets_another_secret_and_goes,
                records_come_back_newest_first_and_belong_to_their_transaction,
                a_search_finds_the_records_that_fit_in_either_direction,
                sessions_that_nothing_has_ended_come_in_pages_with_their_cut_offs;
        }
    };
    (@ $open:expr, $($file:ident : $($claim:ident),+ ;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                let folder = tempfile::tempdir().unwrap();
                let (store, clock) = $open(folder.path());
                $crate::conformance::$file::$claim((store, clock)).await;
            }
        )+)+
    };
}

/// An id of these bytes.
pub fn sub(n: u8) -> Sub {
    Sub::from_bytes([n; 16])
}

/// An id of these bytes.
pub fn sid(n: u8) -> Sid {
    Sid::from_bytes([n; 16])
}

/// An account named `user<n>`.
pub fn account(n: u8) -> Account {
    Account {
        sub: sub(n),
        name: Name::new(&format!("user{n}")).unwrap(),
        password_hash: format!("$argon2id$hash{n}"),
        password_version: 1,
        roles: vec!["member".into()],
        state: AccountState::Active,
        created_at: START,
    }
}

/// A live session of account `owner`, born at the log time `rv`.
pub fn session(n: u8, owner: u8, rv: u64) -> Session {
    Session {
        sid: sid(n),
        sub: sub(owner),
        client_id: FIRST_PARTY.into(),
        audiences: Vec::new(),
        carrier: Carrier::Token,
        rv,
        created_at: START + u64::from(n),
        auth_time: START,
        amr: vec!["pwd".into()],
        idle: 14 * DAY,
        expires_at: START + 30 * DAY,
        last_seen_at: START,
        generation: 0,
        reached_at: START,
        seen_at: None,
        move_key: None,
        state: SessionState::Live,
        device: None,
        user_agent: None,
        address: None,
        remembered: false,
    }
}

/// Makes these writes in one transaction, whatever is in the store.
pub async fn write(store: &dyn Store, writes: Vec<Write>) -> Result<Head, StoreError> {
    store.transact(Load::default(), Box::new(|_| writes)).await
}

/// Takes something back.
pub async fn revoke(store: &dyn Store, target: Target) -> Head {
    write(store, vec![Write::Revoke(target)]).await.unwrap()
}

/// Puts accounts in.
pub async fn add_accounts(store: &dyn Store, numbers: &[u8]) {
    let insert = |n: &u8| Write::InsertAccount(Box::new(account(*n)));
    write(store, numbers.iter().map(insert).collect()).await.unwrap();
}

/// Puts a session in as it is.
pub async fn add_session(store: &dyn Store, session: Session) {
    write(store, vec![Write::InsertSession(Box::new(session))]).await.unwrap();
}

/// Opens session `n` of account `owner` as a sign-in does: born at the head of its own transaction.
pub async fn sign_in(store: &dyn Store, n: u8, owner: u8) {
    let open = move |loaded: &Loaded| {
        vec![Write::InsertSession(Box::new(session(n, owner, loaded.head.ts)))]
    };
    store.transact(Load::default(), Box::new(open)).await.unwrap();
}

/// The session with what judges it.
pub async fn view(store: &dyn Store, n: u8) -> Loaded {
    store.read(Load::session(sid(n))).await.unwrap()
}

/// The session as it stands.
pub async fn stored(store: &dyn Store, n: u8) -> Session {
    view(store, n).await.session.expect("the session is there").session
}

/// Whether the session lives at `now`.
pub async fn lives(store: &dyn Store, n: u8, now: u64) -> bool {
    let loaded = view(store, n).await;
    let judged = loaded.session.expect("the session is there");
    judged.session.check(loaded.account.as_ref(), &judged.cutoffs, now).is_ok()
}

/// The log from the beginning of the epoch.
pub async fn whole_log(store: &dyn Store) -> Vec<Entry> {
    store.log(0, usize::MAX).await.unwrap().entries.expect("nothing was pruned")
}

/// Whether it was refused by a guard.
pub fn is_conflict<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Conflict))
}
