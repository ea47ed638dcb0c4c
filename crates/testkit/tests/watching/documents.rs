//! The documents say what there is: each metric, each event with its fields, each action and field of the
//! record; and nothing else.

use crate::support::{Metrics, Watched, watched};
use rescind_authority::audit::Action;
use rescind_server::telemetry::events::{ALARMS, REFRESHES, SIGN_INS, THROTTLED};
use rescind_testkit::server::PASSWORD;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const OPERATIONS: &str = include_str!("../../../../docs/operations.md");
const METRICS: &str = include_str!("../../../../docs/metrics.md");
const AUDIT: &str = include_str!("../../../../docs/audit.md");

/// The rows of the table below this header, as cells.
fn table<'a>(document: &'a str, header: &str) -> Vec<Vec<&'a str>> {
    let (_, rest) = document.split_once(&format!("\n{header}\n")).expect("the table is there");
    let rows = rest.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" |").map(str::trim).collect()).collect()
}

/// What stands between backquotes.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_stands_in_the_documents_with_type_and_labels_and_no_other_does() {
    let Watched { authority, _alone } = watched().await;
    authority.person("alice").await;
    authority.http().sign_in("alice", PASSWORD).await;
    let _verifier = authority.verifier().await;
    let metrics = Metrics::of(&authority).await;
    let documented: BTreeMap<&str, (&str, BTreeSet<&str>)> =
        table(METRICS, "| Metric | Type | Labels | Meaning |")
            .into_iter()
            .map(|row| (names(row[0])[0], (row[1], names(row[2]).into_iter().collect())))
            .collect();
    let exposed: BTreeSet<&str> = metrics.types.keys().map(String::as_str).collect();
    assert_eq!(exposed, documented.keys().copied().collect());
    for (name, (kind, labels)) in documented {
        assert_eq!(metrics.types[name], kind, "{name}");
        let parts: &[&str] =
            if kind == "histogram" { &["_bucket", "_count", "_sum"] } else { &[""] };
        for part in parts {
            let full = format!("{name}{part}");
            let samples: Vec<&String> = metrics
                .samples
                .keys()
                .filter(|sample| sample.split('{').next() == Some(&full))
                .collect();
            assert!(!samples.is_empty(), "{full} has no sample");
            for sample in samples {
                let mut seen = labels_of(sample);
                seen.remove("le");
                assert_eq!(seen, labels, "{sample}");
            }
        }
    }
}

/// The names of a sample's labels.
fn labels_of(sample: &str) -> BTreeSet<&str> {
    let inside = sample.split_once('{').map_or("", |(_, rest)| rest);
    let pairs = inside.split("\",").filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, _)| name).collect()
}

/// An event as it is written in the code, or as the documents have it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Described {
    event: String,
    level: String,
    alarm: bool,
    fields: BTreeSet<String>,
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The arguments of a macro call, split at its commas; `text` begins after the opening bracket.
fn arguments(text: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let mut parts = vec![String::new()];
    for c in text.chars() {
        match (quoted, c) {
            (true, '"') if !escaped => quoted = false,
            (true, _) => {}
            (false, '"') => quoted = true,
            (false, '(' | '[' | '{') => depth += 1,
            (false, ')') if depth == 0 => break,
            (false, ')' | ']' | '}') => depth -= 1,
            (false, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|p| !p.is_empty()).collect()
}

/// The events of one call; more than one where the action names the event.
fn described(level: &str, call: &[String]) -> Vec<Described> {
    let fields = call.iter().filter(|part| !part.starts_with('"'));
    let pairs: Vec<(&str, &str)> = fields
        .map(|field| match field.split_once('=') {
            Some((name, value)) => (name.trim(), value.trim()),
            None => (field.trim_start_matches(['%', '?']), ""),
        })
        .collect();
    let Some((_, event)) = pairs.iter().find(|(name, _)| *name == "event") else {
        return Vec::new();
    };
    let events: Vec<&str> = match *event {
        // What an administrator does to an account.
        "action.name()" => vec!["account_state", "account_revoked", "account_deleted", "roles"],
        literal => vec![literal.trim_matches('"')],
    };
    let others = pairs.iter().map(|(name, _)| *name).filter(|n| !["event", "alarm"].contains(n));
    let fields: BTreeSet<String> = others.map(str::to_owned).collect();
    let alarm = pairs.contains(&("alarm", "true"));
    let of = |event: &str| Described {
        event: event.to_owned(),
        level: level.to_owned(),
        alarm,
        fields: fields.clone(),
    };
    events.into_iter().map(of).collect()
}

fn in_the_code() -> BTreeSet<Described> {
    let mut files = Vec::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for name in ["authority", "server", "verifier", "wire"] {
        sources(&crates.join(name).join("src"), &mut files);
    }
    let mut found = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        for level in ["error", "warn", "info", "debug", "trace"] {
            let call = format!("tracing::{level}!(");
            let calls = text.split(&call).skip(1);
            found.extend(calls.flat_map(|call| described(level, &arguments(call))));
        }
    }
    found
}

fn in_the_documents() -> BTreeSet<Described> {
    let rows = table(OPERATIONS, "| Event | Level | Fields | Meaning |");
    let mut found = BTreeSet::new();
    for row in rows {
        let events = names(row[0]);
        let levels: Vec<&str> = row[1].split(", ").filter(|l| *l != "**alarm**").collect();
        for (n, event) in events.into_iter().enumerate() {
            found.insert(Described {
                event: event.to_owned(),
                // One level for all, or one for each.
                level: levels.get(n).unwrap_or(&levels[0]).to_string(),
                alarm: row[1].contains("**alarm**"),
                fields: names(row[2]).into_iter().map(str::to_owned).collect(),
            });
        }
    }
    found
}

// G01
#[test]
fn every_event_stands_in_the_documents_with_level_and_fields_and_no_other_does() {
    let (code, documents) = (in_the_code(), in_the_documents());
    assert!(code.len() > 50, "the search finds them");
    let missing: Vec<_> = code.difference(&documents).collect();
    let gone: Vec<_> = documents.difference(&code).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not documented: {missing:#?}, gone: {gone:#?}");
}

// G06
#[test]
fn every_alarm_is_counted_from_the_start_and_named_by_its_event() {
    let code = in_the_code();
    let alarms: BTreeSet<&str> = code.iter().filter(|e| e.alarm).map(|e| &*e.event).collect();
    assert_eq!(alarms, ALARMS.into_iter().collect());
}

#[test]
fn every_outcome_that_is_counted_stands_in_the_documents() {
    let rows = table(OPERATIONS, "| Event | Level | Fields | Meaning |");
    let said = |event: &str| -> BTreeSet<&str> {
        let row = rows.iter().find(|row| names(row[0]).contains(&event)).unwrap();
        names(row[3]).into_iter().collect()
    };
    let (sign_ins, refused) = (said("sign_in_failed"), said("refresh_refused"));
    assert!(SIGN_INS.iter().all(|o| *o == "success" || sign_ins.contains(o)));
    let worth = said("refreshed");
    assert!(REFRESHES.iter().all(|o| worth.contains(o) || refused.contains(o)));
    assert!(THROTTLED.iter().all(|at| METRICS.contains(&format!("`{at}`"))));
}

// A07
#[test]
fn every_action_and_field_of_the_record_stands_in_the_documents_and_no_other_does() {
    let rows = table(AUDIT, "| Action | What was done | Target, before, after |");
    let actions: BTreeSet<&str> = rows.iter().map(|row| names(row[0])[0]).collect();
    assert_eq!(actions, Action::NAMES.into_iter().map(|(_, name)| name).collect());
    let rows = table(AUDIT, "| Field | What it is |");
    let fields: Vec<&str> = rows.iter().map(|row| names(row[0])[0]).collect();
    let schema = include_str!("../../../server/src/store/sqlite/schema_2.sql");
    let (_, columns) = schema.split_once("CREATE TABLE audit (\n").unwrap();
    let columns = columns.lines().take_while(|line| !line.starts_with(')'));
    let columns: Vec<&str> = columns.map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(fields, columns);
}
