//! The key folder: the master key and the private keys, each in a file that only the owner may read,
//! outside the data folder, so that a copy of the store opens nothing.

use crate::clock::SystemEntropy;
use rescind_authority::clock::Entropy as _;
use rescind_authority::keyring::{BadMasterKey, Keyring};
use rescind_wire::jwk::{BadKey, SigningKey};
use rescind_wire::jws::Alg;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// A file cannot be read or written.
    #[error("cannot use the key file {path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others may read it.
    #[error("the key file {path} can be read by others: run `chmod 600 {path}`")]
    Readable {
        /// Which.
        path: PathBuf,
    },
    /// It does not hold a key.
    #[error("the key file {path} does not hold a usable key: restore it from your backup")]
    Bad {
        /// Which.
        path: PathBuf,
    },
    /// The store is there, but its keys are not.
    #[error(
        "the store holds a realm, but {path} is missing: restore the key folder, or every session \
         is lost"
    )]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// The master key is a placeholder.
    #[error(transparent)]
    Master(#[from] BadMasterKey),
}

/// Loads the keys of a realm; draws them if the realm is `new`.
pub fn load(dir: &Path, new: bool) -> Result<Keyring, KeysError> {
    let file = |error| KeysError::File { path: dir.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(file)?;
    let master_path = dir.join("master.key");
    let master = read_or_make(&master_path, new, || {
        let mut bytes = Zeroizing::new(vec![0; 32]);
        SystemEntropy.fill(&mut bytes);
        Ok(bytes)
    })?;
    let master: &[u8; 32] =
        master.as_slice().try_into().map_err(|_| KeysError::Bad { path: master_path })?;
    let token = signing(&dir.join("token.p8"), Alg::Es256, new)?;
    let feed = signing(&dir.join("feed.p8"), Alg::Ed25519, new)?;
    Ok(Keyring::new(master, token, feed)?)
}

fn signing(path: &Path, alg: Alg, new: bool) -> Result<SigningKey, KeysError> {
    let pkcs8 = read_or_make(path, new, || SigningKey::generate(alg))?;
    SigningKey::from_secret(alg, &pkcs8).map_err(|_| KeysError::Bad { path: path.to_owned() })
}

fn read_or_make(
    path: &Path,
    new: bool,
    make: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, BadKey>,
) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let failed = |error| KeysError::File { path: path.to_owned(), error };
    if !path.exists() {
        if !new {
            return Err(KeysError::Missing { path: path.to_owned() });
        }
        let bytes = make().map_err(|_| KeysError::Bad { path: path.to_owned() })?;
        write_private(path, &bytes).map_err(failed)?;
    }
    let mut file = fs::File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
        return Err(KeysError::Readable { path: path.to_owned() });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Writes a new file of mode 0600, whole or not at all: a crash leaves no half of a key.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let _ = fs::remove_file(&part);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    // The name must be durable too, or a crash leaves a store without its keys.
    if let Some(dir) = path.parent() {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    // K09
    #[test]
    fn keys_are_files_that_only_their_owner_reads() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        let first = load(&keys, true).unwrap();
        for file in ["master.key", "token.p8", "feed.p8"] {
            let mode = fs::metadata(keys.join(file)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        let again = load(&keys, false).unwrap();
        assert_eq!(first.jwks(), again.jwks());

        fs::set_permissions(keys.join("token.p8"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load(&keys, false), Err(KeysError::Readable { .. })));
    }

    #[test]
    fn a_realm_without_its_keys_does_not_get_new_ones() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(load(dir.path(), false), Err(KeysError::Missing { .. })));
    }

    #[test]
    fn a_placeholder_is_no_master_key() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path(), true).unwrap();
        let path = dir.path().join("master.key");
        fs::write(&path, [0; 32]).unwrap();
        assert!(matches!(load(dir.path(), false), Err(KeysError::Master(_))));
        fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(load(dir.path(), false), Err(KeysError::Bad { .. })));
    }

    // K09
    #[test]
    fn keys_are_not_in_their_debug_form() {
        let dir = tempfile::tempdir().unwrap();
        let keys = load(dir.path(), true).unwrap();
        let shown = format!("{keys:?}");
        let master = fs::read(dir.path().join("master.key")).unwrap();
        assert!(!shown.contains(&rescind_wire::b64::encode(&master)));
        assert!(shown.contains("SigningKey(ES256"));
        let token = fs::read(dir.path().join("token.p8")).unwrap();
        assert!(!shown.contains(&rescind_wire::b64::encode(&token[36..68])));
    }
}
