//! The promise, searched: every order of events within stated bounds, on the functions that production
//! runs.
//!
//! Each module is one model with its own mutants, small changes that break the promise: a mutant that no
//! invariant catches fails the run as much as a violation of the true model does. `cargo xtask model`
//! runs all of it and prints what was explored.
//!
//! - [`issue`]: issue, revoke, login, refresh, password change; two nodes with caches
//! - [`delivery`]: head, feed, relay, lease
//! - [`epochs`]: epochs and restore
//! - [`clocks`]: two clocks, pruning, expiry
//! - [`joint`]: all of them at once, walked at random

mod clocks;
mod delivery;
mod epochs;
mod explored;
mod issue;
mod joint;
mod realm;
mod verifier;

use explored::Walk;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "Usage: rescind-model [MODEL] [--minutes N] [--seed S]";

/// Which models, and how the joint one is walked.
fn orders() -> Option<(Option<String>, Walk)> {
    let chance = u64::from(std::process::id());
    let (mut only, mut walk) = (None, Walk { seed: chance, time: Duration::from_secs(30) });
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next()?.parse::<u64>().ok();
        match argument.as_str() {
            "--minutes" => walk.time = Duration::from_secs(60 * number()?),
            "--seed" => walk.seed = number()?,
            name if only.is_none() && !name.starts_with('-') => only = Some(argument),
            _ => return None,
        }
    }
    Some((only, walk))
}

fn main() -> ExitCode {
    let Some((only, walk)) = orders() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut all_well = true;
    let mut searched = 0;
    let asked = explored::all(walk).filter(|search| search.is_asked_for(only.as_deref()));
    for report in asked.map(explored::Search::run) {
        println!("{}", report.line());
        searched += 1;
        all_well &= report.problem.is_none();
    }
    if all_well && searched > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
