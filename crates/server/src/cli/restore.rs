//! `rescind restore`.

use super::call::Common;
use super::confirm::Sure;
use super::failed::Failed;
use super::place::master;
use crate::clock::SystemClock;
use crate::keys;
use crate::store::sqlite::FILE_NAME;
use crate::store::sqlite::restore::{Found, Restore};
use clap::Args;
use jiff::Timestamp;
use rescind_authority::clock::Clock as _;
use serde_json::json;
use std::path::PathBuf;

/// Put a backup in the place of the store, while no authority runs.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind restore /backup/rescind-2026-11-27.db
  rescind restore /backup/rescind-2026-11-27.db --data /var/lib/rescind/data --keys /var/lib/rescind/keys
  rescind restore copy.db --yes --json

The store of before is kept beside it, under a name with the time in it. At the next start a new epoch begins:
everybody signs in again, and no access token of before is taken.")]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    common: Common,
    /// What `rescind backup` has made. It stays where it is.
    file: PathBuf,
    #[command(flatten)]
    sure: Sure,
}

pub(super) async fn run(args: RestoreArgs) -> Result<(), Failed> {
    let RestoreArgs { common, file, sure } = args;
    let tree = common.place.load(Vec::new())?;
    let (source, main) = (master(&tree)?, &tree.tree.main);
    let (database, from) = (main.data.join(FILE_NAME), file.clone());
    let preparing = tokio::task::spawn_blocking(move || Restore::prepare(&database, &from)).await;
    let restore = preparing.map_err(|error| error.to_string())?.map_err(|e| e.to_string())?;
    let issuer = main.issuer.as_ref().map(|issuer| issuer.0.as_str());
    of_this_realm(&restore, issuer)?;
    let key = main.keys.is_dir().then(|| keys::master(&source, &main.keys, false));
    let name = key.map(|key| key.and_then(|key| Ok(key.name()?)).map_err(|e| e.to_string()));
    let unread = match (name, &restore.new.master) {
        (Some(Ok(name)), Some(master)) if name != *master => {
            return Err(format!(
                "the master key is not the one of {}: point --keys, or --master-key-file, to that. Nothing was \
                 changed",
                file.display()
            )
            .into());
        }
        (Some(Err(error)), _) => format!("\nThe master key cannot be read yet: {error}."),
        (None, _) => "\nThe key folder is not there yet: put the master key in place.".to_owned(),
        _ => String::new(),
    };
    let end = kept_as()?;
    let (name, new) = (file.display().to_string(), restore.new.clone());
    sure.agree(&(preview(&restore, &name, &end) + &unread))?;
    let putting = tokio::task::spawn_blocking(move || restore.put(&end)).await;
    let kept = putting.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let kept = kept.map(|path| path.display().to_string());
    let Found { issuer, head, .. } = new;
    let done = json!({
        "file": name, "issuer": issuer, "epoch": head.epoch, "pos": head.pos, "kept": kept,
    });
    let words = || {
        let kept = kept.iter().map(|path| format!("the store of before is {path}; "));
        format!(
            "{name} is in place; {}the next start begins a new epoch, and everybody signs in again",
            kept.collect::<String>()
        )
    };
    common.tell(&done, words, "but it is done")
}

/// That copy and store, or settings, are of one realm, as far as that can be told.
fn of_this_realm(restore: &Restore, configured: Option<&str>) -> Result<(), Failed> {
    let new = &restore.new;
    let old = restore.old.as_ref().and_then(|old| old.as_ref().ok());
    let stored = old.map(|old| old.issuer.as_str());
    if let Some(other) = stored.into_iter().chain(configured).find(|other| *other != new.issuer) {
        let said = format!(
            "the backup belongs to the issuer {}, and this realm is {other}: name its own folders by --data and \
             --keys. Nothing was changed",
            new.issuer
        );
        return Err(said.into());
    }
    let masters = old.and_then(|old| old.master.as_ref()).zip(new.master.as_ref());
    if masters.is_some_and(|(old, new)| old != new) {
        let said = "the backup was made with another master key than the store: it is another realm's. Nothing \
                    was changed";
        return Err(said.to_owned().into());
    }
    Ok(())
}

fn preview(restore: &Restore, file: &str, end: &str) -> String {
    let Found { issuer, head, .. } = &restore.new;
    let old = match &restore.old {
        None => "where there is no store yet".to_owned(),
        Some(Ok(old)) => format!(
            "in place of the store, which stands at {} and is kept as {FILE_NAME}{end}",
            old.head.pos
        ),
        Some(Err(error)) => format!(
            "in place of the store, which cannot be read ({error}) and is kept as {FILE_NAME}{end}"
        ),
    };
    format!(
        "This puts {file}, of {issuer}, its log at {}, {old}.\nWhat was decided since the backup is forgotten: \
         accounts, bans, roles, passwords, clients. At the next start a new epoch begins: everybody signs in \
         again.",
        head.pos
    )
}

/// What the name of the store of before ends with: the time.
fn kept_as() -> Result<String, Failed> {
    let micros = i64::try_from(SystemClock::default().now().wall).ok();
    let now = micros.and_then(|micros| Timestamp::from_microsecond(micros).ok());
    let now = now.ok_or_else(|| "the clock is out of range: set it right".to_owned())?;
    Ok(now.strftime(".before-%Y-%m-%dT%H-%M-%S%.6fZ").to_string())
}
