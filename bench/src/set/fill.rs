//! Filling a set, in a process of its own: so what the process holds is what the set holds.

use super::sides::{Papaya, Side, entries};
use crate::Outcome;
use crate::load::kib;
use crate::stopwatch::Stopwatch;
use rescind_verifier::set::RevocationSet;
use std::process::{Command, Stdio};

/// What was seen.
pub(super) struct Filled {
    /// Bytes for each entry.
    pub(super) bytes: f64,
    /// The same, at the highest while it grew.
    pub(super) most: f64,
    /// Seconds of each insertion.
    pub(super) each: f64,
    /// Of the longest.
    pub(super) longest: f64,
}

/// In a new process.
pub(super) fn measure(side: &str, count: usize) -> Outcome<Filled> {
    let mut program = Command::new(std::env::current_exe()?);
    program.args(["fill", side, &count.to_string()]).stderr(Stdio::inherit());
    let output = program.output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
    match numbers?[..] {
        [bytes, most, each, longest] => Ok(Filled { bytes, most, each, longest }),
        _ => Err(format!("{side} could not be filled").into()),
    }
}

/// What that process does. Prints what [`Filled`] holds.
pub(crate) fn alone(side: &str, count: &str) -> Outcome<String> {
    let count = count.parse()?;
    let before = held("VmRSS:")?;
    let set: Box<dyn Side> = match side {
        "ours" => Box::new(RevocationSet::new()),
        _ => Box::new(Papaya::new()),
    };
    let mut longest = 0.0_f64;
    let all = Stopwatch::start();
    let mut last = all;
    for entry in entries(count) {
        set.insert(&entry);
        let now = Stopwatch::start();
        longest = longest.max(now.since(last));
        last = now;
    }
    let each = last.since(all) / count as f64;
    let share = |bytes: f64| (bytes - before) / set.len() as f64;
    Ok(format!("{} {} {each} {longest}", share(held("VmRSS:")?), share(held("VmHWM:")?)))
}

/// Bytes that this process holds, by the kernel.
fn held(what: &str) -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    Ok(kib(&status, what).ok_or("no such line")? * 1024.0)
}
