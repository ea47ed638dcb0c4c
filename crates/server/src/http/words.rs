//! Times, devices and failures in words for people.

use crate::http::problem::Failure;
use jiff::Timestamp;
use rescind_authority::audit::{Action, Actor, Record};
use rescind_authority::session::Session;
use rescind_wire::id::Sub;
use rescind_wire::problem::ProblemCode;
use std::borrow::Cow;

/// What went wrong and what to do, where the failure's own words are for programs.
pub(super) fn failure(failure: &Failure) -> Cow<'static, str> {
    let text = match (failure.code(), failure.wait()) {
        (ProblemCode::Csrf, _) => {
            "This form is from another page or too old. Go back and try again."
        }
        (ProblemCode::Unauthenticated, _) => "You are signed out. Sign in, then try again.",
        (ProblemCode::InvalidCredentials, _) => "Name or password is wrong. Try again.",
        (ProblemCode::TooManyRequests, Some(seconds)) => {
            let wait = span(seconds);
            return format!("Too many attempts. Wait {wait}, then try again.").into();
        }
        _ => failure.detail(),
    };
    text.into()
}

/// At least so long.
fn span(seconds: u64) -> String {
    match seconds {
        0..=1 => "a second".into(),
        2..=90 => format!("{seconds} seconds"),
        91..=5400 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3600)),
    }
}

/// A time (microseconds since 1970 UTC) as RFC 3339, to the second.
pub(super) fn rfc3339(at: u64) -> String {
    let seconds = i64::try_from(at / 1_000_000).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| String::new(), |t| t.to_string())
}

/// How long ago, roughly.
pub(super) fn ago(at: u64, now: u64) -> String {
    let seconds = now.saturating_sub(at) / 1_000_000;
    let (count, unit) = match seconds {
        0..60 => return "just now".into(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

/// The name its owner gave it, else browser and system as the user agent tells them.
pub(super) fn device(session: &Session) -> String {
    if let Some(name) = &session.device {
        return name.clone();
    }
    let agent = session.user_agent.as_deref().unwrap_or("");
    let first = |table: &[(&str, &'static str)]| {
        table.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    // In this order: each one names those after it, too.
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.into(),
        (None, None) if agent.is_empty() => "Unknown program".into(),
        (None, None) => agent.chars().take(40).collect(),
    }
}

/// What happened to an account, for its owner. Why an administrator did it is not for here.
pub(super) fn event(record: &Record, owner: &Sub) -> String {
    let by_owner = record.actor == Actor::Account(*owner).text();
    let by = if by_owner { "You" } else { "An administrator" };
    let client = record.actor.strip_prefix("client:");
    match (record.action, client) {
        (Action::AccountMade, _) => "The account was made".into(),
        (Action::AccountState, _) => match record.after.as_deref() {
            Some("active") => "An administrator opened the account again".into(),
            _ => "An administrator closed the account and ended all sessions".into(),
        },
        (Action::Roles, _) => {
            let roles = record.after.as_deref().filter(|roles| !roles.is_empty());
            format!("An administrator set your roles: {}", roles.unwrap_or("none"))
        }
        (Action::Password, _) => "You changed the password; other sessions were ended".into(),
        (Action::AccountRevoked, _) => format!("{by} ended all sessions"),
        (Action::Reuse, _) => {
            "A copy of a sign-in was used a second time; that session was ended".into()
        }
        (Action::SessionEnded, Some(client)) => format!("{client} signed out"),
        (Action::SessionEnded, None) => format!("{by} ended a session"),
        (Action::Revoked, Some(client)) => format!("{client} took a token back"),
        _ => format!("{by} changed something"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_roughly() {
        let second = 1_000_000;
        assert_eq!(ago(0, 59 * second), "just now");
        assert_eq!(ago(0, 60 * second), "1 minute ago");
        assert_eq!(ago(0, 7200 * second), "2 hours ago");
        assert_eq!(ago(0, 86_400 * second), "1 day ago");
        assert_eq!(ago(5, 0), "just now");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn whoever_must_wait_is_told_for_how_long() {
        let told = |seconds| failure(&Failure::too_many(seconds)).into_owned();
        assert_eq!(told(1), "Too many attempts. Wait a second, then try again.");
        assert_eq!(told(90), "Too many attempts. Wait 90 seconds, then try again.");
        assert_eq!(told(91), "Too many attempts. Wait 2 minutes, then try again.");
        assert_eq!(told(86_400), "Too many attempts. Wait 24 hours, then try again.");
    }
}
