//! How many instructions a check takes, counted by callgrind (Debian's `valgrind`): figures that do not depend on the
//! machine's pace. Run by hand: `rescind-bench count`.

use crate::Outcome;
use crate::bench::Bench;
use crate::verify::{Checked, signed_parts};
use aws_lc_rs::signature::ParsedPublicKey;
use rescind_verifier::Verifier;
use rescind_wire::jws::Alg;
use std::hint::black_box;
use std::process::Command;

/// Live revocations: of a token, a session and an account.
const REVOCATIONS: usize = 10_000;
/// How often that is done which is counted.
const TIMES: usize = 64;

/// What is counted: its name as an argument, and what it is.
const COUNTED: [(&str, &str); 6] = [
    ("known", "a token that is known"),
    ("nothing", "the same, without any live revocation"),
    ("es256", "a new token, ES256"),
    ("es256-bare", "its signature alone"),
    ("ed25519", "a new token, Ed25519"),
    ("ed25519-bare", "its signature alone"),
];

/// Counts all, each in a process of its own.
pub(crate) fn page() -> Outcome<String> {
    let mut page = "| What | Instructions |\n|---|---|\n".to_owned();
    for (name, about) in COUNTED {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        valgrind.args(["--collect-atstart=no", "--toggle-collect=*count::counted_*"]);
        let output = valgrind.arg(std::env::current_exe()?).args(["counted", name]).output();
        let output = output.map_err(|error| format!("valgrind does not start: {error}"))?;
        let text = String::from_utf8_lossy(&output.stderr);
        let counted = text.lines().find_map(|line| line.split_once("Collected : "));
        let counted: usize = counted.ok_or_else(|| text.clone().into_owned())?.1.trim().parse()?;
        if !output.status.success() || counted == 0 {
            return Err(text.into());
        }
        page.push_str(&format!("| {about} | {} |\n", counted / TIMES));
    }
    Ok(page)
}

/// Does one of them so often, for callgrind.
pub(crate) fn alone(name: &str) -> Outcome<String> {
    let bench = Bench::new(true)?;
    let alg = if name.starts_with("ed25519") { Alg::Ed25519 } else { Alg::Es256 };
    let revocations = if name == "nothing" { 0 } else { REVOCATIONS };
    let checked = Checked::new(&bench, alg, revocations)?;
    // All that happens once has happened before.
    let first = checked.tokens(TIMES)?;
    first.iter().try_for_each(|token| checked.verifier.check(token).map(drop))?;
    let new = checked.tokens(TIMES)?;
    let tokens = if ["known", "nothing"].contains(&name) { first } else { new };
    for token in tokens {
        if name.ends_with("-bare") {
            let (message, signature) = signed_parts(&token)?;
            counted_signature(&checked.key, &message, &signature)?;
        } else {
            counted_check(&checked.verifier, &token)?;
        }
    }
    Ok(String::new())
}

#[inline(never)]
fn counted_check(verifier: &Verifier, token: &str) -> Outcome {
    black_box(verifier.check(token)?);
    Ok(())
}

#[inline(never)]
fn counted_signature(key: &ParsedPublicKey, message: &[u8], signature: &[u8]) -> Outcome {
    Ok(key.verify_sig(message, signature)?)
}
