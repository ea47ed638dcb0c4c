//! `rescind backup`.

use super::call::Common;
use super::failed::Failed;
use crate::store::sqlite::{FILE_NAME, backup};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Copy the store, whether an authority runs or not.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind backup /backup/rescind-2026-11-27.db
  rescind backup copy.db --json

The master key is not in it: keep that once, apart. Copy neither marker.json nor the data folder of a
running authority.")]
pub(super) struct BackupArgs {
    #[command(flatten)]
    common: Common,
    /// The file to be made. It must not exist.
    file: PathBuf,
}

pub(super) async fn run(args: BackupArgs) -> Result<(), Failed> {
    let database = args.common.place.config()?.data.join(FILE_NAME);
    let file = args.file.clone();
    let copying = tokio::task::spawn_blocking(move || backup::copy(&database, &file)).await;
    let copied = copying.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let name = args.file.display().to_string();
    let made = json!({
        "file": name, "bytes": copied.bytes, "epoch": copied.epoch, "pos": copied.pos,
    });
    let words = || {
        format!(
            "copied {} bytes to {name}, as the store was at position {}.\n\
             It opens only with the master key, which is not in it: keep that apart.",
            copied.bytes, copied.pos
        )
    };
    args.common.tell(&made, words, &format!("but the copy is whole: {name}"))
}
