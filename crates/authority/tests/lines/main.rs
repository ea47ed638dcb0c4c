//! The two judges of a credential line against an independent reading of the table in
//! `docs/architecture.md`, and against an honest client and a thief who do anything in any order.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod cookie;
mod refresh_token;
mod table;

use proptest::prelude::ProptestConfig;
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::line::Carrier;
use rescind_authority::session::{Session, SessionState};
use rescind_wire::id::{Sid, Sub};
use std::time::Duration;

const GRACE_S: u64 = 30;
const GRACE: Duration = Duration::from_secs(GRACE_S);
const SECOND: u64 = 1_000_000;
const START: u64 = 1_800_000_000 * SECOND;
const NIGHT: u64 = 36_000;

type Key = [u8; 32];

/// So many cases; a failure prints its input, no file is kept.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn session(carrier: Carrier) -> Session {
    Session {
        sid: Sid::from_bytes([1; 16]),
        sub: Sub::from_bytes([2; 16]),
        client_id: FIRST_PARTY.into(),
        audiences: Vec::new(),
        carrier,
        rv: 0,
        created_at: START,
        auth_time: START,
        amr: Vec::new(),
        idle: u64::MAX,
        expires_at: u64::MAX,
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
