//! Entries in order: gaps, repetitions, and followers that are behind.

use crate::hand::Follower;
use crate::proxy::{FEED, SNAPSHOT};
use crate::{Device, behind_proxy, is_revoked, quick, revoke, revoke_nobodys};
use futures_util::future::join_all;
use rescind_testkit::server::until;
use rescind_wire::frame::{Frame, MAX_DELTA};
use rescind_wire::id::Epoch;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

// P04
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_leads_to_a_snapshot_before_anything_is_trusted() {
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    revoke_nobodys(&authority, 1).await;
    authority.caught_up(&verifier).await;
    let (lost, kept) = (Device::sign_in(&authority).await, Device::sign_in(&authority).await);
    let asked = proxy.asked(SNAPSHOT);
    let dropped = AtomicBool::new(false);
    let (issuer, keys) = (authority.issuer().to_owned(), crate::hand::feed_keys(&authority));
    proxy.change(FEED, move |frame| {
        let delta = rescind_wire::frame::open(&frame, &issuer, &keys).unwrap();
        let first = matches!(delta, Frame::Delta { .. }) && !dropped.swap(true, Ordering::SeqCst);
        if first { Vec::new() } else { vec![frame] }
    });
    let frames = proxy.frames(FEED).len();
    revoke(&authority, &lost).await;
    until("the frame that is dropped", || proxy.frames(FEED).len() > frames).await;
    revoke(&authority, &kept).await;
    until("both", || {
        is_revoked(&verifier.check(&lost.access)) && is_revoked(&verifier.check(&kept.access))
    })
    .await;
    assert!(proxy.asked(SNAPSHOT) > asked);
    authority.caught_up(&verifier).await;
    assert_eq!(verifier.status().entries, 3);
}

// P04
#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_old_frames_change_nothing() {
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    let good = Device::sign_in(&authority).await;
    let all: Mutex<Vec<Vec<u8>>> = Mutex::default();
    // Each frame, then everything that ever was, newest first, then the frame again.
    proxy.change(FEED, move |frame| {
        let mut all = all.lock().unwrap();
        all.push(frame.clone());
        [frame.clone()].into_iter().chain(all.iter().rev().cloned()).chain([frame]).collect()
    });
    let asked = proxy.asked(SNAPSHOT);
    for n in 1..=20 {
        let device = Device::sign_in(&authority).await;
        revoke(&authority, &device).await;
        authority.caught_up(&verifier).await;
        assert!(is_revoked(&verifier.check(&device.access)));
        assert_eq!(verifier.status().entries, n);
    }
    assert!(verifier.check(&good.access).is_ok());
    assert!(!verifier.status().stopped);
    assert_eq!(proxy.asked(SNAPSHOT), asked, "no fresh start was needed");
}

// P04
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_from_elsewhere_is_told_to_start_afresh() {
    let authority = quick().await;
    let epoch = authority.app.authority.store().head().await.unwrap().epoch;
    for n in 1..=5 {
        revoke_nobodys(&authority, n).await;
    }
    let mut whole = Follower::from_the_beginning(&authority).await;
    whole.take_until(5).await;
    let other = Epoch::from_bytes([9; 16]);
    for (epoch, from) in [(epoch, 6), (epoch, u64::MAX), (other, 0), (other, 2), (other, 5)] {
        let mut lost = Follower::open(&authority, epoch, from).await;
        assert_eq!(lost.next().await, Some(Frame::Resync), "{epoch} {from}");
        assert_eq!(lost.next().await, None);
    }
}

// P04, P10
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_behind_the_shared_frames_gets_the_rest_at_once_or_starts_afresh() {
    let authority = quick().await;
    let epoch = authority.app.authority.store().head().await.unwrap().epoch;
    let most = u64::try_from(MAX_DELTA).unwrap() + 1;
    join_all((1..=most).map(|n| revoke_nobodys(&authority, n))).await;
    // The restart forgets the frames, not the log.
    let authority = authority.restart().await;
    let mut far = Follower::open(&authority, epoch, 0).await;
    assert_eq!(far.next().await, Some(Frame::Resync));
    let mut near = Follower::open(&authority, epoch, 1).await;
    assert_eq!(near.take_until(most).await, 1, "in one frame");
    let late = revoke_nobodys(&authority, most + 1).await;
    near.take_until(late).await;
    // A verifier that begins now takes the snapshot, and goes on from there.
    let verifier = authority.verifier().await;
    assert_eq!(verifier.status().entries as u64, late);
    let device = Device::sign_in(&authority).await;
    revoke(&authority, &device).await;
    until("the next", || is_revoked(&verifier.check(&device.access))).await;
}
