//! What the end-to-end tests are made with: the programs as their users start them, a real browser, and
//! other people's libraries.
//!
//! The tests take the programs from the environment: `E2E_RESCIND` (with `posts-api` beside it),
//! `POSTS_API_BIN`, `CHROMEDRIVER`, `CHROMIUM`, `AXE_DIR`, `JOSE_DIR` and `PYJWT_PYTHON`. `cargo xtask test` builds,
//! finds and names them. Never shipped.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken test tool must stop the test"
)]

pub mod axe;
pub mod browser;
pub mod clients;
pub mod demo;
pub mod driver;
pub mod page;
pub mod realm;
pub mod site;
pub mod tls;
pub mod wait;

use std::path::PathBuf;

/// A program that the environment names.
///
/// # Panics
/// If it does not.
#[expect(
    clippy::disallowed_methods,
    reason = "the step that starts these tests names the programs"
)]
pub fn program(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    path.unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask test --only e2e`"))
        .into()
}
