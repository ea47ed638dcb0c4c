//! Where the master key comes from, and the key folder: files that only the owner may read, outside the
//! data folder, so that a copy of the store opens nothing. The private keys themselves are in the store,
//! wrapped under the master key.

use crate::clock::SystemEntropy;
use crate::config::MASTER_KEY;
use rescind_authority::clock::Entropy as _;
use rescind_authority::keys::{Purpose, StoredKeys};
use rescind_authority::master::{BadMasterKey, KeyFailure, MasterKey};
use rescind_wire::jwk::SigningKey;
use rescind_wire::jws::Alg;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Mode bits of a file or folder that somebody else than its owner may change.
pub(crate) const WRITTEN_BY_OTHERS: u32 = 0o022;

/// Where the master key comes from. `Debug` shows no key.
#[derive(Clone, Default)]
pub enum MasterSource {
    /// `master.key` in the key folder; drawn when the realm is founded.
    #[default]
    Folder,
    /// This file, which must be there and be its owner's alone: a mounted secret.
    File(PathBuf),
    /// This file, which systemd has made for this service alone: its mode shows the group of an access
    /// list, not of other people.
    Credential(PathBuf),
    /// This text, from the environment.
    Text(Zeroizing<String>),
}

impl std::fmt::Debug for MasterSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MasterSource::Folder => f.write_str("Folder"),
            MasterSource::File(path) => f.debug_tuple("File").field(path).finish(),
            MasterSource::Credential(path) => f.debug_tuple("Credential").field(path).finish(),
            MasterSource::Text(_) => f.write_str("Text(…)"),
        }
    }
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// A file cannot be read or written.
    #[error(
        "cannot use {path} for the keys: {error}. --keys names their folder, --master-key-file the file of \
         the master key"
    )]
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
    /// Others may write into the folder.
    #[error(
        "others may write into {path}, and so put a key of theirs there: run `chmod 700 {path}`"
    )]
    Writable {
        /// Which.
        path: PathBuf,
    },
    /// It does not hold a key.
    #[error("the key file {path} does not hold a usable key: restore it from your backup")]
    Bad {
        /// Which.
        path: PathBuf,
    },
    /// The store is there, but its master key is not.
    #[error(
        "the store holds a realm, but {path} is missing: restore it from your backup, or name the \
         master key by --master-key-file"
    )]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// It is a folder.
    #[error(
        "{path} is a folder, not the file of a key: put the key there, restored from your backup, or name \
         it by --master-key-file"
    )]
    Folder {
        /// Which.
        path: PathBuf,
    },
    /// The environment holds no key, and the realm has one.
    #[error(
        "RESCIND_MASTER_KEY does not hold a master key, and the store holds a realm: set the key that it \
         was made with, from your backup"
    )]
    BadText,
    /// What is to be a new realm's master key is none.
    #[error("{}: {bad}", .place.display())]
    Master {
        /// The file, or the variable.
        place: PathBuf,
        /// What is wrong.
        bad: BadMasterKey,
    },
    /// A key could not be derived.
    #[error(transparent)]
    Key(#[from] KeyFailure),
}

/// Where the master key is if nothing else is named.
pub(crate) fn in_folder(dir: &Path) -> PathBuf {
    dir.join("master.key")
}

/// Reads the master key; draws the one in the folder if the realm is `new`.
pub fn master(source: &MasterSource, dir: &Path, new: bool) -> Result<MasterKey, KeysError> {
    let file = |error| KeysError::File { path: dir.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(file)?;
    let found = look(source, dir, new)?;
    if fs::metadata(dir).map_err(file)?.mode() & 0o077 != 0 {
        let folder = dir.display();
        tracing::warn!(event = "folder_open", %folder, "others may list the key folder: run chmod 700 on it");
    }
    match found {
        Some(master) => Ok(master),
        None => {
            let path = in_folder(dir);
            draw(&path)?;
            look(source, dir, new)?.ok_or(KeysError::Missing { path })
        }
    }
}

/// Reads the master key and makes nothing; `None` if the first start of a `new` realm draws it.
pub fn look(source: &MasterSource, dir: &Path, new: bool) -> Result<Option<MasterKey>, KeysError> {
    match fs::metadata(dir) {
        Ok(about) if about.mode() & WRITTEN_BY_OTHERS != 0 => {
            return Err(KeysError::Writable { path: dir.to_owned() });
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(KeysError::File { path: dir.to_owned(), error });
        }
        _ => {}
    }
    let (path, bytes) = match source {
        MasterSource::Text(text) => {
            return MasterKey::read(text.as_bytes()).map(Some).map_err(|bad| match new {
                true => KeysError::Master { place: MASTER_KEY.into(), bad },
                false => KeysError::BadText,
            });
        }
        MasterSource::File(path) => (path.clone(), read_private(path)?),
        MasterSource::Credential(path) => (path.clone(), read_but_of_mode(path, 0o007)?),
        MasterSource::Folder => {
            let path = in_folder(dir);
            match read_private(&path) {
                Err(KeysError::File { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                    return if new { Ok(None) } else { Err(KeysError::Missing { path }) };
                }
                read => (path, read?),
            }
        }
    };
    // Another key opens nothing of a realm that is there.
    MasterKey::read(&bytes).map(Some).map_err(|bad| match new {
        true => KeysError::Master { place: path, bad },
        false => KeysError::Bad { path },
    })
}

fn draw(path: &Path) -> Result<(), KeysError> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemEntropy.fill(bytes.as_mut_slice());
    write_first(path, bytes.as_slice())
        .map_err(|error| KeysError::File { path: path.to_owned(), error })
}

/// Private keys that version 1 kept in the folder.
pub struct Found {
    /// How version 1 named the folder: the thumbprint of the feed key.
    pub name: Option<String>,
    /// The keys.
    pub keys: Vec<(Purpose, Alg, Zeroizing<Vec<u8>>)>,
}

const FILES: [(&str, Purpose, Alg); 2] =
    [("token.p8", Purpose::Token, Alg::Es256), ("feed.p8", Purpose::Feed(0), Alg::Ed25519)];

/// Looks for them.
pub fn found(dir: &Path) -> Result<Found, KeysError> {
    let mut found = Found { name: None, keys: Vec::new() };
    for (file, purpose, alg) in FILES {
        let path = dir.join(file);
        if !path.exists() {
            continue;
        }
        let secret = read_private(&path)?;
        let key = SigningKey::from_secret(alg, &secret).map_err(|_| KeysError::Bad { path })?;
        if purpose == Purpose::Feed(0) {
            found.name = Some(key.kid().to_owned());
        }
        found.keys.push((purpose, alg, secret));
    }
    Ok(found)
}

/// Removes those that are in the store now. A backup of version 1's store still needs those files: its
/// own backup of the key folder has them.
pub fn forget_found(dir: &Path, stored: &StoredKeys) -> Result<(), KeysError> {
    for (file, _, alg) in FILES {
        let path = dir.join(file);
        if !path.exists() {
            continue;
        }
        let key = SigningKey::from_secret(alg, &read_private(&path)?);
        if key.is_ok_and(|key| stored.find(key.kid()).is_some()) {
            tracing::info!(event = "key_taken_over", file, "it is in the store now, wrapped");
            fs::remove_file(&path).map_err(|error| KeysError::File { path, error })?;
        } else {
            tracing::warn!(event = "key_left", file, "it belongs to another realm: remove it");
        }
    }
    Ok(())
}

fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    read_but_of_mode(path, 0o077)
}

/// Reads a file none of whose `forbidden` mode bits is set.
fn read_but_of_mode(path: &Path, forbidden: u32) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let failed = |error| KeysError::File { path: path.to_owned(), error };
    let mut file = fs::File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(KeysError::Folder { path: path.to_owned() });
    }
    if about.mode() & forbidden != 0 {
        return Err(KeysError::Readable { path: path.to_owned() });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
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

/// Writes a new file of mode 0600 unless another process has just done so: of two that found a realm at
/// once, both go on with what one of them has drawn.
fn write_first(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(lost) if lost.error.kind() != io::ErrorKind::AlreadyExists => Err(lost.error),
        _ => fs::File::open(dir)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    // K09
    #[test]
    fn the_master_key_is_a_file_that_only_its_owner_reads() {
        let dir = folder();
        let keys = dir.path().join("keys");
        let first = master(&MasterSource::Folder, &keys, true).unwrap();
        let path = keys.join("master.key");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let again = master(&MasterSource::Folder, &keys, false).unwrap();
        assert_eq!(first.name().unwrap(), again.name().unwrap());

        for mode in [0o644, 0o640, 0o604] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            for source in [MasterSource::Folder, MasterSource::File(path.clone())] {
                let refused = master(&source, &keys, false);
                assert!(matches!(refused, Err(KeysError::Readable { .. })), "{mode:o}");
            }
        }
    }

    // K09
    #[test]
    fn a_key_folder_that_others_may_write_into_is_refused() {
        let dir = folder();
        for mode in [0o770, 0o702, 0o777, 0o1777] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            let refused = master(&MasterSource::Folder, dir.path(), true).err().unwrap();
            assert!(refused.to_string().contains("chmod 700"), "{mode:o}: {refused}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is founded");
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(master(&MasterSource::Folder, dir.path(), true).is_ok(), "its names are no secret");
    }

    // K09
    #[test]
    fn processes_that_found_a_realm_at_once_go_on_with_one_key() {
        for _ in 0..20 {
            let (dir, start) = (folder(), std::sync::Barrier::new(8));
            let found = || {
                start.wait();
                master(&MasterSource::Folder, dir.path(), true).unwrap().name().unwrap()
            };
            let names: Vec<_> = std::thread::scope(|scope| {
                let all: Vec<_> = (0..8).map(|_| scope.spawn(found)).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert!(names.iter().all(|name| *name == names[0]));
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left over");
        }
    }

    #[test]
    fn a_realm_without_its_master_key_does_not_get_a_new_one() {
        let missing = master(&MasterSource::Folder, folder().path(), false);
        assert!(matches!(missing, Err(KeysError::Missing { .. })));
        let named = MasterSource::File("/nonexistent/key".into());
        assert!(matches!(master(&named, folder().path(), true), Err(KeysError::File { .. })));
    }

    // K10
    #[test]
    fn a_placeholder_is_no_master_key_wherever_it_comes_from() {
        let dir = folder();
        let path = dir.path().join("master.key");
        write_private(&path, &[0; 32]).unwrap();
        let text = MasterSource::Text(Zeroizing::new("changeme".into()));
        for source in [MasterSource::Folder, MasterSource::File(path), text] {
            assert!(matches!(master(&source, dir.path(), true), Err(KeysError::Master { .. })));
        }
    }

    #[test]
    fn a_realm_whose_key_is_damaged_is_told_to_restore_it_and_never_to_draw_another() {
        let dir = folder();
        let path = dir.path().join("master.key");
        let text = MasterSource::Text(Zeroizing::new("changeme".into()));
        for bytes in [&b""[..], b"half", &[0; 32]] {
            write_private(&path, bytes).unwrap();
            for source in [MasterSource::Folder, MasterSource::File(path.clone()), text.clone()] {
                let said = master(&source, dir.path(), false).unwrap_err().to_string();
                assert!(said.contains("backup") && !said.contains("urandom"), "{said}");
            }
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let said = master(&MasterSource::Folder, dir.path(), false).unwrap_err().to_string();
        assert!(said.contains("is a folder") && !said.contains("chmod"), "{said}");
    }

    #[test]
    fn all_sources_give_the_same_key() {
        let dir = folder();
        let drawn = master(&MasterSource::Folder, dir.path(), true).unwrap().name().unwrap();
        let path = dir.path().join("master.key");
        let text = rescind_wire::b64::encode(fs::read(&path).unwrap());
        for source in [MasterSource::File(path), MasterSource::Text(Zeroizing::new(text.clone()))] {
            assert_eq!(master(&source, dir.path(), false).unwrap().name().unwrap(), drawn);
            assert!(!format!("{source:?}").contains(&text));
        }
    }
}
