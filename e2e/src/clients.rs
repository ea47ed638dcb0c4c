//! Other people's libraries: the scripts in `clients/`, run by Node.js and Python.
//!
//! `JOSE_DIR` names the folder of the npm package jose, `PYJWT_PYTHON` a Python that has PyJWT.

use crate::program;
use rescind_testkit::http::Http;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A library that verifies tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// jose, for JavaScript.
    Jose,
    /// PyJWT.
    PyJwt,
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

fn node(name: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(script(name)).env("JOSE_DIR", program("JOSE_DIR"));
    command
}

impl Library {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Jose, Self::PyJwt];

    fn command(self) -> Command {
        match self {
            Self::Jose => node("verify.mjs"),
            Self::PyJwt => {
                let mut command = Command::new(program("PYJWT_PYTHON"));
                command.arg("-B").arg(script("verify.py"));
                command
            }
        }
    }

    /// Gives it this on standard input; gives the lines that it prints.
    pub fn verify(self, asked: &serde_json::Value) -> Vec<String> {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{self:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

/// The server of `rotation.mjs`. Dropping it kills it.
pub struct Checker {
    child: Child,
    port: u16,
}

impl Checker {
    /// Starts one that verifies tokens of this issuer for this audience.
    pub fn start(issuer: &str, audience: &str) -> Self {
        let mut command = node("rotation.mjs");
        command.args([issuer, audience]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(port) = line.trim().parse() else {
            let _ = child.kill();
            panic!("it says no port: {line:?} {:?}", child.wait());
        };
        Self { child, port }
    }

    /// A client of its HTTP.
    pub fn http(&self) -> Http {
        Http::new(&format!("http://127.0.0.1:{}", self.port))
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
