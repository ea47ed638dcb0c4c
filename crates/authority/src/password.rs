//! Passwords as people type them: bounded, any Unicode, compared in one normal form, never shown.

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::Profile as _;
use std::fmt;
use zeroize::Zeroizing;

/// Shortest password that can be set, in code points.
pub const MIN_CODE_POINTS: usize = 8;
/// Longest password, in code points.
pub const MAX_CODE_POINTS: usize = 1024;
/// Longest password, in bytes.
pub const MAX_BYTES: usize = 4096;

/// A password in the form in which it is hashed: RFC 8265 OpaqueString (spaces of all kinds become the
/// ASCII space, NFC; nothing trimmed, folded or cut).
pub struct Password(Zeroizing<String>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why text cannot be a password. Never says what the text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPassword {
    /// Empty.
    #[error("the password is empty")]
    Empty,
    /// Over 1,024 code points or 4,096 bytes.
    #[error("the password is longer than 1,024 characters")]
    TooLong,
    /// Under 8 code points; only when one is set.
    #[error("the password is shorter than 8 characters")]
    TooShort,
    /// Holds control characters, which no keyboard types the same way everywhere.
    #[error("the password holds control characters")]
    Unusable,
}

impl Password {
    /// A password that somebody signs in with.
    pub fn presented(typed: &str) -> Result<Self, BadPassword> {
        if typed.is_empty() {
            return Err(BadPassword::Empty);
        }
        if typed.len() > MAX_BYTES || typed.chars().count() > MAX_CODE_POINTS {
            return Err(BadPassword::TooLong);
        }
        let text = OpaqueString::new().enforce(typed).map_err(|_| BadPassword::Unusable)?;
        Ok(Self(Zeroizing::new(text.into_owned())))
    }

    /// A password that is to be set. Whether it is easy to guess is judged where it is set.
    pub fn chosen(typed: &str) -> Result<Self, BadPassword> {
        let password = Self::presented(typed)?;
        if password.0.chars().count() < MIN_CODE_POINTS {
            return Err(BadPassword::TooShort);
        }
        Ok(password)
    }

    /// The bytes to hash. For the hash alone.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(typed: &str) -> Vec<u8> {
        Password::presented(typed).unwrap().expose().to_vec()
    }

    // L10 L11
    #[test]
    fn a_password_is_normalised_and_nothing_else() {
        assert_eq!(bytes("caf\u{e9}-caf\u{e9}"), bytes("cafe\u{301}-cafe\u{301}"));
        assert_ne!(bytes(" password"), bytes("password"));
        assert_ne!(bytes("password "), bytes("password"));
        assert_ne!(bytes("Password"), bytes("password"));
        assert_eq!(bytes("pass\u{3000}word"), bytes("pass word"));
        assert_eq!(bytes("🐒🐒🐒🐒🐒🐒🐒🐒").len(), 32);
    }

    // L05
    #[test]
    fn a_password_over_the_limits_is_refused() {
        assert!(Password::presented(&"x".repeat(MAX_CODE_POINTS)).is_ok());
        let too_long = Password::presented(&"x".repeat(MAX_CODE_POINTS + 1));
        assert_eq!(too_long.unwrap_err(), BadPassword::TooLong);
        let too_many_bytes = Password::presented(&"🐒".repeat(MAX_BYTES / 4 + 1));
        assert_eq!(too_many_bytes.unwrap_err(), BadPassword::TooLong);
    }

    // L06
    #[test]
    fn no_composition_is_asked_for() {
        for fine in ["gurkenhobel", "4729105836", "ÄÖÜÖÄÜßé", "🐒🐓🐢🐙🐝🐌🐞🐠"]
        {
            assert!(Password::chosen(fine).is_ok(), "{fine}");
        }
    }

    // L07
    #[test]
    fn eight_characters_are_the_shortest_however_many_bytes_they_have() {
        assert!(Password::chosen("🐒🐓🐢🐙🐝🐌🐞🐠").is_ok());
        assert_eq!(Password::chosen("🐒🐓🐢🐙🐝🐌🐞").unwrap_err(), BadPassword::TooShort);
        assert_eq!(Password::chosen("xq7#wz9").unwrap_err(), BadPassword::TooShort);
    }

    // L22
    #[test]
    fn a_password_is_not_in_its_debug_form() {
        assert_eq!(format!("{:?}", Password::presented("hunter2-hunter2").unwrap()), "Password(…)");
    }
}
