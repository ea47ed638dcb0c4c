//! The tree of commands explains itself.

use super::Cli;
use clap::{Command, CommandFactory as _, Parser as _};

/// All commands below this one, each with the words that call it.
fn below(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
    let words = format!("{words} {}", command.get_name()).trim_start().to_owned();
    for inner in command.get_subcommands() {
        below(inner, &words, found);
    }
    found.push((words, command.clone()));
}

fn all() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    below(&Cli::command(), "", &mut found);
    found
}

/// The arguments of an example, as a shell takes them apart: quotes, a pipe before, a redirection behind.
fn arguments(line: &str) -> Vec<String> {
    let line = &line[line.find("rescind ").unwrap()..];
    let line = line.split(" > ").next().unwrap();
    let mut parts = line.split('\'');
    let mut words = Vec::new();
    while let Some(plain) = parts.next() {
        words.extend(plain.split_whitespace().map(str::to_owned));
        words.extend(parts.next().map(str::to_owned));
    }
    words
}

#[test]
fn every_command_explains_itself_with_examples_that_parse() {
    let commands = all();
    assert!(commands.len() > 25, "{}", commands.len());
    for (words, command) in commands {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Examples:\n"), "`{words} --help` has no examples");
        let block = help.split_once("Examples:\n").unwrap().1.replace("\\\n", " ");
        let examples: Vec<&str> = block.lines().take_while(|line| !line.is_empty()).collect();
        assert!(examples.iter().any(|line| line.contains(&words)), "{words}: {examples:?}");
        for line in examples {
            let parsed = Cli::command().try_get_matches_from(arguments(line));
            assert!(parsed.is_ok(), "{words}: {line}: {}", parsed.unwrap_err());
        }
        assert!(command.get_about().is_some(), "{words}");
    }
}

#[test]
fn the_help_says_what_the_exit_codes_mean() {
    let help = Cli::command().render_long_help().to_string();
    for code in ["0  done", "1  refused", "2  wrong usage", "3  the running authority was lost"] {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn whoever_prints_something_prints_json_too_if_asked() {
    for (words, command) in all() {
        let leaf = command.get_subcommands().next().is_none();
        // A server, scripts for a shell, JSON anyway, and what is a document itself.
        let plain = [
            "serve",
            "relay",
            "completions",
            "audit export",
            "config check",
            "config init",
            "config reference",
        ];
        let plain = plain.iter().any(|plain| words == format!("rescind {plain}"));
        let json = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
        assert_eq!(json, leaf && !plain, "{words}");
    }
}

#[test]
fn an_id_is_taken_whatever_it_begins_with() {
    for id in [
        "-AcLbXIDjB-WH1-GuRiZ1Q",
        "-hcLbXIDjB-WH1-GuRiZ1Q",
        "--cLbXIDjB-WH1-GuRiZ1Q",
        "-VcLbXIDjB-WH1-GuRiZ1Q",
    ] {
        for (before, after) in [
            (&["audit", "list", "--sub"][..], &["--json"][..]),
            (&["audit", "list", "--target"], &[]),
            (&["revoke", "--session"], &["--reason", "lost"]),
            (&["revoke", "--token"], &[]),
            (&["session", "show"], &["--json"]),
            (&["session", "end"], &["--reason", "lost"]),
            (&["keys", "retire"], &["--compromised", "--yes"]),
        ] {
            let words = [&["rescind"], before, &[id], after].concat();
            let parsed = Cli::try_parse_from(&words);
            assert!(
                parsed.is_ok(),
                "{words:?}: {}",
                parsed.err().map(|e| e.to_string()).unwrap_or_default()
            );
        }
    }
}
