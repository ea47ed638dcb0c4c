//! Store adapters, one folder each.

pub mod sqlite;
