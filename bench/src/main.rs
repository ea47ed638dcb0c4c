//! What Rescind costs, each figure beside its floor, measured in turns in one run.
//!
//! `cargo xtask bench` builds and runs this. The page goes to standard output, progress to standard error. `--quick`
//! does everything for a moment only, to see that it works. One file for each measurement; [`bench`] is what they
//! share, [`report`] what is made of their figures. No figure is ever judged here.

mod bench;
mod load;
mod machine;
mod realm;
mod refresh;
mod report;
mod revoke;
mod route;
mod stopwatch;
mod verify;
mod whoami;

use bench::Bench;
use report::Series;
use std::process::ExitCode;

/// What a measurement gives, or why there is none.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

type Measurement = fn(&Bench) -> Outcome<Vec<Series>>;

/// All measurements, in order.
const MEASUREMENTS: [Measurement; 5] =
    [verify::measure, route::measure, whoami::measure, refresh::measure, revoke::measure];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--quick"] => true,
        _ => {
            eprintln!("Usage: rescind-bench [--quick]");
            return ExitCode::from(2);
        }
    };
    match run(quick) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(quick: bool) -> Outcome<String> {
    let bench = Bench::new(quick)?;
    let mut all = Vec::new();
    for measure in MEASUREMENTS {
        all.extend(measure(&bench)?);
    }
    Ok(report::page(&machine::describe(&bench)?, bench.rounds, &all))
}
