use super::*;
use futures_util::{FutureExt as _, StreamExt as _};
use rescind_wire::revocation::Digest;
use std::pin::pin;
use std::time::Duration;

const EPOCH: Epoch = Epoch::from_bytes([1; 16]);
const BOUNDS: Bounds = Bounds { followers: (10, 10), frames: 4 };

/// Lets everybody, and sends who is elsewhere for a snapshot.
struct Open;

impl Source for Open {
    type Reader = ();

    async fn allows(&self, (): &()) -> bool {
        true
    }
    fn cut_off(&self, (): &()) {}
    async fn elsewhere(&self, _: Beyond) -> Option<Next> {
        Some(Next::Resync(Bytes::from_static(b"resync")))
    }
}

fn at(pos: u64) -> Position {
    Position { epoch: EPOCH, pos, ts: pos, digest: Digest([0; 32]) }
}

fn frame(pos: u64) -> Bytes {
    Bytes::from(format!("frame {pos}"))
}

// P08 P09
#[tokio::test]
async fn who_does_not_read_falls_off_the_ring_and_holds_up_nobody() {
    let hub = Hub::new(Open, at(0), &BOUNDS);
    let mut slow = pin!(hub.follow("slow", (), (EPOCH, 0)).unwrap());
    let mut quick = pin!(hub.follow("quick", (), (EPOCH, 0)).unwrap());
    for pos in 1..=6 {
        hub.push(pos, at(pos), frame(pos), 0);
        let next = quick.next().now_or_never().expect("it waits for nobody");
        assert_eq!(next.unwrap().unwrap(), frame(pos));
    }
    assert_eq!(slow.next().await.unwrap().unwrap(), "resync");
    assert!(slow.next().await.is_none());
    assert_eq!((hub.resyncs(), hub.after(0).len()), (1, 4));
    // Whoever is within the ring reads on.
    let mut late = pin!(hub.follow("late", (), (EPOCH, 3)).unwrap());
    assert_eq!(late.next().await.unwrap().unwrap(), frame(4));
}

// P09
#[tokio::test]
async fn the_ring_is_bounded_in_bytes_and_in_time() {
    let hub = Hub::new(Open, at(0), &BOUNDS);
    hub.push(1, at(1), vec![0; RING_BYTES - 10].into(), 0);
    hub.push(2, at(2), vec![0; 10].into(), 0);
    assert_eq!(hub.after(0).len(), 2);
    hub.push(3, at(3), vec![0; 1].into(), 0);
    assert_eq!(hub.size_after(0), (2, 11), "the first had to go");
    hub.push(4, at(4), frame(4), RING_TIME);
    assert_eq!(hub.after(0).len(), 3);
    hub.push(5, at(5), frame(5), RING_TIME + 1);
    assert_eq!(hub.first_after(0).unwrap().last, 4);
}

// P02
#[tokio::test]
async fn closing_ends_every_stream() {
    let hub = Hub::new(Open, at(0), &BOUNDS);
    let mut with = pin!(hub.follow("a", (), (EPOCH, 0)).unwrap());
    assert!(with.next().now_or_never().is_none(), "nothing yet");
    hub.close(Some(Bytes::from_static(b"go away")));
    assert_eq!(with.next().await.unwrap().unwrap(), "go away");
    assert!(with.next().await.is_none());
}

// K06: it is signed by the key of before.
#[tokio::test]
async fn after_a_new_beginning_nobody_is_told_a_wish_of_before() {
    let hub = Hub::new(Open, at(0), &BOUNDS);
    hub.ask(frame(0), 0);
    let mut before = pin!(hub.follow("a", (), (EPOCH, 0)).unwrap());
    assert_eq!(before.next().await.unwrap().unwrap(), frame(0));
    hub.restart(at(0));
    let mut after = pin!(hub.follow("a", (), (EPOCH, 0)).unwrap());
    assert!(before.next().now_or_never().is_none() && after.next().now_or_never().is_none());
    hub.ask(frame(1), 0);
    assert_eq!(before.next().await.unwrap().unwrap(), frame(1));
    assert_eq!(after.next().await.unwrap().unwrap(), frame(1));
}

// P09
#[test]
fn who_begins_to_follow_and_who_tells_something_never_wait_for_one_another() {
    let hub = Hub::new(Open, at(0), &BOUNDS);
    let (done, ends) = std::sync::mpsc::channel();
    for told in [true, false] {
        let (hub, done) = (Arc::clone(&hub), done.clone());
        // One that waits for ever is left behind.
        std::thread::spawn(move || {
            for n in 0..50_000 {
                match told {
                    true => hub.keys(frame(n)),
                    false => assert!(hub.follow("a", (), (EPOCH, 0)).is_some()),
                }
            }
            done.send(())
        });
    }
    for _ in 0..2 {
        assert!(ends.recv_timeout(Duration::from_secs(60)).is_ok(), "one of them hangs");
    }
}
