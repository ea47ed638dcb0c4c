//! How the columns of a row are read: by name, or one after another in the order of the statement. A value that
//! was never written is damage, and named by its column.

use super::rows::{Answer, damaged, failed};
use rusqlite::Row;
use rusqlite::types::FromSql;
use std::cell::Cell;

/// Where a column's value comes from.
pub(super) trait Columns {
    /// The value of this column.
    fn value<T: FromSql>(&self, column: &'static str) -> Answer<T>;
}

/// By its name, which is searched for.
impl Columns for Row<'_> {
    fn value<T: FromSql>(&self, column: &'static str) -> Answer<T> {
        self.get(column).map_err(failed)
    }
}

/// One after another, in the order of the statement, for rows that are read with every request, so that nobody
/// searches for two dozen names. Tests check that they are those names.
pub(super) struct InOrder<'a, 's> {
    row: &'a Row<'s>,
    next: Cell<usize>,
}

impl<'a, 's> InOrder<'a, 's> {
    /// From its first column on.
    pub(super) fn of(row: &'a Row<'s>) -> Self {
        Self { row, next: Cell::new(0) }
    }
}

impl Columns for InOrder<'_, '_> {
    fn value<T: FromSql>(&self, column: &'static str) -> Answer<T> {
        let at = self.next.replace(self.next.get() + 1);
        debug_assert_eq!(self.row.as_ref().column_name(at).ok(), Some(column));
        self.row.get(at).map_err(failed)
    }
}

/// A value.
pub(super) fn value<T: FromSql>(row: &impl Columns, column: &'static str) -> Answer<T> {
    row.value(column)
}

/// A number that is never negative.
pub(super) fn number(row: &impl Columns, column: &'static str) -> Answer<u64> {
    u64::try_from(value::<i64>(row, column)?).map_err(|_| damaged(column))
}

/// A number of 32 bits.
pub(super) fn small(row: &impl Columns, column: &'static str) -> Answer<u32> {
    u32::try_from(value::<i64>(row, column)?).map_err(|_| damaged(column))
}

/// The same, or nothing.
pub(super) fn number_or_null(row: &impl Columns, column: &'static str) -> Answer<Option<u64>> {
    let found: Option<i64> = value(row, column)?;
    found.map(|n| u64::try_from(n).map_err(|_| damaged(column))).transpose()
}

/// Exactly `N` bytes.
pub(super) fn bytes<const N: usize>(row: &impl Columns, column: &'static str) -> Answer<[u8; N]> {
    value(row, column)
}

/// A list of texts.
pub(super) fn list(row: &impl Columns, column: &'static str) -> Answer<Vec<String>> {
    let text: String = value(row, column)?;
    if text == "[]" {
        return Ok(Vec::new());
    }
    serde_json::from_str(&text).map_err(|_| damaged(column))
}
