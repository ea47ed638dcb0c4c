//! The secret with which this server speaks to the authority.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The secret of a confidential client. Shown by nothing, wiped when dropped.
#[derive(Clone)]
pub struct ClientSecret {
    text: Zeroizing<String>,
    /// Where it came from, for who has to correct it.
    from: String,
}

/// What goes with each request, and what to call it where it is refused.
pub(crate) struct Login {
    pub(crate) basic: HeaderValue,
    pub(crate) client: String,
    pub(crate) from: String,
}

/// A secret that cannot be had. Never holds any of it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable is not set, or is not UTF-8.
    #[error(
        "the environment variable {0} is not set: put the client's secret into it, which `rescind client add` \
         prints once; `rescind client secret ID` draws another"
    )]
    Variable(String),
    /// The file cannot be read.
    #[error(
        "the file {path} with the client's secret cannot be read ({error}): put the secret there, which \
         `rescind client add` prints once, and let this server's user read it"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Nothing in it. It names what is empty.
    #[error(
        "{0} is empty: put the client's secret there, which `rescind client add` prints once; \
         `rescind client secret ID` draws another"
    )]
    Empty(String),
}

impl ClientSecret {
    /// A secret that is already in memory.
    pub fn new(secret: impl Into<String>) -> Self {
        Self { text: Zeroizing::new(secret.into()), from: "the program itself".to_owned() }
    }

    /// Reads an environment variable.
    #[expect(
        clippy::disallowed_methods,
        reason = "the application asks for exactly this variable, once, at its start"
    )]
    pub fn from_env(variable: &str) -> Result<Self, SecretError> {
        let secret = std::env::var(variable).map_err(|_| SecretError::Variable(variable.into()))?;
        Self::not_empty(Zeroizing::new(secret), format!("the environment variable {variable}"))
    }

    /// Reads a file; white space at its end does not belong to the secret.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SecretError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|error| SecretError::File { path: path.to_owned(), error })?;
        Self::not_empty(Zeroizing::new(text), format!("the file {}", path.display()))
    }

    fn not_empty(text: Zeroizing<String>, from: String) -> Result<Self, SecretError> {
        match text.trim_end() {
            "" => Err(SecretError::Empty(from)),
            secret => Ok(Self { from, ..Self::new(secret) }),
        }
    }

    /// `None` where the secret is empty.
    pub(crate) fn login(&self, client_id: &str) -> Option<Login> {
        let (basic, client) = (self.basic(client_id)?, client_id.to_owned());
        Some(Login { basic, client, from: self.from.clone() })
    }

    /// `client_secret_basic` (RFC 6749 §2.3.1): both parts form-encoded, then Basic. `None` where the
    /// secret is empty.
    fn basic(&self, client_id: &str) -> Option<HeaderValue> {
        if self.text.is_empty() {
            return None;
        }
        let pair = Zeroizing::new(format!("{}:{}", *encoded(client_id), *encoded(&self.text)));
        let line = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
        let mut value = HeaderValue::from_str(&line).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

fn encoded(text: &str) -> Zeroizing<String> {
    // Room for the worst case: a string that grows would leave copies behind.
    let mut out = Zeroizing::new(String::with_capacity(text.len() * 3));
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into());
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_secret() {
        let secret = ClientSecret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "ClientSecret(redacted)");
        let basic = secret.basic("posts-api").unwrap();
        assert_eq!(format!("{basic:?}"), "Sensitive");
    }

    #[test]
    fn both_parts_are_form_encoded_before_they_are_joined() {
        let basic = ClientSecret::new("p:w %").basic("a:b").unwrap();
        let expected = format!("Basic {}", STANDARD.encode("a%3Ab:p%3Aw%20%25"));
        assert_eq!(basic, expected.as_str());
    }

    #[test]
    fn a_file_is_read_without_the_white_space_at_its_end_and_must_not_be_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "s3cret\n").unwrap();
        let read = ClientSecret::from_file(&path).unwrap();
        assert_eq!(read.basic("c"), ClientSecret::new("s3cret").basic("c"));
        std::fs::write(&path, "\n").unwrap();
        let said = |secret: Result<ClientSecret, SecretError>| secret.unwrap_err().to_string();
        let named = path.display().to_string();
        let empty = said(ClientSecret::from_file(&path));
        assert!(empty.contains(&named) && empty.contains("rescind client add"), "{empty}");
        std::fs::remove_file(&path).unwrap();
        assert!(said(ClientSecret::from_file(&path)).contains(&named));
        let unset = said(ClientSecret::from_env("RESCIND_NO_SUCH_VARIABLE"));
        assert!(unset.contains("RESCIND_NO_SUCH_VARIABLE is not set"), "{unset}");
    }
}
