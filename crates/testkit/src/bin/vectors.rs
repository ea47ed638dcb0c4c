//! Writes `docs/vectors/*.json` anew: `cargo run -p rescind-testkit --bin vectors`.

use rescind_testkit::vectors;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors");
    for (name, text) in vectors::files() {
        let file = folder.join(name);
        if let Err(error) = std::fs::write(&file, text) {
            eprintln!("{}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
