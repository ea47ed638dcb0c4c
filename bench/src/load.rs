//! Requests over HTTP by `wrk`, on the clients' core, and whether two routes may be compared at all.

use crate::Outcome;
use crate::bench::{Bench, SPAN};
use rescind_testkit::http::{Answer, Http};
use std::process::{Child, Command, Stdio};

/// Open connections, each with one request under way.
pub(crate) const CONNECTIONS: usize = 64;

/// Parts into which latencies are divided: enough to tell p99.9.
const STEPS: usize = 1000;

/// What was seen of requests, in seconds and bytes.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Answered in a second.
    pub(crate) rate: f64,
    /// Answered in all.
    pub(crate) answered: f64,
    /// Of the server's processor, for each request.
    pub(crate) cpu: f64,
    /// Latencies, from the least to the most, at equal steps of their share.
    latency: Vec<f64>,
    /// The most that the server's processes have held, if they do nothing else.
    pub(crate) memory: Option<f64>,
}

impl Load {
    /// The latency that this share of the requests keeps.
    pub(crate) fn latency(&self, share: f64) -> f64 {
        let at = (share * STEPS as f64).round() as usize;
        self.latency.get(at).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn p50(&self) -> f64 {
        self.latency(0.5)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.latency(0.99)
    }
}

/// The requests of one measurement: the same path, with these values of one header in turn.
pub(crate) struct Requests {
    path: &'static str,
    header: &'static str,
    values: Vec<String>,
    script: std::path::PathBuf,
}

impl Requests {
    /// Prepares them.
    pub(crate) fn new(
        bench: &Bench,
        path: &'static str,
        header: &'static str,
        values: Vec<String>,
    ) -> Outcome<Self> {
        let script = tempfile::Builder::new().suffix(".lua").tempfile_in(bench.folder())?;
        let listed: String = values.iter().map(|value| format!("  {value:?},\n")).collect();
        let text = format!(
            "local values = {{\n{listed}}}\nlocal path, header, steps = {path:?}, {header:?}, {STEPS}\n{}",
            include_str!("load.lua")
        );
        std::fs::write(&script, text)?;
        // Goes with the folder.
        let script = script.into_temp_path().keep()?;
        Ok(Self { path, header, values, script })
    }

    /// What the server at this URL does; fails if one request is not answered well. The server is this process, but
    /// for those who ask, or these processes if there are any.
    pub(crate) fn load(&self, url: &str, processes: &[u32]) -> Outcome<Load> {
        let mut wrk = Command::new("wrk");
        wrk.args(["--threads=1", &format!("--connections={CONNECTIONS}")]);
        wrk.arg(format!("--duration={}s", SPAN.as_secs()));
        let before = cpu(processes)?;
        let output = wrk.arg("--script").arg(&self.script).arg(url).output();
        let spent = cpu(processes)? - before;
        let output = output.map_err(|error| format!("wrk does not start: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let failed = text.contains("Non-2xx") || text.contains("Socket errors");
        let number = |prefix: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(prefix))?;
            value.trim().parse::<f64>().ok()
        };
        let latency = |step| Some(number(&format!("at {step}:"))? / 1e6);
        let latency = (0..=STEPS).map(latency).collect();
        match (number("Requests/sec:"), number("answered:"), latency) {
            (Some(rate), Some(answered), Some(latency)) if output.status.success() && !failed => {
                let (cpu, memory) = (spent / answered, peak(processes)?);
                Ok(Load { rate, answered, cpu, latency, memory })
            }
            _ => Err(format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    /// Sends them, too, whatever the answers, while another load is measured: until it is dropped, and not much
    /// longer than that load lasts.
    pub(crate) fn flood(&self, url: &str) -> Outcome<Flood> {
        let mut wrk = Command::new("wrk");
        wrk.args(["--threads=1", &format!("--connections={CONNECTIONS}")]);
        wrk.arg(format!("--duration={}s", SPAN.as_secs() + 5));
        wrk.arg("--script").arg(&self.script).arg(url).stdout(Stdio::null());
        Ok(Flood(wrk.spawn()?))
    }

    /// One of the requests' answers from each of two servers, if they are alike: status, headers but for the
    /// date, and length of the body.
    pub(crate) fn alike(&self, bench: &Bench, servers: [&str; 2]) -> Outcome {
        let [one, other] = servers.map(|url| bench.clients.block_on(self.answer(url)));
        let (one, other) = (one?, other?);
        if of_interest(&one) == of_interest(&other) {
            Ok(())
        } else {
            Err(format!("the answers differ: {one:?} {other:?}").into())
        }
    }

    /// The answer to the first of the requests; it must be good.
    pub(crate) async fn answer(&self, url: &str) -> Outcome<Answer> {
        let value = self.values.first().ok_or("no requests")?;
        let answer = Http::new(url).get(self.path, &[(self.header, value.as_str())]).await;
        let good = answer.status.is_success();
        if good { Ok(answer) } else { Err(format!("{url}: {answer:?}").into()) }
    }
}

/// Requests under way that nobody counts.
pub(crate) struct Flood(Child);

impl Drop for Flood {
    fn drop(&mut self) {
        // If it has ended by itself there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn of_interest(answer: &Answer) -> (u16, Vec<(String, Vec<u8>)>, usize) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != http::header::DATE);
    let mut headers: Vec<_> =
        headers.map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect();
    headers.sort();
    (answer.status.as_u16(), headers, answer.body.len())
}

/// Processor seconds that the servers have taken: these processes, or the threads of this one but for the main one,
/// which asks.
fn cpu(processes: &[u32]) -> Outcome<f64> {
    let (ours, main) = (std::process::id(), [std::process::id().to_string()]);
    if processes.is_empty() {
        return of_threads(ours, &main);
    }
    processes.iter().map(|process| of_threads(*process, &[])).sum()
}

fn of_threads(process: u32, but: &[String]) -> Outcome<f64> {
    let mut nanos = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = thread?;
        if but.iter().any(|name| thread.file_name() == name.as_str()) {
            continue;
        }
        // A thread that has ended since has no file any more.
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        nanos += text.split_whitespace().next().map_or(Ok(0.0), str::parse)?;
    }
    Ok(nanos / 1e9)
}

/// The most memory that these processes together can have held; none if there are none.
fn peak(processes: &[u32]) -> Outcome<Option<f64>> {
    let mut all = 0.0;
    for process in processes {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        all += kib(&status, "VmHWM:").ok_or("a process has no peak of memory")? * 1024.0;
    }
    Ok((!processes.is_empty()).then_some(all))
}

/// A value of a process's status.
pub(crate) fn kib(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
