//! Finds the demo's API server: a program of its own, which links the verifier and nothing of the
//! authority. In a checkout it is built first.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The program's path.
pub(super) async fn find() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let beside = own.with_file_name("posts-api");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    #[expect(clippy::disallowed_methods, reason = "cargo run says here which cargo it is")]
    let cargo = std::env::var_os("CARGO");
    match cargo {
        Some(cargo) if workspace.join("examples/posts-api").is_dir() => {
            build(cargo, &workspace, &own).await?;
        }
        _ if beside.is_file() => {}
        _ => {
            return Err(format!(
                "the demo's API server is not at {}: run the demo from a checkout by \
                 `cargo run --release -- demo`, or put posts-api there",
                beside.display()
            ));
        }
    }
    Ok(beside)
}

async fn build(cargo: OsString, workspace: &Path, own: &Path) -> Result<(), String> {
    let mut command = Command::new(cargo);
    command.current_dir(workspace).args(["build", "--package", "posts-api"]);
    let folder = own.parent().unwrap_or(Path::new("."));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    // Cargo's progress goes to standard error, where a person sees it.
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let status = command.status().await.map_err(|error| format!("cannot run cargo: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err("the demo's API server did not build: see above".into()),
    }
}
