//! Each verdict is that of the first row of the table that matches.

use crate::{GRACE, GRACE_S, Key, NIGHT, SECOND, START, cases, session};
use proptest::prelude::*;
use rescind_authority::line::Carrier;
use rescind_authority::present::{CookieWorth, judge_cookie};
use rescind_authority::refresh::{Worth, judge};
use rescind_authority::session::Session;
use std::time::Duration;

/// The table's rows for refresh tokens, from the top; the first that matches answers.
fn refresh_row(behind: i64, stored: Option<Key>, sent: Option<Key>, age: u64) -> Worth {
    let same_key = stored.is_some() && stored == sent;
    let in_time = age <= GRACE_S * SECOND;
    let rows = [
        (behind < 0, Worth::FromTheFuture),
        (behind == 0 && same_key, Worth::SpentKey),
        (behind == 0, Worth::Move),
        (behind == 1 && same_key, Worth::Repeat),
        (behind == 1 && stored.is_none() && sent.is_none() && in_time, Worth::Repeat),
        (behind == 1 && in_time, Worth::Superseded),
        (true, Worth::Theft),
    ];
    rows.into_iter().find(|(matches, _)| *matches).unwrap().1
}

/// The same for cookies. `seen` is how long ago the current one was first seen.
fn cookie_row(behind: i64, seen: Option<u64>, move_after: u64) -> CookieWorth {
    let due = seen.is_some_and(|age| age >= move_after && age >= 2 * GRACE_S * SECOND);
    let rows = [
        (behind < 0, CookieWorth::FromTheFuture),
        (behind == 0 && due, CookieWorth::Due),
        (behind == 0, CookieWorth::Current { first: seen.is_none() }),
        (behind == 1 && seen.is_none(), CookieWorth::Again),
        (behind == 1 && seen.is_some_and(|age| age <= GRACE_S * SECOND), CookieWorth::UnderWay),
        (true, CookieWorth::Theft),
    ];
    rows.into_iter().find(|(matches, _)| *matches).unwrap().1
}

/// Spans around the borders, and any.
fn age() -> impl Strategy<Value = u64> {
    let border = GRACE_S * SECOND;
    prop_oneof![
        Just(0),
        (border - 2)..(border + 3),
        (2 * border - 2)..(2 * border + 3),
        0..(NIGHT * SECOND),
    ]
}

pub(crate) fn some_key() -> impl Strategy<Value = Option<Key>> {
    prop_oneof![Just(None), (0u8..3).prop_map(|n| Some([n; 32]))]
}

proptest! {
    #![proptest_config(cases(4096))]

    // R01 R05
    #[test]
    fn a_refresh_token_is_judged_by_the_first_row_of_the_table_that_matches(
        generation in prop_oneof![0u32..4, (u32::MAX - 3)..=u32::MAX],
        presented in prop_oneof![0u32..4, (u32::MAX - 3)..=u32::MAX],
        (stored, sent, age) in (some_key(), some_key(), age()),
    ) {
        let session =
            Session { generation, reached_at: START, move_key: stored, ..session(Carrier::Token) };
        let judged = judge(&session, presented, sent.as_ref(), GRACE, START + age);
        let behind = i64::from(generation) - i64::from(presented);
        prop_assert_eq!(judged, refresh_row(behind, stored, sent, age));
    }

    // R05
    #[test]
    fn a_cookie_is_judged_by_the_first_row_of_the_table_that_matches(
        generation in prop_oneof![0u32..4, (u32::MAX - 3)..=u32::MAX],
        presented in prop_oneof![0u32..4, (u32::MAX - 3)..=u32::MAX],
        seen in prop::option::of(age()),
        move_after in age(),
    ) {
        let now = START + 2 * NIGHT * SECOND;
        let seen_at = seen.map(|age| now - age);
        let session = Session { generation, seen_at, ..session(Carrier::Cookie) };
        let after = Duration::from_micros(move_after);
        let judged = judge_cookie(&session.standing(), presented, GRACE, after, now);
        let behind = i64::from(generation) - i64::from(presented);
        prop_assert_eq!(judged, cookie_row(behind, seen, move_after));
    }
}
