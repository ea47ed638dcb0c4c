//! Sessions: how they begin and end, how a cookie's line moves, and what a copy of the store is worth.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod beginning;
mod cookie_line;
mod dump;
mod ending;
mod held;
mod late_answers;
mod many;
mod under_way;
