//! Who is refused while the verifier is busy.

use super::*;
use crate::clock::ManualClock;
use crate::fixture;
use std::sync::mpsc::channel;

// P08
#[test]
fn who_is_refused_does_not_wait_until_a_snapshot_is_taken_in() {
    let core = fixture::core("https://auth.example", Arc::new(ManualClock::default()));
    let taking = core.following.follower();
    let (done, refused) = channel();
    let other = Arc::clone(&core);
    let request = std::thread::spawn(move || done.send(other.count_unavailable(false)));
    let why = refused.recv_timeout(Duration::from_secs(10));
    drop(taking);
    request.join().unwrap().unwrap();
    assert_eq!(why, Ok(Why503::Starting));
}
