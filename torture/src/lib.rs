//! The promise under attack. An authority, verifiers and people as real processes and tasks on this machine,
//! faults from a seed, and an observer that keeps what was seen and judges it when all is over.
//!
//! - [`history`]: what was seen · [`judge`]: whether the promise was broken, a pure function of it
//! - [`realm`]: the processes and who they are · [`process`], [`skew`]: one of them, and its clock
//! - [`proxy`]: the network between verifiers and authority · [`owner`]: whose connection it is · [`network`]: one with a
//!   line that can be down
//! - [`doors`]: what may be asked of them · [`people`], [`acts`], [`ghosts`]: who asks · [`faults`]: what breaks
//! - [`run`]: all of it together · [`report`]: what is said in the end
//!
//! The processes are this program again, told to be one of [`programs`]. Never shipped.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a broken rig must stop")]

pub mod acts;
pub mod doors;
pub mod draw;
pub mod faults;
pub mod ghosts;
pub mod history;
pub mod judge;
pub mod network;
pub mod owner;
pub mod people;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod realm;
pub mod report;
pub mod run;
pub mod skew;

/// The boot clock of this machine, in microseconds: one for all processes on it, whatever their wall clocks say.
pub fn boot() -> u64 {
    rescind_server::clock::machine().boot
}

/// The value of `--name` among the arguments of this process.
pub fn argument(name: &str) -> Option<String> {
    let mut all = std::env::args().skip_while(|argument| argument != name);
    all.next().and(all.next())
}
