//! `cargo xtask torture`: the promise under attack for some minutes, and what came of it.

use rescind_torture::argument;
use rescind_torture::report::{HEAD, problems, tables, too_little};
use rescind_torture::run::{Defect, Orders, Outcome, run};
use std::process::ExitCode;

const USAGE: &str =
    "Usage: rescind-torture [--minutes N] [--seed S] [--defect beat|resync|entries] [--page FILE]";

/// Each is followed by its value.
const NAMES: [&str; 4] = ["--minutes", "--seed", "--defect", "--page"];

fn orders() -> Option<Orders> {
    if std::env::args().skip(1).step_by(2).any(|name| !NAMES.contains(&name.as_str())) {
        return None;
    }
    let number = |name: &str, unless: u64| match argument(name) {
        Some(text) => text.parse().ok(),
        None => Some(unless),
    };
    let defect = match argument("--defect") {
        Some(named) => Some(Defect::ALL.iter().find(|(name, _)| *name == named)?.1),
        None => None,
    };
    // Another seed each time, if none is named: it is printed.
    let chance = u64::from(std::process::id()) ^ rescind_torture::boot();
    let minutes = number("--minutes", if defect.is_some() { 2 } else { 30 })?;
    let seed = number("--seed", chance % 1_000_000)?;
    (minutes > 0).then_some(Orders { minutes, seed, defect })
}

/// What is said, and whether it is as it should be: good, or, with a planted defect, found out.
fn judged(outcome: &Outcome) -> (String, bool) {
    let (problems, few) = (problems(outcome), too_little(outcome));
    let list =
        |lines: &[String]| lines.iter().map(|line| format!("- {line}\n")).collect::<String>();
    let listed = list(&problems);
    let broken = &outcome.verdict.broken;
    let (verdict, good) = match outcome.orders.defect {
        None if problems.is_empty() && few.is_empty() => ("The promise held.".to_owned(), true),
        None if problems.is_empty() => {
            (format!("Nothing was broken, but too little was shown:\n\n{}", list(&few)), false)
        }
        None => (format!("The promise was broken:\n\n{listed}"), false),
        Some(defect) if broken.iter().any(|broken| defect.shows_as(broken)) => {
            (format!("The planted defect was found after {} s:\n\n{listed}", outcome.seconds), true)
        }
        Some(_) => (format!("The planted defect was not found.\n\n{listed}"), false),
    };
    (format!("{}\n{verdict}\n", tables(outcome)), good)
}

#[tokio::main]
async fn main() -> ExitCode {
    let called = std::env::args().nth(1).unwrap_or_default();
    if let Some(ended) = rescind_torture::programs::run(&called).await {
        eprintln!("{ended:?}");
        return ExitCode::FAILURE;
    }
    let Some(orders) = orders() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    eprintln!("seed {}", orders.seed);
    let outcome = run(orders).await;
    let (text, good) = judged(&outcome);
    println!("{text}");
    if good {
        let _ = std::fs::remove_dir_all(&outcome.logs);
    } else {
        eprintln!("Stores and logs are kept in {}", outcome.logs.display());
    }
    if good && let Some(page) = argument("--page") {
        if let Err(error) = std::fs::write(&page, format!("{HEAD}{text}")) {
            eprintln!("{page}: {error}");
            return ExitCode::FAILURE;
        }
        println!("written: {page}");
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
