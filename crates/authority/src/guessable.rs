//! Whether a password is among the first that a guesser tries: a common one, a word or a name, a date, a
//! row of keys, or what anybody knows of the account. The estimate and the lists (30,000 common passwords
//! among them) are the crate zxcvbn's.

use crate::name::Name;
use zeroize::Zeroizing;
use zxcvbn::{Score, zxcvbn};

/// The product's own name.
const PRODUCT: &str = "rescind";
/// So many characters are judged: the time grows faster than the length. Whatever is hard to guess shows it
/// within them.
const JUDGED: usize = 32;

/// Fewer than a million guesses find it, in whatever case it is written.
pub(crate) fn is_guessable(password: &str, name: &Name, issuer: &str) -> bool {
    let name = name.as_str();
    let local_part = name.split('@').next().unwrap_or(name);
    let authority = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let known = [name, local_part, PRODUCT, host].map(judged);
    // Capitals count as strength there; here a common password is one in any case.
    let folded = Zeroizing::new(password.to_lowercase());
    zxcvbn(judged(&folded), &known).score() < Score::Two
}

fn judged(text: &str) -> &str {
    text.char_indices().nth(JUDGED).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::MIN_CODE_POINTS;

    /// Common passwords that are long enough otherwise; the file says whence.
    const COMMON: &str = include_str!("guessable/common.txt");

    fn refused(password: &str) -> bool {
        let name = Name::new("wilhelmine.q@mail.example.net").unwrap();
        is_guessable(password, &name, "https://auth.firma.example:8443")
    }

    // L08
    #[test]
    fn common_passwords_are_refused_in_any_case() {
        let common = COMMON.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(common.clone().filter(|line| line.len() >= MIN_CODE_POINTS).count(), 3000);
        for password in common {
            assert!(refused(password), "{password}");
            assert!(refused(&password.to_uppercase()), "{password}");
        }
        for written in ["PASSWORD1", "PaSsWoRd1", "QwErTyUiOp", "Baseball", "tRuStNo1tRuStNo1"] {
            assert!(refused(written), "{written}");
        }
    }

    // L08
    #[test]
    fn what_anybody_knows_of_the_account_is_refused() {
        for known in [
            "wilhelmine.q@mail.example.net",
            "Wilhelmine.Q",
            "wilhelmine.q1",
            "rescind1",
            "Rescind!",
            "auth.firma.example",
            "AUTH.FIRMA.EXAMPLE",
        ] {
            assert!(refused(known), "{known}");
        }
    }

    // L06 L08
    #[test]
    fn patterns_are_refused_and_a_few_words_are_not() {
        for long in [&"x".repeat(1000), &"password".repeat(100)] {
            assert!(refused(long), "{long}");
        }
        for pattern in ["aaaaaaaa", "        ", "12345678", "abcdefgh", "24.12.1984", "qwertzuiop"]
        {
            assert!(refused(pattern), "{pattern}");
        }
        for fine in ["correct horse battery staple", "gurke hobel tanne", "xq7#wz9k"] {
            assert!(!refused(fine), "{fine}");
        }
    }
}
