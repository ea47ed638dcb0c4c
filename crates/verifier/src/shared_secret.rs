//! The secret of HS256 that this server shares with the authority.

use rescind_wire::b64;
use rescind_wire::jwk::SharedKey;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The secret with which the authority signs tokens for this server alone, by HS256. Who holds it can make
/// such tokens: it belongs to one server. Shown by nothing, wiped when dropped.
#[derive(Clone)]
pub struct SharedSecret(SharedKey);

/// A shared secret that cannot be had. Never holds any of it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SharedSecretError {
    /// The variable is not set, or is not UTF-8.
    #[error(
        "the environment variable {0} is not set: put the secret shared with the authority into it, which \
         `rescind keys share` prints once"
    )]
    Variable(String),
    /// The file cannot be read.
    #[error(
        "the file {path} with the secret shared with the authority cannot be read ({error}): put the secret \
         there, which `rescind keys share` prints once, and let this server's user read it"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Everybody on this machine can read the file, and make tokens with it.
    #[cfg(unix)]
    #[error(
        "the file {0} with the secret shared with the authority can be read by others: run `chmod o-rwx {0}`"
    )]
    Readable(PathBuf),
    /// Not 64 random bytes in base64url.
    #[error(
        "the secret shared with the authority is not 64 random bytes in base64url (86 characters, no padding); copy it whole from the authority, or draw a new one there"
    )]
    Form,
}

impl SharedSecret {
    /// Takes a secret that is already in memory: base64url of 64 random bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, SharedSecretError> {
        Self::parse(&Zeroizing::new(text.into()))
    }

    /// Reads an environment variable.
    #[expect(
        clippy::disallowed_methods,
        reason = "the application asks for exactly this variable, once, at its start"
    )]
    pub fn from_env(variable: &str) -> Result<Self, SharedSecretError> {
        let text = std::env::var(variable);
        let text = text.map_err(|_| SharedSecretError::Variable(variable.into()))?;
        Self::new(text)
    }

    /// Reads a file, which others must not be able to read. Its group may: that is how a secret is mounted
    /// for a service that is not root.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SharedSecretError> {
        let path = path.as_ref();
        let failed = |error| SharedSecretError::File { path: path.to_owned(), error };
        let mut file = std::fs::File::open(path).map_err(failed)?;
        #[cfg(unix)]
        if std::os::unix::fs::MetadataExt::mode(&file.metadata().map_err(failed)?) & 0o007 != 0 {
            return Err(SharedSecretError::Readable(path.to_owned()));
        }
        let mut text = Zeroizing::new(String::with_capacity(128));
        file.read_to_string(&mut text).map_err(failed)?;
        Self::parse(&text)
    }

    /// White space at the end does not belong to the secret.
    fn parse(text: &str) -> Result<Self, SharedSecretError> {
        let bytes = b64::decode(text.trim_end()).map(Zeroizing::new);
        let bytes = bytes.ok_or(SharedSecretError::Form)?;
        SharedKey::new(&bytes).map(Self).map_err(|_| SharedSecretError::Form)
    }

    pub(crate) fn into_key(self) -> SharedKey {
        self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rescind_wire::jwk::SigningKey;
    use rescind_wire::jws::Alg;

    fn text() -> String {
        b64::encode(&*SigningKey::generate(Alg::Hs256).unwrap())
    }

    // K10
    #[test]
    fn what_is_not_64_random_bytes_is_refused_and_not_repeated() {
        let good = text();
        assert!(SharedSecret::new(good.as_str()).is_ok());
        let short = b64::encode(&b64::decode(&good).unwrap()[..32]);
        let placeholder = b64::encode([b'x'; 64]);
        for bad in ["", "hunter2", &good[1..], &format!("{good}="), &short, &placeholder] {
            let error = SharedSecret::new(bad).unwrap_err();
            assert!(matches!(error, SharedSecretError::Form));
            assert!(bad.is_empty() || !error.to_string().contains(bad));
        }
    }

    /// Shows that it is refused while others can read it, and closes it to them.
    #[cfg(unix)]
    fn close(path: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        for mode in [0o644, 0o604, 0o606, 0o640, 0o600] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            match SharedSecret::from_file(path) {
                Err(SharedSecretError::Readable(named)) => {
                    assert!(mode & 0o007 != 0 && named == path, "{mode:o}");
                }
                read => assert!(read.is_ok() && mode & 0o007 == 0, "{mode:o}"),
            }
        }
    }

    // K09
    #[test]
    fn it_is_read_from_a_file_of_its_own_and_nothing_shows_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shared");
        std::fs::write(&path, format!("{}\n", text())).unwrap();
        #[cfg(unix)]
        close(&path);
        let secret = SharedSecret::from_file(&path).unwrap();
        assert_eq!(format!("{secret:?}"), "SharedSecret(redacted)");
        let missing = SharedSecret::from_file(folder.path().join("none")).unwrap_err();
        let said = missing.to_string();
        assert!(matches!(missing, SharedSecretError::File { .. }));
        assert!(said.contains("/none ") && said.contains("rescind keys share"), "{said}");
        let unset = SharedSecret::from_env("RESCIND_NO_SUCH_VARIABLE");
        assert!(matches!(unset, Err(SharedSecretError::Variable(_))));
    }
}
