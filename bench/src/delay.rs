//! `cargo xtask bench revoke`: the delay of a revocation with 1 to 10,000 verifiers, as a table and as a
//! picture.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::machine;
use crate::picture::{Axes, Curve, curves};
use crate::realm::Realm;
use crate::report::quantile;
use crate::revoke::{Delays, Fleet, commits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;

/// Verifiers, and how many sessions are revoked in each of the rounds.
const FLEETS: [(usize, usize); 4] = [(1, 300), (100, 40), (1000, 10), (10_000, 1)];
/// The same, to see that it works.
const QUICK: [(usize, usize); 2] = [(1, 2), (10, 2)];
/// Shares of all delays that the table shows.
const SHARES: [(&str, f64); 4] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
/// Open files beside those of the verifiers.
const FILES: u64 = 1_000;
/// Durable commits that are timed.
const COMMITS: usize = 2000;
/// What is promised: this many times the push, and one commit.
const TIMES: f64 = 3.0;

/// Measures; draws the picture into a file and gives the page.
pub(crate) fn page(bench: &Bench, picture: &Path) -> Outcome<String> {
    let mut fleets = Vec::new();
    for &(count, revocations) in bench.choose(&FLEETS[..], &QUICK[..]) {
        allow_files(FILES + 4 * count as u64)?;
        fleets.push((count, fleet(bench, count, revocations)?));
    }
    let mut commits = commits(bench, bench.choose(COMMITS, 20))?;
    draw(picture, &mut fleets)?;
    let commit = quantile(&mut commits, 0.99);
    let rows: String = fleets.iter_mut().map(|(count, delays)| rows(*count, delays)).collect();
    let verdicts: String =
        fleets.iter_mut().map(|(count, delays)| verdict(*count, delays, commit)).collect();
    let name =
        picture.file_name().and_then(|name| name.to_str()).ok_or("the picture has no name")?;
    Ok(format!(
        "# The delay of a revocation

Written by `cargo xtask bench revoke`; no figure by hand. How long it takes from the call of `Authority::revoke` for a
session until a verifier refuses its token: commit to the disk, signature, feed, check. Beside it, between two
revocations each, the **bare push**: the same bytes written to as many TCP connections, whose receivers verify the same
signature. Authority and pushing side run on one core, all verifiers and receivers on the other, in one process. One
value for each revocation and verifier.

{}
| Verifiers | What | p50 | p99 | p99.9 | max |
|---|---|---|---|---|---|
{rows}
One durable commit of one row, by SQLite alone: p50 {}, p99 {}.

{verdicts}
![Share of verifiers that refuse, by time since the call]({name})
",
        machine::describe(bench, " revoke")?,
        millis(quantile(&mut commits, 0.5)),
        millis(commit),
    ))
}

/// Lets this program have so many open files: each verifier takes four, two connections with two ends. Fails where the
/// machine does not.
fn allow_files(many: u64) -> Outcome {
    let most = getrlimit(Resource::Nofile);
    if most.current.is_none_or(|current| current >= many) {
        return Ok(());
    }
    let wanted = Rlimit { current: Some(many), maximum: most.maximum.map(|most| most.max(many)) };
    let refused = |error| format!("{many} open files are needed, and not allowed: {error}");
    Ok(setrlimit(Resource::Nofile, wanted).map_err(refused)?)
}

/// Rounds with one fleet, which is new.
fn fleet(bench: &Bench, count: usize, revocations: usize) -> Outcome<Delays> {
    say(&format!("revocation: {count} verifiers start"));
    let realm = Realm::start(bench)?;
    let mut fleet = bench.clients.block_on(Fleet::start(bench, realm, count))?;
    let mut delays = Delays::default();
    for round in 1..=bench.rounds {
        say(&format!("revocation: {count} verifiers, round {round} of {}", bench.rounds));
        bench.clients.block_on(fleet.revoke(bench, revocations, &mut delays))?;
    }
    let left = fleet.followers();
    if left == count {
        Ok(delays)
    } else {
        Err(format!("of {count} verifiers {left} follow").into())
    }
}

fn rows(count: usize, delays: &mut Delays) -> String {
    let row = |what: &str, values: &mut [f64]| {
        let shown: Vec<String> =
            SHARES.iter().map(|(_, share)| millis(quantile(values, *share))).collect();
        format!("| {count} | {what} | {} |\n", shown.join(" | "))
    };
    let push = row("bare push", &mut delays.push);
    push + &row("revocation", &mut delays.ours)
}

fn verdict(count: usize, delays: &mut Delays, commit: f64) -> String {
    let most = TIMES * quantile(&mut delays.push, 0.99) + commit;
    let ours = quantile(&mut delays.ours, 0.99);
    let reached = if ours <= most { "reached" } else { "**falls short**" };
    format!(
        "- {count}: p99 {} against {TIMES} × the push's p99 + one commit = {}: {reached}.\n",
        millis(ours),
        millis(most)
    )
}

fn millis(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1e3)
}

/// The share of refusals by time, one curve for each fleet and its push.
fn draw(file: &Path, fleets: &mut [(usize, Delays)]) -> Outcome {
    let curve = |name: String, dashed, values: &mut [f64]| {
        let point = |n| f64::from(n) / 1000.0;
        let points = (0..=1000).map(|n| (quantile(values, point(n)) * 1e3, point(n))).collect();
        Curve { name, dashed, points }
    };
    let mut all = Vec::new();
    for (count, delays) in fleets {
        all.push(curve(format!("{count}: revocation"), false, &mut delays.ours));
        all.push(curve(format!("{count}: bare push (dashed)"), true, &mut delays.push));
    }
    curves(file, &Axes { x: "ms since the call", y: "share that refuses" }, &all)
}
