//! Requests over HTTP by `wrk`, on the clients' core, and whether two routes may be compared at all.

use crate::Outcome;
use crate::bench::{Bench, SPAN};
use rescind_testkit::http::{Answer, Http};
use std::process::Command;

/// Open connections, each with one request under way.
pub(crate) const CONNECTIONS: usize = 64;

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
        let script = bench.folder().join(format!("{header}.lua"));
        let listed: String = values.iter().map(|value| format!("  {value:?},\n")).collect();
        let text = format!(
            "local values = {{\n{listed}}}\nlocal requests, at = {{}}, 0\n\
             function init()\n  for i, value in ipairs(values) do\n    \
             requests[i] = wrk.format(\"GET\", \"{path}\", {{ [\"{header}\"] = value }})\n  end\nend\n\
             function request()\n  at = at % #requests + 1\n  return requests[at]\nend\n"
        );
        std::fs::write(&script, text)?;
        Ok(Self { path, header, values, script })
    }

    /// Answered requests per second of the server at this URL. Fails if one is not answered well.
    pub(crate) fn rate(&self, url: &str) -> Outcome<f64> {
        let mut wrk = Command::new("wrk");
        wrk.args(["--threads=1", &format!("--connections={CONNECTIONS}")]);
        wrk.arg(format!("--duration={}s", SPAN.as_secs()));
        let output = wrk.arg("--script").arg(&self.script).arg(url).output();
        let output = output.map_err(|error| format!("wrk does not start: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let failed = text.contains("Non-2xx") || text.contains("Socket errors");
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
        match rate.map(|rate| rate.trim().parse()) {
            Some(Ok(rate)) if output.status.success() && !failed => Ok(rate),
            _ => Err(format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
        }
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

fn of_interest(answer: &Answer) -> (u16, Vec<(String, Vec<u8>)>, usize) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != http::header::DATE);
    let mut headers: Vec<_> =
        headers.map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect();
    headers.sort();
    (answer.status.as_u16(), headers, answer.body.len())
}
