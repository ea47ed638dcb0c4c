//! Before something big is done: what it would hit, and a question. Scripts say `--yes`.

use super::call::{Common, query};
use super::failed::Failed;
use clap::Args;
use http::Method;
use serde_json::Value;
use std::io::{self, BufRead, IsTerminal as _, Write};

/// Whether to go on without a question.
#[derive(Args)]
pub(super) struct Sure {
    /// Do it without showing what it would hit and asking. Without a terminal it is not done otherwise.
    #[arg(long)]
    yes: bool,
}

impl Sure {
    /// Counts what belongs to `whose`, says in `words` what would happen to it, and asks.
    pub(super) async fn confirm(
        &self,
        common: &Common,
        whose: &[(&str, Option<&str>)],
        words: impl FnOnce(&str) -> String,
    ) -> Result<(), Failed> {
        if self.yes {
            return Ok(());
        }
        // Not `ask`: what comes after it is a change.
        let path = query("/admin/affected", whose);
        let affected = common.act(Method::GET, &path, Value::Null).await?;
        self.agree(&words(&counted(&affected)))
    }

    /// Says what would happen, and asks.
    pub(super) fn agree(&self, what: &str) -> Result<(), Failed> {
        if self.yes {
            return Ok(());
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            let said = format!("{what} Nothing was done: add --yes to do it without a question");
            return Err(Failed::usage(said));
        }
        ask(what, &mut io::stdin().lock(), &mut io::stderr())
    }
}

fn counted(affected: &Value) -> String {
    let count = |member: &str| affected[member].as_u64().unwrap_or_default();
    let many =
        |count: u64, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let (sessions, accounts) = (count("sessions"), count("accounts"));
    format!("{} of {}", many(sessions, "live session"), many(accounts, "account"))
}

fn ask(what: &str, input: &mut impl BufRead, output: &mut impl Write) -> Result<(), Failed> {
    let failed = |error: io::Error| Failed::from(format!("cannot ask ({error}): nothing was done"));
    write!(output, "{what}\nGo on? [y/N] ").and_then(|()| output.flush()).map_err(failed)?;
    let mut answer = String::new();
    input.read_line(&mut answer).map_err(failed)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err("nothing was done".to_owned().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_plain_yes_goes_on() {
        for (answer, goes_on) in [
            ("y\n", true),
            ("YES\n", true),
            ("yes", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yesterday\n", false),
        ] {
            let mut said = Vec::new();
            let asked = ask("This ends all.", &mut answer.as_bytes(), &mut said);
            assert_eq!(asked.is_ok(), goes_on, "{answer:?}");
            assert!(String::from_utf8(said).unwrap().starts_with("This ends all.\n"));
        }
    }

    #[test]
    fn what_would_be_hit_is_counted_in_words() {
        let hit =
            |sessions, accounts| counted(&json!({ "sessions": sessions, "accounts": accounts }));
        assert_eq!(hit(12, 9), "12 live sessions of 9 accounts");
        assert_eq!(hit(1, 1), "1 live session of 1 account");
        assert_eq!(hit(0, 0), "0 live sessions of 0 accounts");
    }
}
