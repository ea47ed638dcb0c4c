//! The project's own commands, run as `cargo xtask …`.
//!
//! Owns the command line. Each step of `cargo xtask test` is one module, listed in [`steps`]; [`fuzz`] is
//! `cargo xtask fuzz`, [`torture`] is `cargo xtask torture`; [`process`] runs other programs, [`summary`] prints
//! the end. Holds no rule of the product.

mod bench;
mod borders;
mod checklist;
mod clients;
mod debian;
mod deny;
mod e2e;
mod files;
mod fuzz;
mod libtest;
mod links;
mod model;
mod peers;
mod process;
mod secrets;
mod steps;
mod suite;
mod summary;
mod torture;

use std::path::Path;
use std::process::ExitCode;

use steps::{Plan, STEPS};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.parent().unwrap_or(root).to_path_buf();
    match arguments.split_first() {
        None => ask_for_help("no command given"),
        Some((flag, [])) if matches!(flag.as_str(), "--help" | "-h" | "help") => {
            println!("{}", help());
            ExitCode::SUCCESS
        }
        Some((command, rest)) if command == "test" => match parse_test(rest) {
            Ok(None) => {
                println!("{}", help());
                ExitCode::SUCCESS
            }
            Ok(Some(plan)) => steps::run(root, &plan),
            Err(problem) => ask_for_help(&problem),
        },
        Some((command, rest)) if command == "fuzz" => match fuzz::parse(rest) {
            Ok(plan) => fuzz::run(&root, &plan),
            Err(problem) => ask_for_help(&problem),
        },
        Some((command, rest)) if command == "bench" => {
            let words: Vec<&str> = rest.iter().map(String::as_str).collect();
            match words[..] {
                [] => exit(bench::run(&root, &bench::ALL, false)),
                ["--quick"] => exit(bench::quick(&root).map(|text| println!("{text}"))),
                ["revoke"] => exit(bench::run(&root, &bench::DELAY, false)),
                ["revoke", "--quick"] => exit(bench::run(&root, &bench::DELAY, true)),
                ["set"] => exit(bench::run(&root, &bench::SET, false)),
                ["set", "--quick"] => exit(bench::run(&root, &bench::SET, true)),
                [name] if !name.starts_with('-') => exit(bench::only(&root, name, false)),
                [name, "--quick"] => exit(bench::only(&root, name, true)),
                _ => ask_for_help(
                    "bench takes revoke, set or the name of a measurement, and --quick",
                ),
            }
        }
        Some((command, rest)) if command == "model" => exit(model::run(&root, rest)),
        Some((command, rest)) if command == "torture" => match torture::parse(rest) {
            Ok(plan) => exit(torture::run(&root, &plan)),
            Err(problem) => ask_for_help(&problem),
        },
        Some((command, _)) => ask_for_help(&format!("unknown command: {command}")),
    }
}

/// Reads what follows `test`; `None` asks for the help text.
fn parse_test(arguments: &[String]) -> Result<Option<Plan>, String> {
    let mut plan = Plan::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--quick" => plan.quick = true,
            "--only" => {
                let name = arguments.next().ok_or("--only needs the name of a step")?;
                let step = STEPS.iter().find(|step| step.name == name);
                plan.only.push(step.ok_or(format!("no step is called {name}"))?.name);
            }
            other => return Err(format!("unknown option: {other}")),
        }
    }
    Ok(Some(plan))
}

/// A problem is printed, and is no success.
fn exit(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn ask_for_help(problem: &str) -> ExitCode {
    eprintln!("{problem}\n\n{}", help());
    ExitCode::from(2)
}

fn help() -> String {
    let mut text = String::from(
        "Usage: cargo xtask test [--quick] [--only STEP]...
       cargo xtask bench [revoke | set | NAME] [--quick]

bench measures what Rescind costs, and what others cost beside it, and writes docs/generated/benchmarks.md; it
wants a quiet machine for twenty minutes. With the NAME of a measurement it prints only that one's page. With
revoke it measures how long a revocation takes with 1 to 10,000 verifiers, and writes
docs/generated/revocation-delay.md and its picture. With set it measures the set of revocations with up to ten
million of them, and writes docs/generated/revocation-set.md. With --quick it does all of it for a moment and
writes nothing.

test runs everything that must hold before a change is merged, to the end even if a step fails.
The exit code is 0 only if every step that ran is ok.

  --quick      leaves out the steps marked * and says so
  --only STEP  runs only this step (may be given more than once)

Steps, in order:
",
    );
    for step in STEPS {
        let mark = if step.slow { '*' } else { ' ' };
        text.push_str(&format!("  {:<9}{mark} {}\n", step.name, step.about));
    }
    text.push_str(
        "\nThe last line counts tests; a failed step without a failed test counts as one.

Usage: cargo xtask fuzz [--minutes N] [TARGET]...

Feeds each target of fuzz/ (or only these) for N minutes, 10 if not told, with input that libFuzzer makes
by coverage. The exit code is 0 only if nothing was found; the input that found something is kept.

Usage: cargo xtask model [MODEL] [--minutes N] [--seed S]

Searches the models of model/ (or only this one) whole, and their mutants; the one called joint, which is all of
them at once, is walked at random for 30 s or N minutes, by a seed that it prints. The exit code is 0 only if nothing
is violated, everything that must be reached is, and every mutant is caught.

Usage: cargo xtask torture [--minutes N] [--seed S] [--defect beat|resync|entries]

Attacks real processes for N minutes, 30 if not told, and judges whether the promise was broken; 30 minutes or
more that are good write docs/generated/torture.md. With --defect a mistake is planted, which must be found. The
exit code is 0 only if all is as it should be. It wants a quiet machine.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn options_of_test_are_read() {
        let plan = parse_test(&words("--quick --only fmt --only checks")).unwrap().unwrap();
        assert!(plan.quick);
        assert_eq!(plan.only, ["fmt", "checks"]);
    }

    #[test]
    fn unknown_steps_and_options_are_refused() {
        for bad in ["--only", "--only nothing", "--fast", "fmt"] {
            assert!(parse_test(&words(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_help_names_every_step() {
        for step in STEPS {
            assert!(help().contains(step.name), "{}", step.name);
        }
    }
}
