//! `rescind fleet`, and waiting for it: `--wait fleet`.

use super::call::Common;
use super::failed::Failed;
use super::out::{each, table, text, time};
use clap::{Args, ValueEnum};
use serde_json::Value;

/// Show the API servers that follow, and how far each is.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind fleet
  rescind fleet --json")]
pub(super) struct FleetArgs {
    #[command(flatten)]
    common: Common,
}

/// When it is done.
#[derive(Args)]
pub(super) struct WaitFor {
    /// fleet: return once no API server accepts it any more, and say on how many it ended, and how soon.
    /// Without it: once it is durable.
    #[arg(long, value_name = "WHOM")]
    wait: Option<Whom>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Whom {
    /// Every API server that follows, or whose knowledge may still count.
    Fleet,
}

impl WaitFor {
    /// The path of a call that waits so.
    pub(super) fn at(&self, path: &str) -> String {
        match self.wait {
            Some(Whom::Fleet) => format!("{path}?wait=fleet"),
            None => path.to_owned(),
        }
    }
}

pub(super) async fn run(args: FleetArgs) -> Result<(), Failed> {
    let fleet = args.common.ask("/admin/fleet").await?;
    args.common.show(&fleet, || {
        let row = |seen: &Value| {
            let epoch = if seen["epoch_ok"] == true { "ok" } else { "another" };
            let [client, instance, applied, lag] =
                ["client_id", "instance", "applied", "lag"].map(|member| text(seen, member));
            let stale = format!("{} ms", seen["staleness_ms"]);
            [client, instance, applied, lag, stale, epoch.into(), time(seen, "since")]
        };
        let headings = ["CLIENT", "INSTANCE", "APPLIED", "LAG", "STALENESS", "EPOCH", "SINCE"];
        table(headings, each(&fleet["verifiers"]).map(row))
    })
}

/// Where it is enforced, in words: a sentence, and a line for each laggard.
pub(super) fn words(enforced: &Value) -> Option<String> {
    let (on, of) = (enforced["on"].as_u64()?, enforced["of"].as_u64()?);
    let servers = if of == 1 { "server" } else { "servers" };
    let mut words = match enforced["slowest_ms"].as_u64() {
        Some(slowest) => format!("ended on {on} of {of} {servers}, slowest {slowest} ms"),
        None => format!("ended on {on} of {of} {servers}"),
    };
    if let Some(relayed) = enforced["relayed"].as_u64().filter(|relayed| *relayed > 0) {
        words.push_str(&format!(", {relayed} of them by the word of a relay alone"));
    }
    match enforced["doubt"].as_str() {
        Some("restarted") => words.push_str(
            "; waited out the bound, since the authority has not run for longer: nobody accepts it any more",
        ),
        Some("excess") => words.push_str(
            "; waited out the bound, since more servers follow than can be counted: nobody accepts it any more",
        ),
        Some(_) => words.push_str(
            "; waited out the bound, since too many calls wait for acknowledgements: nobody accepts it any more",
        ),
        None if on < of => words.push_str("; waited out the others: nobody accepts it any more"),
        None => {}
    }
    for late in each(&enforced["laggards"]) {
        let how = match late["silent"].as_bool() {
            Some(true) => "not heard of since",
            _ => "did not apply it",
        };
        let (client, instance) = (text(late, "client_id"), text(late, "instance"));
        words.push_str(&format!("\n  waited out {client} {instance}: {how}"));
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn where_it_ended_is_said_in_a_sentence_that_names_who_did_not_answer() {
        let all = json!({ "on": 3, "of": 3, "slowest_ms": 4, "laggards": [], "doubt": null });
        assert_eq!(words(&all).unwrap(), "ended on 3 of 3 servers, slowest 4 ms");
        let late = json!({
            "on": 1, "of": 2, "slowest_ms": 4, "doubt": null,
            "laggards": [{ "client_id": "posts-api", "instance": "AAAA", "silent": true }],
        });
        let said = words(&late).unwrap();
        assert!(said.contains("1 of 2 servers") && said.contains("posts-api AAAA"), "{said}");
        let relayed = json!({ "on": 3, "of": 3, "relayed": 2, "slowest_ms": 4, "doubt": null });
        let said = "ended on 3 of 3 servers, slowest 4 ms, 2 of them by the word of a relay alone";
        assert_eq!(words(&relayed).unwrap(), said);
        for (doubt, why) in [("excess", "can be counted"), ("busy", "too many calls")] {
            let doubtful = json!({ "on": 0, "of": 0, "laggards": [], "doubt": doubt });
            assert!(words(&doubtful).unwrap().contains(why));
        }
        let doubt =
            json!({ "on": 0, "of": 0, "slowest_ms": null, "laggards": [], "doubt": "restarted" });
        assert!(words(&doubt).unwrap().contains("waited out the bound"));
        assert_eq!(words(&Value::Null), None);
    }
}
