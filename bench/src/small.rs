//! How small the program is: its file, what it takes before anybody has signed in, how soon it answers.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::program::{Place, path};
use crate::promise::Row;
use crate::report::{Series, Unit};
use std::time::Duration;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Small**: the program `rescind` as it is shipped, in a process of its own. Its file; its resident memory a second after
  its first answer, before anybody has signed in; the time from its start until `/readyz` says yes, in an empty
  folder, where it makes its keys and its store, and again where it finds them.
";

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let mut file = Series::new("The program's file", Unit::Megabytes);
    file.add_ours(std::fs::metadata(path()?)?.len() as f64);
    let mut idle = Series::new("Memory before the first sign-in", Unit::Megabytes)
        .ours_at_most(Row::Memory, 20e6);
    let mut first = Series::new("Start to the first answer, empty folder", Unit::Millis)
        .ours_at_most(Row::Start, 0.1);
    let mut again =
        Series::new("Start to the first answer, again", Unit::Millis).ours_at_most(Row::Start, 0.1);
    for round in 1..=bench.rounds {
        say(&format!("small: round {round} of {}", bench.rounds));
        let place = Place::new(bench)?;
        let (program, time) = place.start(bench)?;
        first.add_ours(time.as_secs_f64());
        std::thread::sleep(Duration::from_secs(1));
        idle.add_ours(program.memory("VmRSS:")?);
        drop(program);
        let (_program, time) = place.start(bench)?;
        again.add_ours(time.as_secs_f64());
    }
    Ok(vec![file, idle, first, again])
}
