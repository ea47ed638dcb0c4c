//! The product's own operations, each as it is, in every order of their calls to the store.

use crate::realm::{refresh_command, wait};
use crate::world::{World, read_claims};
use crate::{assert_caught, now, safe};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rescind_authority::account::AccountState;
use rescind_authority::clock::Now;
use rescind_authority::line::Carrier;
use rescind_authority::mint::Reading;
use rescind_authority::secret::Secret;
use rescind_authority::store::{AccountRef, Load, Loaded, Store, Write};
use rescind_testkit::conformance::{START, session, sub};
use rescind_testkit::interleave::{Explored, every_order_of};
use rescind_wire::b64;
use rescind_wire::token::Claims;

fn explore(
    processes: impl for<'s> Fn(&'s World) -> Vec<BoxFuture<'s, ()>>,
    bad: impl Fn(&World) -> bool,
) -> Explored {
    every_order_of(World::start, processes, bad)
}

/// The claim holds in all of so many orders, and in some of them something was given out at all.
#[track_caller]
fn assert_safe(
    runs: u64,
    processes: impl for<'s> Fn(&'s World) -> Vec<BoxFuture<'s, ()>>,
    bad: impl Fn(&World) -> bool,
) {
    let gave = std::cell::Cell::new(0);
    let explored = explore(processes, |w| {
        gave.set(gave.get() + w.given.lock().unwrap().access.len());
        bad(w)
    });
    assert_eq!(explored, safe(runs));
    assert!(gave.get() > 0, "nothing was ever given out");
}

const KEYS: [&str; 2] = ["aaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbb"];

// R-60, V09
#[test]
fn no_refresh_gives_anything_that_outlives_a_logout() {
    assert_safe(2, |w| vec![w.refresh(None), w.logout()], World::anything_lives);
    assert_safe(
        6,
        |w| vec![w.refresh(Some(KEYS[0])), w.refresh(Some(KEYS[1])), w.logout()],
        World::anything_lives,
    );
}

// R-60, V09
#[test]
fn no_refresh_gives_anything_that_outlives_a_logout_everywhere() {
    assert_safe(2, |w| vec![w.refresh(None), w.logout_everywhere()], World::anything_lives);
}

// R-60, V09
#[test]
fn no_refresh_gives_anything_that_outlives_a_ban() {
    assert_safe(
        2,
        |w| vec![w.refresh(None), w.ban()],
        |w| {
            w.reopen();
            w.anything_lives()
        },
    );
}

/// A refresh that checks the session, then reads the head, and signs.
fn careless_refresh(w: &World) -> BoxFuture<'_, ()> {
    async {
        let loaded = w.store.read(Load::session(w.device.session.sid)).await.unwrap();
        let judged = loaded.session.unwrap();
        if judged.session.check(loaded.account.as_ref(), &judged.cutoffs, START).is_err() {
            return;
        }
        let head = w.store.head().await.unwrap();
        let rv = Reading::of_store(&head, Now { wall: START, boot: 0 }).rv(judged.session.rv);
        w.given.lock().unwrap().access.push(forge(w, rv));
    }
    .boxed()
}

/// An access token of the device's session with this reading.
fn forge(w: &World, rv: u64) -> Secret {
    let body =
        b64::decode(w.device.access.as_ref().unwrap().token.expose().split('.').nth(1).unwrap());
    let claims: serde_json::Value = serde_json::from_slice(&body.unwrap()).unwrap();
    let claims = Claims { rv, ..read_claims(&claims) };
    Secret::new(
        rescind_wire::token::sign(&claims, w.realm.authority.keyring().token_key()).unwrap(),
    )
}

// V09
#[test]
fn a_refresh_that_checks_before_it_reads_is_caught() {
    let explored =
        explore(|w| vec![careless_refresh(w), w.logout_everywhere()], World::anything_lives);
    assert_caught(explored, 3);
}

//
#[test]
fn no_token_of_a_page_outlives_the_end_of_its_session() {
    let lives = |w: &World| w.given.lock().unwrap().access.iter().any(|token| !w.is_dead(token));
    assert_safe(2, |w| vec![w.page_token(), w.end_page_session()], lives);
    assert_safe(2, |w| vec![w.page_token(), w.logout_everywhere()], lives);
}

//
#[test]
fn a_sign_in_that_commits_after_a_ban_is_refused_and_one_before_it_is_dead() {
    assert_safe(
        4,
        |w| vec![w.sign_in(), w.ban()],
        |w| {
            w.reopen();
            let given = w.given.lock().unwrap();
            let counted = given.refused + given.access.len() == 1;
            drop(given);
            !counted || w.anything_lives()
        },
    );
}

/// A sign-in that trusts the account as it was when the password was checked.
fn careless_sign_in(w: &World) -> BoxFuture<'_, ()> {
    async {
        let load = Load { account: Some(AccountRef::Sub(sub(1))), ..Load::default() };
        let found = w.store.read(load).await.unwrap().account.unwrap();
        if found.state != AccountState::Active {
            return;
        }
        let insert = |loaded: &Loaded| {
            let rv = loaded.head.ts;
            let carrier = Carrier::Token;
            let new = rescind_authority::session::Session { carrier, ..session(9, 1, rv) };
            vec![Write::InsertSession(Box::new(new))]
        };
        w.store.transact(Load::default(), Box::new(insert)).await.unwrap();
    }
    .boxed()
}

#[test]
fn a_sign_in_that_does_not_read_the_account_again_is_caught() {
    let explored = explore(
        |w| vec![careless_sign_in(w), w.ban()],
        |w| {
            w.reopen();
            !wait(w.realm.authority.sessions(sub(1))).unwrap().is_empty()
        },
    );
    assert_caught(explored, 3);
}

/// The sign-in survived a logout everywhere that began after it, or died by one that ended before it.
fn order_was_not_kept(w: &World) -> bool {
    let given = w.given.lock().unwrap();
    let at = |what| given.order.iter().position(|o| *o == what).unwrap();
    let (token, credential) = (&given.access[0], given.refresh.first());
    let token_lives = !w.is_dead(token);
    let session_lives =
        credential.map_or(token_lives, |c| wait(w.realm.authority.present_bearer(c)).is_ok());
    let must_die = at("sign-in ends") < at("everywhere begins");
    let must_live = at("everywhere ends") < at("sign-in begins");
    token_lives != session_lives || (must_die && token_lives) || (must_live && !token_lives)
}

/// Waits for its turn once before it begins, so that it may begin last.
fn later<'a>(w: &'a World, then: BoxFuture<'a, ()>) -> BoxFuture<'a, ()> {
    async move {
        w.store.head().await.unwrap();
        then.await;
    }
    .boxed()
}

// R-35, V07
#[test]
fn a_sign_in_dies_by_a_logout_everywhere_after_it_and_not_by_one_before_it() {
    assert_safe(
        15,
        |w| vec![later(w, w.sign_in()), later(w, w.logout_everywhere())],
        order_was_not_kept,
    );
}

/// A sign-in whose token is read for after its session was made.
fn late_reading_sign_in(w: &World) -> BoxFuture<'_, ()> {
    async {
        w.note("sign-in begins");
        let insert =
            |loaded: &Loaded| vec![Write::InsertSession(Box::new(session(9, 1, loaded.head.ts)))];
        w.store.transact(Load::default(), Box::new(insert)).await.unwrap();
        let rv = w.store.head().await.unwrap().ts;
        let token = forge(w, rv);
        let mut given = w.given.lock().unwrap();
        given.access.push(token);
        given.order.push("sign-in ends");
    }
    .boxed()
}

#[test]
fn a_sign_in_that_reads_after_it_has_made_its_session_is_caught() {
    let explored = explore(
        |w| vec![later(w, late_reading_sign_in(w)), later(w, w.logout_everywhere())],
        |w| {
            let loaded = now(w.realm.store.read(Load::session(session(9, 1, 0).sid))).unwrap();
            let judged = loaded.session.unwrap();
            let alive = judged.session.check(loaded.account.as_ref(), &judged.cutoffs, START);
            let given = w.given.lock().unwrap();
            alive.is_ok() == w.is_dead(&given.access[0])
        },
    );
    assert_caught(explored, 10);
}

//
#[test]
fn of_two_refreshes_with_keys_of_their_own_one_wins_and_its_successor_works() {
    assert_safe(
        2,
        |w| vec![w.refresh(Some(KEYS[0])), w.refresh(Some(KEYS[1]))],
        |w| {
            let given = w.given.lock().unwrap();
            let one = given.refresh.len() == 1 && given.superseded == 1;
            let works =
                || wait(w.realm.authority.refresh(refresh_command(&given.refresh[0], None)));
            !one || works().is_err()
        },
    );
}

#[test]
fn of_two_refreshes_with_one_key_both_get_the_one_successor() {
    assert_safe(
        2,
        |w| vec![w.refresh(Some(KEYS[0])), w.refresh(Some(KEYS[0]))],
        |w| {
            let given = w.given.lock().unwrap();
            given.refresh.len() != 2 || given.refresh[0].expose() != given.refresh[1].expose()
        },
    );
}
