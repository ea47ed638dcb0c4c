//! Store, clock, master key and marker: each by itself, and whether they belong together.

use super::Finding;
use crate::clock::SystemClock;
use crate::keys::{self, KeysError};
use crate::marker::{self, Marker};
use crate::run::{CLOCK_SLACK, Config};
use crate::store::sqlite::FILE_NAME;
use crate::store::sqlite::peek::{self, Look, PeekError, Seen};
use rescind_authority::clock::Clock as _;
use rescind_authority::keyring::Keyring;
use rescind_authority::rollback;
use std::io;
use std::path::Path;

/// A wall clock further behind the log than this is worth a word: a new epoch puts the log a minute ahead.
const BEHIND: u64 = 65_000_000;

const KEY: &str = "master key";

/// All of it.
pub(super) fn look(data: &Path, keys: &Path, config: Option<&Config>) -> Vec<Finding> {
    let remembered = marker::read(keys);
    let looked = match peek::look(&data.join(FILE_NAME)) {
        Ok(looked) => looked,
        Err(PeekError::Missing(path)) => return first(&path, remembered, config),
        Err(error) => {
            let marker = remembered.err().map(|error| Finding::told("marker", error));
            return std::iter::once(Finding::told("store", error)).chain(marker).collect();
        }
    };
    let mut found = vec![store(&looked)];
    if let Some(seen) = &looked.realm {
        let accept = config.is_some_and(|config| config.accept_clock);
        found.push(clock(seen, SystemClock::default().now().wall, accept));
        found.push(match remembered {
            Ok(marker) => judge(marker.as_ref(), seen),
            Err(error) => Finding::told("marker", error),
        });
        found.extend(config.map(|config| master_key(config, seen)));
    }
    found
}

/// There is no store yet, or no longer.
fn first(
    path: &Path,
    remembered: io::Result<Option<Marker>>,
    config: Option<&Config>,
) -> Vec<Finding> {
    let store = match &remembered {
        Ok(None) => {
            let said = format!("{} is not there: the first start makes it", path.display());
            Finding::note("store", said)
        }
        _ => {
            let said = format!("{} is not there, and the keys have served a realm", path.display());
            let todo = "restore it from a backup, or name its folder by --data; for a new realm take a new \
                        key folder, too";
            Finding::problem("store", said, todo)
        }
    };
    let marker = remembered.err().map(|error| Finding::told("marker", error));
    let key = config.map(|config| match keys::look(&config.master, &config.keys, true) {
        Ok(Some(_)) => Finding::ok(KEY, "it is there, for the store that the first start makes"),
        Ok(None) => Finding::note(KEY, "it is not there: the first start draws it"),
        Err(error) => Finding::told(KEY, error),
    });
    std::iter::once(store).chain(marker).chain(key).collect()
}

fn store(looked: &Look) -> Finding {
    let Look { version, known, damage, .. } = looked;
    match damage {
        Some(damage) => Finding::problem(
            "store",
            format!("it is damaged: {damage}"),
            "restore it from a backup",
        ),
        None if version > known => {
            let said = format!("it has version {version}, this program knows {known}");
            Finding::problem("store", said, "start the newer program")
        }
        None if version < known => {
            let said = format!("it has version {version}, the next start makes it {known}");
            Finding::warning("store", said, "back it up first: it does not go back")
        }
        None => Finding::ok("store", format!("sound, of version {version}")),
    }
}

fn clock(seen: &Seen, wall: u64, accept: bool) -> Finding {
    let early = rollback::early_by(seen.swept_to, wall);
    if early > 0 {
        let said =
            format!("it is {early} s before the time up to which revocations were forgotten");
        return match accept {
            true => {
                let todo =
                    "--accept-clock: no access token of before is accepted after the next start";
                Finding::warning("clock", said, todo)
            }
            false => {
                let todo = "set it right, or wait so long: the authority does not start so";
                Finding::problem("clock", said, todo)
            }
        };
    }
    let behind = seen.head.ts.saturating_sub(wall);
    let said = format!("it is {} s behind the store's log", behind / 1_000_000);
    match behind {
        behind if behind <= BEHIND => Finding::ok("clock", "it is not behind the store's log"),
        behind if behind <= CLOCK_SLACK => {
            Finding::warning("clock", said, "compare it with another, and set it right")
        }
        _ if accept => Finding::warning("clock", said, "--accept-clock: set it right all the same"),
        _ => Finding::problem("clock", said, "set it right: the authority does not start so"),
    }
}

fn judge(marker: Option<&Marker>, seen: &Seen) -> Finding {
    match marker {
        _ if seen.restored => {
            let said = "the store was put in place by `rescind restore`";
            Finding::warning("marker", said, "the next start signs everybody out")
        }
        None if seen.past => {
            let said = "it is not there: nobody knows whether the store is the newest";
            let todo = "put it back if you have just moved it; otherwise the next start signs everybody out";
            Finding::problem("marker", said, todo)
        }
        None => Finding::ok("marker", "the next start writes it"),
        Some(marker) if marker.is_ahead_of(&seen.head) => {
            let said = format!(
                "it has seen the log at {}, and the store stands at {}: the store is older than it was",
                marker.pos, seen.head.pos
            );
            let todo = "put the newest store back; otherwise the next start signs everybody out";
            Finding::problem("marker", said, todo)
        }
        Some(_) => Finding::ok("marker", "it is not ahead of the store"),
    }
}

fn master_key(config: &Config, seen: &Seen) -> Finding {
    let (own, path) = (&config.keys, keys::in_folder(&config.keys));
    let looked = keys::look(&config.master, own, false);
    let master = match looked.and_then(|found| found.ok_or(KeysError::Missing { path })) {
        Ok(master) => master,
        Err(error) => return Finding::told(KEY, error),
    };
    if config.settings.issuer != seen.issuer {
        let said = format!("the store belongs to the issuer {}", seen.issuer);
        return Finding::problem(KEY, said, "set that issuer, or point --data elsewhere");
    }
    if master.name().ok().as_ref() != Some(&seen.master) {
        let todo = "point --keys, or --master-key-file, to the one that the store was made with";
        return Finding::problem(KEY, "it is another realm's", todo);
    }
    match Keyring::open(&master, &seen.issuer, &seen.keys) {
        Ok(_) => Finding::ok(KEY, "it opens the keys in the store"),
        Err(_) => {
            let said = "it does not open the keys in the store: they are damaged";
            Finding::problem(KEY, said, "restore the store from a backup")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::State;
    use rescind_authority::keys::StoredKeys;
    use rescind_authority::store::Head;
    use rescind_wire::id::Epoch;
    use rescind_wire::revocation::Digest;

    fn head(pos: u64, ts: u64) -> Head {
        let (epoch, digest) = (Epoch::from_bytes([1; 16]), Digest([0; 32]));
        Head { epoch, pos, ts, digest, longest_life: 300, iat_limit: 0 }
    }

    fn seen(head: Head, past: bool, restored: bool) -> Seen {
        let (issuer, master) = (String::new(), String::new());
        Seen { issuer, master, head, past, restored, swept_to: 0, keys: StoredKeys::default() }
    }

    #[test]
    fn a_clock_before_what_was_forgotten_is_a_problem_by_a_second() {
        let swept = |swept_to| Seen { swept_to, ..seen(head(1, 0), true, false) };
        assert_eq!(clock(&swept(1_000), 1_000_000_000, false).state, State::Ok);
        let early = clock(&swept(1_000), 999_999_999, false);
        assert_eq!(early.state, State::Problem);
        assert!(early.said.contains("1 s before"), "{}", early.said);
        assert_eq!(clock(&swept(1_000), 0, true).state, State::Warning, "--accept-clock");
    }

    #[test]
    fn a_clock_far_behind_the_log_is_a_problem_and_a_little_behind_is_none() {
        let log = 10 * CLOCK_SLACK;
        for (wall, state) in [
            (log, State::Ok),
            (log - BEHIND, State::Ok),
            (log - BEHIND - 1, State::Warning),
            (log - CLOCK_SLACK, State::Warning),
            (log - CLOCK_SLACK - 1, State::Problem),
        ] {
            assert_eq!(clock(&seen(head(1, log), true, false), wall, false).state, state, "{wall}");
        }
        let accepted = clock(&seen(head(1, log), true, false), 0, true);
        assert_eq!(accepted.state, State::Warning, "--accept-clock");
    }

    #[test]
    fn a_marker_that_is_ahead_tells_that_the_store_is_older() {
        let marker = Marker::of(&head(5, 500), &StoredKeys::default());
        let seen = |pos, ts, past, restored| seen(head(pos, ts), past, restored);
        assert_eq!(judge(Some(&marker), &seen(4, 400, true, false)).state, State::Problem);
        assert_eq!(judge(Some(&marker), &seen(5, 500, true, false)).state, State::Ok);
        assert_eq!(judge(Some(&marker), &seen(5, 500, true, true)).state, State::Warning);
        assert_eq!(judge(None, &seen(5, 500, true, false)).state, State::Problem);
        assert_eq!(judge(None, &seen(0, 500, false, false)).state, State::Ok);
    }

    #[test]
    fn a_store_of_another_version_or_with_damage_is_told_apart() {
        let look = |version, damage: Option<&str>| {
            store(&Look { version, known: 2, damage: damage.map(Into::into), realm: None }).state
        };
        assert_eq!(look(2, None), State::Ok);
        assert_eq!(look(1, None), State::Warning);
        assert_eq!(look(3, None), State::Problem);
        assert_eq!(look(2, Some("a page is missing")), State::Problem);
    }
}
