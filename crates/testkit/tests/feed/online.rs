//! Routes that ask the authority.

use crate::{Device, ask, assert_unavailable, is_revoked, is_stale, quick};
use futures_util::future::join_all;
use rescind_testkit::server::operator;
use rescind_wire::revocation::Target;

/// Rounds of each of so many devices at once.
const ROUNDS: usize = 50;
const DEVICES: usize = 10;

//
#[tokio::test(flavor = "multi_thread")]
async fn what_was_revoked_before_is_refused_by_the_very_next_online_request() {
    let authority = quick().await;
    let verifier = authority.verifier().await;
    let story = async || {
        let mut device = Device::sign_in(&authority).await;
        let mut refused = 0;
        for round in 0..ROUNDS {
            assert_eq!(device.refresh().await, 200);
            if round % 10 == 0 {
                assert_eq!(ask(&verifier, &device.access, true).await.status(), 200);
            }
            authority.app.authority.revoke(Target::Token(device.jti()), operator()).await.unwrap();
            let judged = verifier.check_online(&device.access).await;
            assert!(is_revoked(&judged), "round {round}: {judged:?}");
            refused += 1;
        }
        refused
    };
    let refused = join_all((0..DEVICES).map(|_| story())).await;
    assert_eq!(refused.iter().sum::<usize>(), 500);
}

// R-36, P07
#[tokio::test(flavor = "multi_thread")]
async fn with_the_authority_dead_an_online_route_answers_503_and_a_local_one_goes_on() {
    let authority = quick().await;
    let verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    assert_eq!(ask(&verifier, &device.access, true).await.status(), 200);
    let (clock, _folder) = (authority.clock.clone(), authority.stop().await);
    for _ in 0..3 {
        assert_unavailable(&ask(&verifier, &device.access, true).await);
        assert!(is_stale(&verifier.check_online(&device.access).await));
    }
    assert_eq!(ask(&verifier, &device.access, false).await.status(), 200);
    clock.advance(crate::S);
    assert_unavailable(&ask(&verifier, &device.access, false).await);
    // What is no token of this realm is refused without asking.
    assert_eq!(ask(&verifier, "rubbish", true).await.status(), 401);
}
