//! `rescind audit`: the record of who did what to whom. It is only read.

use super::Place;
use super::call::{Common, query};
use super::failed::Failed;
use super::out::{each, json_line, print, table, text};
use crate::admin::audit::PAGE;
use crate::admin::client::Door;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use http::Method;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rescind_authority::audit::Action;
use serde_json::Value;

/// The record.
#[derive(Subcommand)]
#[command(after_help = "Examples:
  rescind audit list --user mallory
  rescind audit export --since 2026-11-01 > audit.jsonl")]
pub(super) enum AuditCommand {
    /// List the newest records that fit, the newest first.
    #[command(after_help = "Examples:
  rescind audit list
  rescind audit list --user mallory --limit 10
  rescind audit list --actor uid:1000 --action account_state --since 2026-11-01 --json")]
    List {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        filter: Filter,
        /// Most records.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=PAGE as u64))]
        limit: u64,
    },
    /// Print all records that fit as JSON, one a line, the oldest first.
    #[command(after_help = "Examples:
  rescind audit export > audit.jsonl
  rescind audit export --since 2026-11-01 --until 2026-12-01 > november.jsonl")]
    Export {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        filter: Filter,
        /// Most records.
        #[arg(long)]
        limit: Option<u64>,
    },
}

/// Which records: all that is named must fit.
#[derive(Args)]
pub(super) struct Filter {
    /// Those of this account, by its name.
    #[arg(long, value_name = "NAME", conflicts_with = "sub")]
    user: Option<String>,
    /// Those of this account, by its id, also of a deleted one.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    sub: Option<String>,
    /// Who acted: uid:1000, sub:ID, client:ID or rule.
    #[arg(long)]
    actor: Option<String>,
    /// What was done.
    #[arg(long, value_parser = PossibleValuesParser::new(Action::NAMES.map(|(_, name)| name)))]
    action: Option<String>,
    /// What it was done to, as the record says it: the id of a session, a key or a client, "audience NAME" …
    #[arg(long, allow_hyphen_values = true, value_name = "TEXT")]
    target: Option<String>,
    /// Not earlier than this: a date (its begin in UTC) or a time like 2026-11-27T10:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<u64>,
    /// Earlier than this.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<u64>,
}

impl Filter {
    /// The path that asks for `limit` of them, from the one after that number on or from the newest back.
    fn path(&self, after: Option<u64>, limit: u64) -> String {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let (after, limit) = (number(after), limit.to_string());
        let (since, until) = (number(self.since), number(self.until));
        query(
            "/admin/audit",
            &[
                ("user", self.user.as_deref()),
                ("sub", self.sub.as_deref()),
                ("actor", self.actor.as_deref()),
                ("action", self.action.as_deref()),
                ("target", self.target.as_deref()),
                ("since", since.as_deref()),
                ("until", until.as_deref()),
                ("after", after.as_deref()),
                ("limit", Some(&limit)),
            ],
        )
    }
}

/// A date or a time, in microseconds since 1970 UTC.
fn moment(text: &str) -> Result<u64, String> {
    let date = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    let time = text.parse::<Timestamp>().ok().or_else(|| Some(date()?.timestamp()));
    time.and_then(|time| u64::try_from(time.as_microsecond()).ok())
        .ok_or_else(|| "write a date like 2026-11-27, or a time like 2026-11-27T10:00:00Z".into())
}

pub(super) async fn run(command: AuditCommand) -> Result<(), Failed> {
    match command {
        AuditCommand::List { common, filter, limit } => {
            let found = common.ask(&filter.path(None, limit)).await?;
            common.show(&found, || words(&found))
        }
        AuditCommand::Export { place, filter, limit } => {
            let door = Door::to_ask(&place.config()?).await?;
            export(&door, &filter, limit.unwrap_or(u64::MAX)).await
        }
    }
}

/// Page by page, each printed before the next is asked for.
async fn export(door: &Door, filter: &Filter, mut left: u64) -> Result<(), Failed> {
    let mut after = 0;
    while left > 0 {
        let asked = left.min(PAGE as u64);
        let page = door.call(Method::GET, &filter.path(Some(after), asked), Value::Null).await?;
        let lines: Vec<String> = each(&page).map(json_line).collect();
        let Some(last) = each(&page).last().and_then(|record| record["number"].as_u64()) else {
            return Ok(());
        };
        print(&lines.join("\n"), "the export is not whole")?;
        after = last;
        left -= lines.len() as u64;
    }
    Ok(())
}

fn words(found: &Value) -> String {
    let row = |record| {
        let [at, actor, action] = ["at", "actor", "action"].map(|member| text(record, member));
        let [sub, target, reason] = ["sub", "target", "reason"].map(|member| text(record, member));
        let change = match (record["before"].as_str(), record["after"].as_str()) {
            (Some(before), Some(after)) => format!("{before} → {after}"),
            (before, after) => after.or(before).unwrap_or_default().to_owned(),
        };
        [at, actor, action, sub, target, change, reason]
    };
    let headings = ["AT", "WHO", "WHAT", "ACCOUNT", "TARGET", "CHANGE", "WHY"];
    table(headings, each(found).map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_or_a_moment_and_nothing_else() {
        assert_eq!(moment("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert_eq!(moment("1970-01-01T02:00:01+02:00"), Ok(1_000_000));
        for bad in ["", "yesterday", "1969-12-31", "2026-13-01", "10:00"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
