//! `cargo xtask model`, and the step of the same name: the models of `model/`, searched whole.

use std::path::Path;
use std::process::Command;

use crate::process;
use crate::steps::{Findings, Run};

/// What the searches spend their time in. Everything from elsewhere is optimised as it is.
const HOT: [&str; 4] = ["model", "wire", "verifier", "authority"];

/// Builds and runs the models, or only the one of this name. A violation, a state that was not reached, or
/// a mutant that survived is an error.
pub(crate) fn run(root: &Path, only: Option<&str>) -> Result<(), String> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["run", "-p", "rescind-model"]);
    for name in HOT {
        command.args(["--config", &format!("profile.dev.package.rescind-{name}.opt-level=3")]);
    }
    process::passes(command.arg("--").args(only))
}

/// The step.
pub(crate) fn step(run: &mut Run) -> Findings {
    match self::run(&run.root, None) {
        Ok(()) => Findings { seen: "every model and mutant".to_owned(), ..Findings::default() },
        Err(problem) => Findings::problem(problem),
    }
}
