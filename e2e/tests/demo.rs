//! `rescind demo` as a process: killed, started again, ended, refused.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod process {
    mod command_line;
    mod kill;
    mod stop;
}
