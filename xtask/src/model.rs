//! `cargo xtask model`, and the step of the same name: the models of `model/`, searched whole, and all at
//! once, walked at random.

use std::path::Path;
use std::process::Command;

use crate::steps::{Findings, Run};
use crate::{process, suite};

/// What the searches spend their time in. Everything from elsewhere is optimised as it is.
const HOT: [&str; 4] = ["model", "wire", "verifier", "authority"];

/// Builds and runs the models, as the program's own arguments say. A violation, a state that was not reached,
/// or a mutant that survived is an error.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let mut build = Command::new("cargo");
    // As one of the workspace: what is from elsewhere is then built as for the tests, and not once more.
    build.current_dir(root).args(["build", "--workspace", "--bin", "rescind-model"]);
    for name in HOT {
        build.args(["--config", &format!("profile.dev.package.rescind-{name}.opt-level=3")]);
    }
    process::passes(&mut build)?;
    let mut model = Command::new(suite::target(root)?.join("debug/rescind-model"));
    process::passes(model.args(arguments).current_dir(root))
}

/// The step.
pub(crate) fn step(run: &mut Run) -> Findings {
    match self::run(&run.root, &[]) {
        Ok(()) => Findings { seen: "every model and mutant".to_owned(), ..Findings::default() },
        Err(problem) => Findings::problem(problem),
    }
}
