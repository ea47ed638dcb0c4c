//! Folders and files: who may read them, and how much may still be written.

use super::Finding;
use crate::store::sqlite::FILE_NAME;
use rustix::io::Errno;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Below this much free space the next commits may fail.
const SCARCE: u64 = 64 << 20;
/// Below this much it is time to look.
const LOW: u64 = 1 << 30;

/// What may be in each.
const IN_DATA: [&str; 4] = [FILE_NAME, "rescind.db-wal", "rescind.db-shm", "rescind.db.lock"];
const IN_KEYS: [&str; 2] = ["master.key", "marker.json"];

/// Both folders, with what stands in them; `new` if there is no store yet.
pub(super) fn look(data: &Path, keys: &Path, new: bool) -> Vec<Finding> {
    let mut found =
        vec![folder("data folder", data, &IN_DATA, new), folder("key folder", keys, &IN_KEYS, new)];
    if let (Ok(data), Ok(keys)) = (data.canonicalize(), keys.canonicalize())
        && (keys.starts_with(&data) || data.starts_with(&keys))
    {
        let said = "data and keys are in one folder: a backup of it opens everything";
        found.push(Finding::warning("key folder", said, "name a folder apart by --keys"));
    }
    found.extend(space(data));
    found
}

fn folder(check: &'static str, path: &Path, files: &[&str], new: bool) -> Finding {
    let name = path.display();
    let about = match path.metadata() {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound && new => {
            return Finding::note(check, format!("{name} is not there: the first start makes it"));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let todo = "put it back, or name it by --keys";
            return Finding::problem(check, format!("{name} is not there, and the store is"), todo);
        }
        Err(error) => return unseen(check, path, &error),
    };
    if !about.is_dir() {
        return Finding::problem(check, format!("{name} is no folder"), "name one");
    }
    if about.uid() != rustix::process::getuid().as_raw() {
        let said = format!("{name} is another user's");
        return Finding::problem(check, said, "run this as the user who runs the authority");
    }
    if about.mode() & 0o077 != 0 {
        let todo = format!("chmod 700 {name}");
        return Finding::problem(check, format!("{name} is open to other users"), todo);
    }
    for file in files {
        let path = path.join(file);
        match path.metadata() {
            Ok(about) if about.mode() & 0o077 != 0 => {
                let said = format!("{} is open to other users", path.display());
                return Finding::problem(check, said, format!("chmod 600 {}", path.display()));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return unseen(check, &path, &error);
            }
            _ => {}
        }
    }
    Finding::ok(check, format!("{name} and its files are its owner's alone"))
}

/// What cannot be looked at is not passed over.
fn unseen(check: &'static str, path: &Path, error: &io::Error) -> Finding {
    let said = format!("{} cannot be looked at: {error}", path.display());
    let todo = "run this as the user who runs the authority, or name another by --data or --keys";
    Finding::problem(check, said, todo)
}

fn space(data: &Path) -> Option<Finding> {
    let about = match rustix::fs::statvfs(data) {
        Ok(about) => about,
        Err(Errno::NOENT) => return None,
        Err(error) => return Some(unseen("disk", data, &error.into())),
    };
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let said = format!("{} MiB free", free >> 20);
    let todo = "make room: without it nothing can be decided, and nobody signs in";
    Some(match free {
        free if free < SCARCE => Finding::problem("disk", said, todo),
        free if free < LOW => Finding::warning("disk", said, todo),
        _ => Finding::ok("disk", said),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::State;
    use std::fs::{Permissions, create_dir, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn what_others_may_read_is_a_problem_with_the_command_that_mends_it() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("keys");
        let judged = || folder("key folder", &dir, &IN_KEYS, false);
        assert_eq!(judged().state, State::Problem, "it is not there, and the store is");
        assert_eq!(folder("key folder", &dir, &IN_KEYS, true).state, State::Note);
        create_dir(&dir).unwrap();
        set_permissions(&dir, Permissions::from_mode(0o750)).unwrap();
        assert!(judged().todo.starts_with("chmod 700"), "{:?}", judged());
        set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
        assert_eq!(judged().state, State::Ok);
        write(dir.join("master.key"), "x").unwrap();
        set_permissions(dir.join("master.key"), Permissions::from_mode(0o640)).unwrap();
        assert!(judged().todo.starts_with("chmod 600"), "{:?}", judged());
        let inside = look(place.path(), &dir, false);
        assert!(inside.iter().any(|finding| finding.state == State::Warning), "{inside:?}");
    }

    #[test]
    fn what_cannot_be_looked_at_is_a_problem() {
        let place = tempfile::tempdir().unwrap();
        let set = |mode| set_permissions(place.path(), Permissions::from_mode(mode)).unwrap();
        set(0o700);
        let key = place.path().join("master.key");
        symlink(&key, &key).unwrap();
        let judged = folder("key folder", place.path(), &IN_KEYS, false);
        assert_eq!(judged.state, State::Problem, "{judged:?}");
        assert!(judged.said.contains("master.key cannot be looked at"), "{judged:?}");
        for new in [true, false] {
            let judged = folder("key folder", &key, &IN_KEYS, new);
            assert_eq!(judged.state, State::Problem, "{judged:?}");
        }
        assert_eq!(space(&key).unwrap().state, State::Problem);
        assert!(space(&place.path().join("none")).is_none(), "it is told as a missing folder");
    }
}
