//! The realm that models begin with: two accounts, one session, and a token of each.

use rescind_authority::account::{Account, AccountState};
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::line::Carrier;
use rescind_authority::memory::Realm;
use rescind_authority::mint::Issue;
use rescind_authority::name::{BadName, Name};
use rescind_authority::session::{Session, SessionState};
use rescind_authority::store::{Load, Write};
use rescind_wire::id::{Epoch, Jti, Sid, Sub};

/// The issuer.
pub(crate) const ISSUER: &str = "https://auth.example.com";
/// One second, in microseconds.
pub(crate) const SECOND: u64 = 1_000_000;
/// What the wall clock shows at first, in microseconds.
pub(crate) const START: u64 = 1_800_000_000 * SECOND;
/// Life of an access token, in seconds.
pub(crate) const LIFE: u64 = 300;
/// One day, in microseconds.
const DAY: u64 = 86_400 * SECOND;

/// The id of session `n`, counted from 0.
pub(crate) fn sid(n: usize) -> Sid {
    Sid::from_bytes([n as u8 + 1; 16])
}

/// The id of account `n`.
pub(crate) fn sub(n: u8) -> Sub {
    Sub::from_bytes([n; 16])
}

/// What all tokens say alike.
pub(crate) fn issue(audiences: &[String]) -> Issue<'_> {
    Issue { issuer: ISSUER, life: LIFE, audiences, jti: Jti::from_bytes([1; 16]) }
}

/// A session of account `owner`, as a sign-in in an app makes it: 14 days idle, 30 days in all.
pub(crate) fn session(n: usize, owner: u8, now: u64) -> Session {
    Session {
        sid: sid(n),
        sub: sub(owner),
        client_id: FIRST_PARTY.into(),
        audiences: Vec::new(),
        carrier: Carrier::Token,
        rv: 0,
        created_at: now,
        auth_time: now,
        amr: vec!["pwd".into()],
        idle: 14 * DAY,
        expires_at: now + 30 * DAY,
        last_seen_at: now,
        generation: 0,
        reached_at: now,
        seen_at: None,
        move_key: None,
        state: SessionState::Live,
        device: None,
        user_agent: None,
        address: None,
        remembered: false,
    }
}

/// Accounts 1 and 2, and a session of account 1.
pub(crate) fn realm(first: usize) -> Result<Realm, Box<dyn std::error::Error>> {
    let mut realm = Realm::new(ISSUER, Epoch::from_bytes([1; 16]), LIFE, START);
    let account = |n: u8| -> Result<Write, BadName> {
        Ok(Write::InsertAccount(Box::new(Account {
            sub: sub(n),
            name: Name::new(&format!("user{n}"))?,
            password_hash: String::new(),
            password_version: 1,
            roles: vec!["member".into()],
            state: AccountState::Active,
            created_at: START,
        })))
    };
    let born = Session { rv: realm.head.ts, ..session(first, 1, START) };
    let limit = Write::RaiseIatLimit(START / SECOND);
    let writes = vec![account(1)?, account(2)?, Write::InsertSession(Box::new(born)), limit];
    realm.transact(&Load::default(), |_| writes, START)?;
    Ok(realm)
}
