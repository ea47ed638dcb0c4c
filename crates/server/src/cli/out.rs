//! What a command prints: tables for people, JSON for programs, through one writer that may fail. A closed
//! pipe or a full disk must not swallow what was drawn just now.

use super::failed::Failed;
use jiff::Timestamp;
use serde_json::Value;
use std::io::{self, Write};

/// What is lost where a command only looks.
pub(super) const LOOKED: &str = "nothing was changed";

/// Prints lines. `lost` says what was done and what to do now, should they not arrive.
pub(super) fn print(lines: &str, lost: &str) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", lines.trim_end_matches('\n')).and_then(|()| out.flush());
    written.map_err(|error| format!("standard output cannot be written ({error}): {lost}").into())
}

/// Says something beside the output. Who has closed standard error does not want to know it.
pub(super) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Columns under their headings.
pub(super) fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut lines = vec![headings.map(str::to_owned)];
    lines.extend(rows.into_iter().map(|row| row.map(|cell| plain(&cell))));
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// What others have chosen, as a terminal may show it: nothing that moves the cursor or turns the text.
fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: char| if c.is_control() || turns(c) { '\u{fffd}' } else { c };
    match text.is_empty() {
        true => "-".into(),
        false => text.chars().map(shown).collect(),
    }
}

/// The objects of an answer that is a list.
pub(super) fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A member for people to read: texts as they are, lists with spaces.
pub(super) fn text(object: &Value, member: &str) -> String {
    match &object[member] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let words: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            words.join(" ")
        }
        other => other.to_string(),
    }
}

/// A member that is UTC seconds.
pub(super) fn time(object: &Value, member: &str) -> String {
    let at = object[member].as_i64().and_then(|at| Timestamp::from_second(at).ok());
    at.map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_stand_under_their_headings_and_an_empty_cell_is_a_dash() {
        let rows = [["alice".into(), String::new()], ["b".into(), "editor".into()]];
        let table = table(["NAME", "ROLES"], rows);
        assert_eq!(table, "NAME   ROLES\nalice  -\nb      editor\n");
    }

    // G03
    #[test]
    fn what_others_have_chosen_does_not_steer_the_terminal() {
        let rows = [["\u{1b}[31mred\n\u{9b}2J\u{202e}evil".into()]];
        let table = table(["DEVICE"], rows);
        assert_eq!(table.lines().count(), 2);
        assert!(!table.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{table:?}");
    }

    #[test]
    fn members_are_shown_as_people_read_them() {
        let object = json!({ "roles": ["a", "b"], "none": null, "at": 1_800_000_000, "n": 3 });
        assert_eq!(text(&object, "roles"), "a b");
        assert_eq!(text(&object, "none"), "");
        assert_eq!(text(&object, "n"), "3");
        assert_eq!(time(&object, "at"), "2027-01-15T08:00:00Z");
        assert_eq!(time(&object, "none"), "");
    }
}
