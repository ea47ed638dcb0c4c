//! The credential line of a session: one value for cookie and refresh token, which moves from
//! generation to generation. 54 bytes, 72 base64url characters:
//!
//! `version 1 | key id 1 | sid 16 | generation 4 | tag 32`, with
//! `tag = HMAC-SHA256(line key, version ‖ key id ‖ carrier ‖ sid ‖ generation)`.
//!
//! Nothing of it is stored but the generation; the successor is a function of the line.

use crate::secret::Secret;
use aws_lc_rs::hmac;
use rescind_wire::b64;
use rescind_wire::id::Sid;

/// Prefix of refresh tokens, so that people and secret scanners know them.
pub const REFRESH_PREFIX: &str = "rsc_rt_";

const VERSION: u8 = 1;
const LENGTH: usize = 54;
const TAGGED: usize = LENGTH - 32;

/// What carries the line. A line for one carrier is worthless in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Carrier {
    /// An HttpOnly cookie.
    Cookie = 1,
    /// A refresh token in the response body.
    Token = 2,
}

/// A line whose tag is good: this authority has made it. What it is worth now, the session decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Cookie or refresh token.
    pub carrier: Carrier,
    /// The session.
    pub sid: Sid,
    /// Which generation.
    pub generation: u32,
}

/// The key that makes and checks lines.
#[derive(Clone)]
pub struct LineKey {
    id: u8,
    key: hmac::Key,
}

impl LineKey {
    /// A key with the id that its lines carry.
    pub fn new(id: u8, bytes: &[u8; 32]) -> Self {
        Self { id, key: hmac::Key::new(hmac::HMAC_SHA256, bytes) }
    }

    /// Writes a line.
    pub fn seal(&self, line: Line) -> Secret {
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION;
        bytes[1] = self.id;
        bytes[2..18].copy_from_slice(line.sid.as_bytes());
        bytes[18..TAGGED].copy_from_slice(&line.generation.to_be_bytes());
        let tag = hmac::sign(&self.key, &tagged(&bytes, line.carrier));
        bytes[TAGGED..].copy_from_slice(tag.as_ref());
        let prefix = match line.carrier {
            Carrier::Cookie => "",
            Carrier::Token => REFRESH_PREFIX,
        };
        Secret::new(format!("{prefix}{}", b64::encode(bytes)))
    }

    /// Checks a line as this carrier brought it; `None` for anything this key has not written, in a
    /// time that does not depend on where it differs.
    pub fn open(&self, carrier: Carrier, text: &str) -> Option<Line> {
        let text = match carrier {
            Carrier::Cookie => text,
            Carrier::Token => text.strip_prefix(REFRESH_PREFIX)?,
        };
        if text.len() != LENGTH / 3 * 4 {
            return None;
        }
        let bytes: [u8; LENGTH] = b64::decode_array(text)?;
        if bytes[0] != VERSION || bytes[1] != self.id {
            return None;
        }
        hmac::verify(&self.key, &tagged(&bytes, carrier), &bytes[TAGGED..]).ok()?;
        let sid = Sid::from_bytes(*bytes[2..].first_chunk()?);
        let generation = u32::from_be_bytes(*bytes[18..].first_chunk()?);
        Some(Line { carrier, sid, generation })
    }
}

/// What the tag covers: version, key id, carrier, sid, generation.
fn tagged(bytes: &[u8; LENGTH], carrier: Carrier) -> [u8; TAGGED + 1] {
    let mut out = [0; TAGGED + 1];
    out[..2].copy_from_slice(&bytes[..2]);
    out[2] = carrier as u8;
    out[3..].copy_from_slice(&bytes[2..TAGGED]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(carrier: Carrier) -> Line {
        Line { carrier, sid: Sid::from_bytes([5; 16]), generation: 7 }
    }

    #[test]
    fn a_line_has_72_characters_and_opens_to_itself() {
        let key = LineKey::new(1, &[9; 32]);
        for carrier in [Carrier::Cookie, Carrier::Token] {
            let sealed = key.seal(line(carrier));
            assert_eq!(sealed.expose().trim_start_matches(REFRESH_PREFIX).len(), 72);
            assert_eq!(key.open(carrier, sealed.expose()), Some(line(carrier)));
        }
    }

    #[test]
    fn a_line_of_one_carrier_is_nothing_in_the_other() {
        let key = LineKey::new(1, &[9; 32]);
        let cookie = key.seal(line(Carrier::Cookie));
        let token = key.seal(line(Carrier::Token));
        let as_token = format!("{REFRESH_PREFIX}{}", cookie.expose());
        assert_eq!(key.open(Carrier::Token, &as_token), None);
        let as_cookie = token.expose().strip_prefix(REFRESH_PREFIX).unwrap();
        assert_eq!(key.open(Carrier::Cookie, as_cookie), None);
    }

    proptest! {
        // R09
        #[test]
        fn no_changed_or_truncated_line_opens(at in 0usize..79, with in any::<char>(), cut in 0usize..79) {
            let key = LineKey::new(1, &[9; 32]);
            let sealed = key.seal(line(Carrier::Token));
            let text = sealed.expose();
            let mut changed: Vec<char> = text.chars().collect();
            if changed[at] != with {
                changed[at] = with;
                let changed: String = changed.into_iter().collect();
                prop_assert_eq!(key.open(Carrier::Token, &changed), None);
            }
            prop_assert_eq!(key.open(Carrier::Token, &text[..cut]), None);
            let other = LineKey::new(1, &[8; 32]);
            prop_assert_eq!(other.open(Carrier::Token, text), None);
        }
    }
}
