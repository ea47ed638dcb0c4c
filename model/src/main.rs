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

mod clocks;
mod delivery;
mod epochs;
mod explored;
mod issue;
mod realm;
mod verifier;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut all_well = true;
    let mut searched = 0;
    let only = std::env::args().nth(1);
    let asked = explored::all().filter(|search| search.is_asked_for(only.as_deref()));
    for report in asked.map(explored::Search::run) {
        println!("{}", report.line());
        searched += 1;
        all_well &= report.problem.is_none();
    }
    if all_well && searched > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
