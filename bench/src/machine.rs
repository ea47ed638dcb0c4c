//! What the figures were measured on and with. Never a host's name or a path.

use crate::Outcome;
use crate::bench::Bench;
use std::process::Command;

/// The lock file, for the versions of what was built.
const LOCK: &str = include_str!("../../Cargo.lock");

/// Date, machine and versions, as a list; `what` is measured.
pub(crate) fn describe(bench: &Bench, what: &str) -> Outcome<String> {
    #[expect(clippy::disallowed_methods, reason = "the date of the run")]
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let quick = if bench.quick { " --quick" } else { "" };
    let (cpu, cores) = processor(&std::fs::read_to_string("/proc/cpuinfo")?)?;
    let memory = memory(&std::fs::read_to_string("/proc/meminfo")?)?;
    let release = std::fs::read_to_string("/etc/os-release")?;
    let system = after(&release, "PRETTY_NAME=")?.trim_matches('"');
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let [axum, aws_lc, tokio] = ["axum", "aws-lc-rs", "tokio"].map(version);
    Ok(format!(
        "- Run: {now}, `cargo xtask bench{what}{quick}`
- Machine: {cpu}, {cores} cores, {memory} GiB; {system}, Linux {}
- Versions: Rescind {}; {}; axum {}, tokio {}, aws-lc-rs {}, SQLite {}; {}
",
        kernel.trim(),
        env!("CARGO_PKG_VERSION"),
        first_words("rustc", "--version", 2)?,
        axum?,
        tokio?,
        aws_lc?,
        rusqlite::version(),
        first_words("wrk", "--version", 2)?,
    ))
}

fn after<'a>(text: &'a str, prefix: &str) -> Outcome<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(prefix));
    line.ok_or_else(|| format!("nothing begins with {prefix}").into())
}

/// The model of the processor, and how many cores there are.
fn processor(cpuinfo: &str) -> Outcome<(String, usize)> {
    let name = |line: &str| Some(line.strip_prefix("model name")?.split_once(':')?.1.to_owned());
    let names: Vec<String> = cpuinfo.lines().filter_map(name).collect();
    let first = names.first().map_or("an unnamed processor", |name| name.trim());
    Ok((first.to_owned(), std::thread::available_parallelism()?.get().max(names.len())))
}

fn memory(meminfo: &str) -> Outcome<u64> {
    let kib: u64 = after(meminfo, "MemTotal:")?.trim().trim_end_matches(" kB").parse()?;
    Ok(kib.div_ceil(1024 * 1024))
}

/// The version of a crate in the lock file.
fn version(name: &str) -> Outcome<&'static str> {
    let block = LOCK.split_once(&format!("name = \"{name}\"\n")).ok_or("not in the lock file")?.1;
    Ok(after(block, "version = ")?.trim_matches('"'))
}

/// The beginning of what a program says of itself. `wrk` then ends with an error all the same.
fn first_words(program: &str, flag: &str, count: usize) -> Outcome<String> {
    let output = Command::new(program).arg(flag).output();
    let output = output.map_err(|error| format!("{program} does not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().take(count).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        assert!(version("axum").unwrap().starts_with("0.8."));
        assert!(version("no-such-crate").is_err());
    }

    #[test]
    fn a_machine_is_described_by_its_processor_and_memory() {
        let cpuinfo = "model name\t: Some CPU\nflags\t: a b\nmodel name\t: Some CPU\n";
        assert_eq!(processor(cpuinfo).unwrap().0, "Some CPU");
        assert_eq!(memory("MemTotal:       24576000 kB\n").unwrap(), 24);
    }
}
