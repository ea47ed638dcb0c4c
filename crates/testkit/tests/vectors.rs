//! The vectors for verifiers in other languages are those that the code makes.

use rescind_testkit::vectors;
use std::collections::BTreeSet;
use std::path::Path;

// R-32 R-33
#[test]
fn the_vectors_are_what_the_code_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors");
    let made = vectors::files();
    for (name, text) in &made {
        let file = folder.join(name);
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(kept == *text, "{name} differs: cargo run -p rescind-testkit --bin vectors");
    }
    let kept: BTreeSet<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    assert_eq!(
        kept,
        made.iter().map(|(name, _)| (*name).to_owned()).collect(),
        "none is left over"
    );
}
