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

/// What moves a terminal's cursor, or turns the text (the Bidi_Control of Unicode).
fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control()
}

/// What others have chosen, as a terminal may show it.
fn plain(text: &str) -> String {
    let shown = |c: char| if steers(c) { '\u{fffd}' } else { c };
    match text.is_empty() {
        true => "-".into(),
        false => text.chars().map(shown).collect(),
    }
}

/// A JSON document over several lines, as a terminal may show it and every program may read it.
pub(super) fn json_text(value: &Value) -> String {
    escaped(&format!("{value:#}"))
}

/// The same in one line.
pub(super) fn json_line(value: &Value) -> String {
    escaped(&value.to_string())
}

/// Outside its strings JSON has nothing that steers but the ends of its lines; inside, those are escaped.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => text.push(c),
            c if steers(c) => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text
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

    // G03
    #[test]
    fn json_does_not_steer_the_terminal_either_and_means_the_same() {
        let value =
            json!([{ "device": "\u{1b}[31mred\n\u{7f}\u{9b}2J\u{202e}evil\u{61c}", "ok": "ä→😀" }]);
        for text in [json_text(&value), json_line(&value)] {
            assert!(!text.contains(|c| c != '\n' && steers(c)), "{text:?}");
            assert!(
                text.contains("\\u009b2J\\u202eevil\\u061c") && text.contains("ä→😀"),
                "{text}"
            );
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
        assert_eq!(json_line(&value).lines().count(), 1);
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
