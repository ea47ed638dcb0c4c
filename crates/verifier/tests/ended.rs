//! Waiting for the end of a caller, against an authority over real connections.

#![expect(clippy::unwrap_used, reason = "tests, and what they share")]

mod support;

use rescind_verifier::{Ended, Verifier};
use rescind_wire::revocation::Target;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Authority, Fault, until};
use tokio::task::JoinHandle;

/// Waits in a task of its own, as a socket does.
fn socket(authority: &Authority, verifier: &Verifier, n: u8) -> JoinHandle<Ended> {
    tokio::spawn(verifier.check(&authority.token(n)).unwrap().ended())
}

async fn verifier_of(authority: &Authority) -> Verifier {
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    verifier
}

#[tokio::test]
async fn a_revocation_that_the_feed_brings_ends_its_sockets_and_no_others() {
    let authority = Authority::serve().await;
    let verifier = verifier_of(&authority).await;
    let (one, other) = (socket(&authority, &verifier, 1), socket(&authority, &verifier, 2));
    authority.revoke(&Target::Session(authority.claims(1).sid));
    assert_eq!(one.await.unwrap(), Ended::Revoked);
    assert!(!other.is_finished());
    authority.revoke(&Target::Everything);
    assert_eq!(other.await.unwrap(), Ended::Revoked);
}

#[tokio::test]
async fn cut_off_for_longer_than_the_bound_a_socket_ends_as_unknown() {
    let authority = Authority::serve().await;
    let verifier = verifier_of(&authority).await;
    let socket = socket(&authority, &verifier, 1);
    authority.fault("/head", Fault::Down);
    authority.clock.advance(Duration::from_secs(11));
    assert_eq!(socket.await.unwrap(), Ended::Unknown);
}

#[tokio::test]
async fn with_the_last_verifier_its_sockets_end() {
    let authority = Authority::serve().await;
    let verifier = verifier_of(&authority).await;
    let socket = socket(&authority, &verifier, 1);
    tokio::task::yield_now().await;
    drop(verifier);
    assert_eq!(socket.await.unwrap(), Ended::Unknown);
}
