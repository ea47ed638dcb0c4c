//! The binary `rescind` with fail points compiled in, so that tests can end it at named points
//! (`FAILPOINTS="store::after_commit=return"`).

use std::process::ExitCode;

fn main() -> ExitCode {
    // Holds the fail points of the environment until the end.
    let _scenario = fail::FailScenario::setup();
    rescind_server::cli::main()
}
