//! A look at a database without taking it: for commands that need to know whose it is.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// The issuer of the realm in this file; `None` if there is none that can be read.
pub fn stored_issuer(path: &Path) -> Option<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).ok()?;
    connection.query_row("SELECT issuer FROM realm", [], |row| row.get(0)).ok()
}
