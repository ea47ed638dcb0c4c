//! How a command fails: in words that say what to do next, and with an exit code that a script can tell
//! apart.

use super::out::note;
use crate::admin::client::CallError;
use std::process::ExitCode;

/// Refused, or it could not be done.
const REFUSED: u8 = 1;
/// Wrong usage; clap's own code.
const USAGE: u8 = 2;
/// Nobody knows whether it was done.
const UNKNOWN: u8 = 3;

/// Why a command did not end well.
#[derive(Debug)]
pub(super) struct Failed {
    said: String,
    code: u8,
}

impl Failed {
    /// The command line is not enough to go on.
    pub(super) fn usage(said: String) -> Self {
        Self { said, code: USAGE }
    }

    /// Says it on standard error; gives the exit code.
    pub(super) fn exit(self) -> ExitCode {
        note(&format!("rescind: {}", self.said));
        ExitCode::from(self.code)
    }
}

impl From<String> for Failed {
    fn from(said: String) -> Self {
        Self { said, code: REFUSED }
    }
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        let code = match error {
            CallError::Unknown(_) => UNKNOWN,
            _ => REFUSED,
        };
        Self { said: error.to_string(), code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_lost_has_an_exit_code_of_its_own_and_says_what_to_do() {
        let lost = Failed::from(CallError::Unknown("connection reset".into()));
        assert_eq!(lost.code, UNKNOWN);
        assert!(lost.said.contains("may or may not be done") && lost.said.contains("again"));
        let asked = Failed::from(CallError::Connection("connection reset".into()));
        assert_eq!(asked.code, REFUSED);
    }
}
