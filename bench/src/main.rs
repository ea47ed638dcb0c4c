//! What Rescind costs, each figure beside its floor or beside what others cost, measured in turns in one run.
//!
//! `cargo xtask bench` builds and runs this. The page goes to standard output, progress to standard error. `--quick`
//! does everything for a moment only, to see that it works. `all PICTURES` draws its pictures into that folder; `only NAME`
//! measures one thing and may draw, too; `revoke PICTURE` only the delay of a revocation, with many verifiers
//! ([`delay`]); `set` only the set of revocations at scale ([`set`]), for which it runs itself with `fill`; `count`
//! counts instructions ([`count`]), for which it runs itself with `counted`. One file for each measurement; [`bench`]
//! is what they share, [`report`] what is made of their figures, [`promise`] what they must be. A figure that falls
//! short is said, and fails nothing.

mod bench;
mod count;
mod delay;
mod flood;
mod follow;
mod fresh;
mod growth;
mod load;
mod login;
mod machine;
mod peer;
mod peers;
mod picture;
mod program;
mod promise;
mod push;
mod raw;
mod realm;
mod refresh;
mod report;
mod revoke;
mod route;
mod seed;
mod set;
mod small;
mod stopwatch;
mod stream;
mod verify;
mod whoami;

use bench::Bench;
use report::Series;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a measurement gives, or why there is none.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

struct Measurement {
    /// What `only` takes.
    name: &'static str,
    /// What is measured and what stands beside it: a list for the page.
    method: &'static str,
    run: fn(&Bench) -> Outcome<Vec<Series>>,
}

/// All measurements, in the order of the page.
const MEASUREMENTS: &[Measurement] = &[
    Measurement { name: "verify", method: verify::METHOD, run: verify::measure },
    Measurement { name: "route", method: route::METHOD, run: route::measure },
    Measurement { name: "fresh", method: fresh::METHOD, run: fresh::measure },
    Measurement { name: "whoami", method: whoami::METHOD, run: whoami::measure },
    Measurement { name: "peers", method: peers::METHOD, run: peers::measure },
    Measurement { name: "refresh", method: refresh::METHOD, run: refresh::measure },
    Measurement { name: "login", method: login::METHOD, run: login::measure },
    Measurement { name: "flood", method: flood::METHOD, run: flood::measure },
    Measurement { name: "small", method: small::METHOD, run: small::measure },
    Measurement { name: "revocation", method: revoke::METHOD, run: revoke::measure },
    Measurement { name: "growth", method: growth::METHOD, run: growth::measure },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let quick = words.last() == Some(&"--quick");
    if quick {
        words.pop();
    }
    let page = match words[..] {
        ["all", pictures] => page(quick, "", MEASUREMENTS.iter().collect(), Some(pictures)),
        ["only", name, ref pictures @ ..] if pictures.len() < 2 => match find(name) {
            Some(one) => page(quick, &format!(" {name}"), vec![one], pictures.first().copied()),
            None => return usage(),
        },
        ["revoke", picture] => {
            Bench::new(quick).and_then(|bench| delay::page(&bench, Path::new(picture)))
        }
        ["count"] => count::page(),
        ["counted", name] => count::alone(name),
        ["set"] => Bench::new(quick).and_then(|bench| set::page(&bench)),
        ["fill", side, count] => set::fill::alone(side, count),
        _ => return usage(),
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

fn find(name: &str) -> Option<&'static Measurement> {
    MEASUREMENTS.iter().find(|one| one.name == name)
}

fn usage() -> ExitCode {
    let names: Vec<&str> = MEASUREMENTS.iter().map(|one| one.name).collect();
    eprintln!(
        "Usage: rescind-bench (all PICTURES | only NAME [PICTURES] | revoke PICTURE | set | count) [--quick]\nNAME is one of {}",
        names.join(", ")
    );
    ExitCode::from(2)
}

fn page(
    quick: bool,
    asked: &str,
    measurements: Vec<&Measurement>,
    pictures: Option<&str>,
) -> Outcome<String> {
    let mut bench = Bench::new(quick)?;
    bench.pictures = pictures.map(PathBuf::from);
    let (mut all, mut methods) = (Vec::new(), String::new());
    for measurement in measurements {
        methods.push_str(measurement.method);
        all.extend((measurement.run)(&bench)?);
    }
    Ok(report::page(&machine::describe(&bench, asked)?, bench.rounds, &methods, &all))
}
