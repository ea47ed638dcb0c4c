//! Folders and files: who may read them, and how much may still be written.

use super::Finding;
use crate::store::sqlite::FILE_NAME;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Below this much free space the next commits may fail.
const SCARCE: u64 = 64 << 20;
/// Below this much it is time to look.
const LOW: u64 = 1 << 30;

/// Both folders, with what stands in them.
pub(super) fn look(data: &Path, keys: &Path) -> Vec<Finding> {
    let mut found = vec![
        folder(
            "data folder",
            data,
            &[FILE_NAME, "rescind.db-wal", "rescind.db-shm", "rescind.db.lock"],
        ),
        folder("key folder", keys, &["master.key", "marker.json"]),
    ];
    if let (Ok(data), Ok(keys)) = (data.canonicalize(), keys.canonicalize())
        && (keys.starts_with(&data) || data.starts_with(&keys))
    {
        let said = "data and keys are in one folder: a backup of it opens everything";
        found.push(Finding::warning("key folder", said, "name a folder apart by --keys"));
    }
    found.extend(space(data));
    found
}

fn folder(check: &'static str, path: &Path, files: &[&str]) -> Finding {
    let name = path.display();
    let about = match path.metadata() {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let todo = "the first start makes it; if there was one, name it by --data or --keys";
            return Finding::problem(check, format!("{name} is not there"), todo);
        }
        Err(error) => return Finding::problem(check, format!("{name}: {error}"), "name another"),
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
        if path.metadata().is_ok_and(|about| about.mode() & 0o077 != 0) {
            let said = format!("{} is open to other users", path.display());
            return Finding::problem(check, said, format!("chmod 600 {}", path.display()));
        }
    }
    Finding::ok(check, format!("{name} and its files are its owner's alone"))
}

fn space(data: &Path) -> Option<Finding> {
    let about = rustix::fs::statvfs(data).ok()?;
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
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_others_may_read_is_a_problem_with_the_command_that_mends_it() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("keys");
        let judged = || folder("key folder", &dir, &["master.key"]);
        assert_eq!(judged().state, State::Problem, "it is not there");
        create_dir(&dir).unwrap();
        set_permissions(&dir, Permissions::from_mode(0o750)).unwrap();
        assert!(judged().todo.starts_with("chmod 700"), "{:?}", judged());
        set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
        assert_eq!(judged().state, State::Ok);
        write(dir.join("master.key"), "x").unwrap();
        set_permissions(dir.join("master.key"), Permissions::from_mode(0o640)).unwrap();
        assert!(judged().todo.starts_with("chmod 600"), "{:?}", judged());
        let inside = look(place.path(), &dir);
        assert!(inside.iter().any(|finding| finding.state == State::Warning), "{inside:?}");
    }
}
