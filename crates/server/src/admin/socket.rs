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
