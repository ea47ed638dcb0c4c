//! The borders between the crates: what each must never be built with; and that nothing that is shipped can be
//! told to fail.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::process;
use crate::steps::{Findings, Run};

/// A package and what its normal dependencies, direct or not, must not hold.
struct Border {
    package: &'static str,
    forbidden: &'static [&'static str],
}

/// The whole list; `docs/architecture.md` gives the reasons.
const BORDERS: &[Border] = &[
    Border {
        package: "rescind-wire",
        forbidden: &[
            "tokio",
            "hyper",
            "axum",
            "rusqlite",
            "rescind-authority",
            "rescind-server",
            "rescind-verifier",
        ],
    },
    Border {
        package: "rescind-authority",
        forbidden: &[
            "axum",
            "axum-core",
            "hyper",
            "rusqlite",
            "libsqlite3-sys",
            "rescind-server",
            "rescind-verifier",
        ],
    },
    Border { package: "rescind-server", forbidden: &["rescind-testkit"] },
    Border {
        package: "rescind-verifier",
        forbidden: &[
            "axum",
            "argon2",
            "rusqlite",
            "libsqlite3-sys",
            "rescind-authority",
            "rescind-server",
        ],
    },
    Border {
        package: "posts-api",
        forbidden: &["argon2", "rusqlite", "libsqlite3-sys", "rescind-authority", "rescind-server"],
    },
];

/// What is shipped: the packages that are built together.
const SHIPPED: &[&[&str]] =
    &[&["rescind-server"], &["posts-api"], &["rescind-server", "posts-api"]];
/// Features by which a test or the torture rig plants a failure.
const PLANTED: [&str; 2] = ["failpoints", "defects"];

/// The step.
pub(crate) fn step(run: &mut Run) -> Findings {
    let mut problems = Vec::new();
    for border in BORDERS {
        match dependencies(&run.root, border.package) {
            Ok(found) => problems.extend(crossings(border, &found)),
            Err(problem) => problems.push(problem),
        }
    }
    for packages in SHIPPED {
        match features(&run.root, packages) {
            Ok(tree) => problems.extend(planted(packages, &tree)),
            Err(problem) => problems.push(problem),
        }
    }
    let seen = format!("{} crates, {} shipped builds", BORDERS.len(), SHIPPED.len());
    Findings { problems, notes: Vec::new(), seen }
}

/// The names of the packages that a package is built with, itself included.
fn dependencies(root: &Path, package: &str) -> Result<BTreeSet<String>, String> {
    let mut command = Command::new("cargo");
    command.args(["tree", "--locked", "--package", package, "--edges", "normal", "--all-features"]);
    command.args(["--prefix", "none", "--format", "{p}"]).current_dir(root);
    Ok(names(&process::output(&mut command)?))
}

fn names(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(String::from).collect()
}

fn crossings(border: &Border, found: &BTreeSet<String>) -> Vec<String> {
    let package = border.package;
    if !found.contains(package) {
        return vec![format!("{package}: its dependencies cannot be read")];
    }
    let crossed = border.forbidden.iter().filter(|name| found.contains(**name));
    let why = |name| format!("{package} is built with {name}: `cargo tree -p {package} -i {name}`");
    crossed.map(why).collect()
}

/// A line for each package that these are built with: its name, `|`, its features.
fn features(root: &Path, packages: &[&str]) -> Result<String, String> {
    let mut command = Command::new("cargo");
    command.args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none"]);
    command.args(["--format", "{p}|{f}"]).current_dir(root);
    for package in packages {
        command.args(["--package", package]);
    }
    process::output(&mut command)
}

fn planted(packages: &[&str], tree: &str) -> Vec<String> {
    let build = packages.join(" with ");
    let lines: Vec<(&str, &str)> = tree.lines().filter_map(|line| line.split_once('|')).collect();
    let named = |package: &&str| lines.iter().any(|(p, _)| p.split(' ').next() == Some(package));
    if !packages.iter().all(named) {
        return vec![format!("{build}: the features cannot be read")];
    }
    let features = lines.iter().flat_map(|(package, features)| {
        let features = features.split_whitespace().next().unwrap_or_default();
        features.split(',').map(move |feature| (package, feature))
    });
    features
        .filter(|(_, feature)| PLANTED.contains(feature))
        .map(|(package, feature)| format!("{build}: shipped with `{feature}` of {package}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BORDER: Border = Border { package: "a", forbidden: &["axum"] };

    #[test]
    fn a_forbidden_dependency_is_found_however_deep() {
        let found = names("a v0.1.0 (/r/a)\nb v1.0.0\naxum v0.8.0 (*)\n");
        assert_eq!(crossings(&BORDER, &found).len(), 1);
    }

    #[test]
    fn a_name_that_only_begins_alike_is_none() {
        let found = names("a v0.1.0 (/r/a)\naxum-core v0.5.0\n");
        assert!(crossings(&BORDER, &found).is_empty());
    }

    #[test]
    fn a_tree_without_the_package_is_no_proof() {
        assert_eq!(crossings(&BORDER, &names("")).len(), 1);
    }

    #[test]
    fn a_shipped_build_that_can_be_told_to_fail_is_found() {
        let shipped = "a v0.1.0 (/r/a)|\nfail v0.5.1|\nb v1.0.0|default,std (*)\n";
        assert!(planted(&["a"], shipped).is_empty());
        let armed = "a v0.1.0 (/r/a)|default,failpoints\nfail v0.5.1|failpoints (*)\n";
        assert_eq!(planted(&["a"], armed).len(), 2);
        assert_eq!(planted(&["a"], "a v0.1.0 (/r/a)|defects (*)\n").len(), 1);
    }

    #[test]
    fn features_that_cannot_be_read_are_no_proof() {
        assert_eq!(planted(&["a", "b"], "a v0.1.0 (/r/a)|\n").len(), 1);
    }
}
