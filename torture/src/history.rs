//! What was seen, by the boot clock of the machine in microseconds: each token as it was given out, each
//! presentation of one, each revocation, each refusal of a refresh, and when something was broken on purpose.
//!
//! The observer reads what a token says by itself; no code of the product judges anything here.

use crate::boot;
use rescind_wire::b64;
use rescind_wire::revocation::Scope;
use serde_json::Value;
use std::sync::{Mutex, MutexGuard};

/// The number of a token in the history.
pub type TokenId = u32;

/// An access token, and when it was asked for and given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Token {
    /// Its id.
    pub jti: String,
    /// Its session.
    pub sid: String,
    /// Its account.
    pub sub: String,
    /// Its client.
    pub client: String,
    /// The key that signed it.
    pub kid: String,
    /// Whom it is for.
    pub audiences: Vec<String>,
    /// When it expires, if nobody's clock is wrong.
    pub expires: u64,
    /// When it was asked for.
    pub begun: u64,
    /// When it came.
    pub ended: u64,
    /// Whether a sign-in gave it, and no refresh.
    pub sign_in: bool,
}

/// What a route demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// The realm's bound.
    Local,
    /// At most a second.
    Within,
    /// As of now.
    Online,
    /// Anything up to an hour.
    Tolerate,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Local, Self::Within, Self::Online, Self::Tolerate];

    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Local => "/local",
            Self::Within => "/within",
            Self::Online => "/online",
            Self::Tolerate => "/tolerate",
        }
    }
}

/// What a verifier said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// 2xx.
    Accepted,
    /// 401.
    Refused,
    /// 503.
    Stale,
    /// Nothing, or something else.
    Nothing,
}

/// A token was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presentation {
    /// Which.
    pub token: TokenId,
    /// To whom.
    pub verifier: u8,
    /// Where.
    pub route: Route,
    /// What was said.
    pub answer: Answer,
    /// Before the request was sent.
    pub begun: u64,
    /// After the answer came.
    pub ended: u64,
}

/// Something was taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Revocation {
    /// What kind of thing.
    pub scope: Scope,
    /// Which: an id of [`Token`]; for a grant account and client with a space between.
    pub id: String,
    /// Before the call was sent.
    pub begun: u64,
    /// After it returned well. Without, it may or may not have happened.
    pub returned: Option<u64>,
    /// A token that it takes back, chosen before.
    pub witness: Option<TokenId>,
}

/// A client that follows the rules was told that its session is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Denial {
    /// The session.
    pub sid: String,
    /// Before the request was sent.
    pub begun: u64,
    /// After the answer came.
    pub ended: u64,
}

/// The authority could not do what it was asked for, and said so by a status from 500 on.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// What was asked for.
    pub path: String,
    /// The status.
    pub status: u16,
    /// Whether the body says what is wrong, in the form that this path promises.
    pub explained: bool,
    /// After the answer came.
    pub ended: u64,
}

/// Something was broken on purpose.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    /// What.
    pub kind: &'static str,
    /// The verifiers that it may keep from judging well.
    pub at: Vec<u8>,
    /// Whether a wall clock was wrong.
    pub clock: bool,
    /// From.
    pub begun: u64,
    /// To; `u64::MAX` while it lasts.
    pub ended: u64,
}

/// All that was seen.
#[derive(Debug, Default, Clone)]
pub struct History {
    /// By number.
    pub tokens: Vec<Token>,
    /// In no order.
    pub presentations: Vec<Presentation>,
    /// In no order.
    pub revocations: Vec<Revocation>,
    /// In no order.
    pub denials: Vec<Denial>,
    /// In no order.
    pub failures: Vec<Failure>,
    /// In no order.
    pub troubles: Vec<Trouble>,
}

/// The history while it is written.
#[derive(Debug, Default)]
pub struct Observer(Mutex<History>);

impl Observer {
    /// The history so far.
    pub fn history(&self) -> MutexGuard<'_, History> {
        self.0.lock().unwrap()
    }

    /// A token was given; gives its number.
    pub fn token(&self, text: &str, begun: u64, sign_in: bool) -> TokenId {
        let ended = boot();
        let mut token = read(text).expect("the authority gives tokens that can be read");
        (token.begun, token.ended, token.sign_in) = (begun, ended, sign_in);
        let mut history = self.history();
        history.tokens.push(token);
        TokenId::try_from(history.tokens.len() - 1).unwrap()
    }

    /// Trouble begins; gives its number.
    pub fn trouble(&self, kind: &'static str, at: Vec<u8>, clock: bool) -> usize {
        let (begun, ended) = (boot(), u64::MAX);
        let mut history = self.history();
        history.troubles.push(Trouble { kind, at, clock, begun, ended });
        history.troubles.len() - 1
    }

    /// Trouble is over.
    pub fn over(&self, trouble: usize) {
        self.history().troubles[trouble].ended = boot();
    }
}

/// What a token says, and by the clocks of this moment when it expires.
fn read(text: &str) -> Option<Token> {
    let mut parts = text.split('.').map(|part| b64::decode(part).unwrap_or_default());
    let header: Value = serde_json::from_slice(&parts.next()?).ok()?;
    let claims: Value = serde_json::from_slice(&parts.next()?).ok()?;
    let said = |name: &str| Some(claims[name].as_str()?.to_owned());
    let audiences = claims["aud"].as_array()?.iter().filter_map(|a| a.as_str());
    let life = claims["exp"].as_u64()?.saturating_sub(claims["iat"].as_u64()?);
    Some(Token {
        jti: said("jti")?,
        sid: said("sid")?,
        sub: said("sub")?,
        client: said("client_id")?,
        kid: header["kid"].as_str()?.to_owned(),
        audiences: audiences.map(str::to_owned).collect(),
        // Issued at some moment of the second before: the observer has no use for the last one.
        expires: boot() + life.saturating_sub(1) * 1_000_000,
        ..Token::default()
    })
}
