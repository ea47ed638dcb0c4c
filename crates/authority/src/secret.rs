//! Secrets as types: no `Display`, no `Serialize`, no comparison, a `Debug` that shows nothing, wiped
//! when dropped.

use std::fmt;
use zeroize::Zeroizing;

/// Text that opens something: a credential line, an access token, a password, a client's secret.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself: for the response to its owner, or for checking it. Never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
