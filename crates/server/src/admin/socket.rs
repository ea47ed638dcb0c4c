//! The administrator's socket: mode 0600, in the data folder.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tokio::net::UnixListener;

/// Opens the socket. One that a killed process has left behind is replaced: the store's lock has shown
/// that no other process serves this folder.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The folder is closed to others (mode 0700), so that nobody can connect before the next line.
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{StartError, socket_path};

    #[tokio::test]
    async fn a_folder_whose_path_is_too_long_for_a_socket_is_told_how_long_it_may_be() {
        let short = tempfile::tempdir_in("/tmp").unwrap();
        let folder = |length: usize| {
            let folder = short.path().join("d".repeat(length - short.path().as_os_str().len() - 1));
            std::fs::create_dir(&folder).unwrap();
            socket_path(&folder)
        };
        bind(&folder(96)).unwrap();
        let path = folder(97);
        let error = bind(&path).unwrap_err();
        let said = StartError::Socket { path, error }.to_string();
        assert!(said.contains("by --data") && said.contains("at most 96 bytes"), "{said}");
    }
}
