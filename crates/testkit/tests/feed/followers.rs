//! Many followers, and slow ones.

use crate::hand::Follower;
use crate::{quick, revoke_nobodys};
use futures_util::future::join_all;
use rescind_testkit::server::TestAuthority;
use std::sync::Arc;

const FOLLOWERS: usize = 200;
const ENTRIES: u64 = 60;

// P04
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_followers_get_every_entry_once_and_in_order() {
    let authority = Arc::new(quick().await);
    let early =
        join_all((0..FOLLOWERS / 2).map(|_| Follower::from_the_beginning(&authority))).await;
    let mut readers: Vec<_> = early.into_iter().map(read_all).collect();
    for n in 1..=ENTRIES {
        revoke_nobodys(&authority, n).await;
        if n == ENTRIES / 2 {
            let late = (0..FOLLOWERS / 2).map(|_| Follower::from_the_beginning(&authority));
            readers.extend(join_all(late).await.into_iter().map(read_all));
        }
    }
    assert_eq!(readers.len(), FOLLOWERS);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), ENTRIES);
    }
}

fn read_all(mut follower: Follower) -> tokio::task::JoinHandle<u64> {
    tokio::spawn(async move {
        follower.take_until(ENTRIES).await;
        follower.pos
    })
}

// P04
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_does_not_read_holds_up_nobody_and_loses_nothing() {
    let authority: TestAuthority = quick().await;
    let mut slow = Follower::from_the_beginning(&authority).await;
    let mut quick = Follower::from_the_beginning(&authority).await;
    // More frames than the feed keeps: one for each entry, for each is awaited.
    let entries = 4_500;
    for n in 1..=entries {
        revoke_nobodys(&authority, n).await;
        quick.take_until(n).await;
    }
    assert_eq!(quick.pos, entries);
    slow.take_until(entries).await;
    let mut late = Follower::from_the_beginning(&authority).await;
    assert_eq!(late.take_until(entries).await, 1, "the frames are gone, the log is not");
}
