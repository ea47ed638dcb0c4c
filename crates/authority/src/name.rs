//! User names: one canonical form under which they are stored and compared (RFC 8265 §3.3).

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::Profile as _;
use std::borrow::Cow;

/// Longest name, in bytes of its canonical form.
pub const MAX_NAME: usize = 255;

/// A name in its canonical form: width-mapped, lower case, NFC; no controls, spaces, bidirectional
/// overrides, zero-width or unassigned characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// Text that cannot be a user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a user name: 1 to 255 bytes of letters, digits and ASCII punctuation, no spaces")]
pub struct BadName;

impl Name {
    /// Brings what a person typed into the canonical form.
    pub fn new(typed: &str) -> Result<Self, BadName> {
        if typed.is_empty() || typed.len() > 4 * MAX_NAME {
            return Err(BadName);
        }
        let canonical = match typed.bytes().all(|b| b.is_ascii_graphic()) {
            // What the profile makes of it, without its tables: a name is read with each request.
            true => typed.to_ascii_lowercase(),
            false => profile(typed)?,
        };
        if canonical.is_empty() || canonical.len() > MAX_NAME {
            return Err(BadName);
        }
        Ok(Self(canonical))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The form by the profile of RFC 8265.
fn profile(typed: &str) -> Result<String, BadName> {
    UsernameCaseMapped::new().enforce(typed).map(Cow::into_owned).map_err(|_| BadName)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // L12
        #[test]
        fn a_name_of_visible_ascii_is_what_the_profile_makes_of_it(typed in "[!-~]{1,40}") {
            prop_assert_eq!(Name::new(&typed).map(|name| name.0), profile(&typed));
        }
    }

    // L12
    #[test]
    fn names_that_look_alike_canonically_are_one_name() {
        for (a, b) in [("Alice", "alice"), ("ａｌｉｃｅ", "alice"), ("Jose\u{301}", "josé")] {
            assert_eq!(Name::new(a), Name::new(b), "{a} {b}");
        }
        assert_eq!(Name::new("alice@example.com").unwrap().as_str(), "alice@example.com");
    }

    // L13
    #[test]
    fn names_with_controls_overrides_or_invisible_characters_are_refused() {
        let long = "a".repeat(MAX_NAME + 1);
        for bad in [
            "",
            "a\0b",
            "a\nb",
            "a\u{1b}[31m",
            "a b",
            " a",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{feff}b",
            "a\u{378}b",
            "a\u{2066}b",
            &long,
        ] {
            assert_eq!(Name::new(bad), Err(BadName), "{bad:?}");
        }
    }
}
