//! What Rescind costs, each figure beside its floor, measured in turns in one run.
//!
//! `cargo xtask bench` builds and runs this. The page goes to standard output, progress to standard error. `--quick`
//! does everything for a moment only, to see that it works. `revoke PICTURE` measures only the delay of a revocation,
//! with many verifiers ([`delay`]); `set` only the set of revocations at scale ([`set`]), for which it runs itself with
//! `fill`. One file for each measurement; [`bench`] is what they
//! share, [`report`] what is made of their figures. No figure is ever judged here.

mod bench;
mod delay;
mod follow;
mod load;
mod machine;
mod push;
mod realm;
mod refresh;
mod report;
mod revoke;
mod route;
mod set;
mod stopwatch;
mod stream;
mod verify;
mod whoami;

use bench::Bench;
use report::Series;
use std::path::Path;
use std::process::ExitCode;

/// What a measurement gives, or why there is none.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

type Measurement = fn(&Bench) -> Outcome<Vec<Series>>;

/// All measurements, in order.
const MEASUREMENTS: [Measurement; 5] =
    [verify::measure, route::measure, whoami::measure, refresh::measure, revoke::measure];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let quick = words.last() == Some(&"--quick");
    if quick {
        words.pop();
    }
    let page = match words[..] {
        [] => all(quick),
        ["revoke", picture] => revoke(quick, Path::new(picture)),
        ["whoami"] => whoami(quick),
        ["set"] => Bench::new(quick).and_then(|bench| set::page(&bench)),
        ["fill", side, count] => set::fill::alone(side, count),
        _ => {
            eprintln!("Usage: rescind-bench [revoke PICTURE | set] [--quick]");
            return ExitCode::from(2);
        }
    };
    match page {
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

fn all(quick: bool) -> Outcome<String> {
    let bench = Bench::new(quick)?;
    let mut all = Vec::new();
    for measure in MEASUREMENTS {
        all.extend(measure(&bench)?);
    }
    Ok(report::page(&machine::describe(&bench, "")?, bench.rounds, &all))
}

fn whoami(quick: bool) -> Outcome<String> {
    let bench = Bench::new(quick)?;
    let all = whoami::measure(&bench)?;
    Ok(report::page(&machine::describe(&bench, "")?, bench.rounds, &all))
}

fn revoke(quick: bool, picture: &Path) -> Outcome<String> {
    delay::page(&Bench::new(quick)?, picture)
}
