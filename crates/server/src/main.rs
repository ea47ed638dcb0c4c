//! The binary `rescind`. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    rescind_server::cli::main()
}
