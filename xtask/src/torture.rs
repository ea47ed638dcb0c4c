//! `cargo xtask torture`.
//!
//! Builds and runs `rescind-torture`. The whole run before a release is kept as a page.

use std::path::Path;
use std::process::Command;

use crate::steps::{Findings, Run};
use crate::{debian, process, suite};

/// The page that a long run writes.
const PAGE: &str = "docs/generated/torture.md";
/// Runs of so many minutes write it.
const LONG: u64 = 30;

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    minutes: Option<u64>,
    seed: Option<u64>,
    defect: Option<String>,
}

/// Reads what follows `torture`.
pub(crate) fn parse(arguments: &[String]) -> Result<Plan, String> {
    let mut plan = Plan::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or(format!("{argument} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{argument} needs a number"));
        match argument.as_str() {
            "--minutes" => plan.minutes = Some(number()?),
            "--seed" => plan.seed = Some(number()?),
            "--defect" => plan.defect = Some(value.clone()),
            other => return Err(format!("unknown option: {other}")),
        }
    }
    Ok(plan)
}

/// The command. A run of half an hour or more that is good writes the page.
pub(crate) fn run(root: &Path, plan: &Plan) -> Result<(), String> {
    let mut arguments = Vec::new();
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    for (name, value) in [
        ("--minutes", number(plan.minutes)),
        ("--seed", number(plan.seed)),
        ("--defect", plan.defect.clone()),
    ] {
        arguments.extend(value.map(|value| [name.to_owned(), value]).into_iter().flatten());
    }
    if plan.defect.is_none() && plan.minutes.unwrap_or(LONG) >= LONG {
        arguments.extend(["--page".to_owned(), PAGE.to_owned()]);
    }
    tortured(root, &arguments)
}

/// A minute of it, always the same plan.
pub(crate) fn step(run: &mut Run) -> Findings {
    let plan = Plan { minutes: Some(1), seed: Some(1), defect: None };
    match self::run(&run.root, &plan) {
        Ok(()) => Findings { seen: "a minute, seed 1".into(), ..Findings::default() },
        Err(problem) => Findings::problem(problem),
    }
}

/// Builds the rig and runs it; an error if the promise was broken. Optimised, so that two cores are enough for
/// everybody.
fn tortured(root: &Path, arguments: &[String]) -> Result<(), String> {
    debian::install(&[("ip", "iproute2")], &[])?;
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "-p", "rescind-torture", "--features", "defects"]);
    process::passes(build.current_dir(root))?;
    let mut rig = Command::new(suite::target(root)?.join("release/rescind-torture"));
    process::passes(rig.args(arguments).current_dir(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Plan, String> {
        parse(&text.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_of_torture_are_read() {
        let plan = read("--minutes 2 --seed 7 --defect beat").unwrap();
        assert_eq!(
            (plan.minutes, plan.seed, plan.defect.as_deref()),
            (Some(2), Some(7), Some("beat"))
        );
        assert_eq!(read("").unwrap(), Plan::default());
        for bad in ["--minutes", "--minutes x", "--fast 1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
