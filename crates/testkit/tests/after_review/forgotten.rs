//! An authority that ran with its clock set forth, forgot entries whose tokens live, and starts with the
//! clock set right again.

use crate::{HOUR_US, text, with_alice};
use rescind_authority::clock::Clock as _;
use rescind_authority::store::Store;
use rescind_server::run::{Config, StartError, World, open};
use rescind_testkit::accounts::session_of;
use rescind_testkit::clock::{ManualClock, SeededEntropy};
use rescind_testkit::server::{PASSWORD, TestAuthority, operator, until};
use rescind_verifier::{Refusal, Verifier};
use rescind_wire::revocation::Target;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Two sessions; one was ended, and then the authority was started an hour ahead.
struct Story {
    authority: TestAuthority,
    ended: Value,
    kept: Value,
    /// When the entry may be forgotten, in seconds.
    until: u64,
}

impl Story {
    async fn an_hour_ahead() -> Self {
        let authority = with_alice().await;
        let http = authority.http();
        let ended = http.sign_in("alice", PASSWORD).await;
        let kept = http.sign_in("alice", PASSWORD).await;
        let target = Target::Session(session_of(&authority, &text(&ended, "refresh_token")));
        authority.app.authority.revoke(target, operator()).await.unwrap();
        let log = store(&authority).log(0, 1).await.unwrap();
        let until = log.entries.unwrap()[0].until;
        let clock = Arc::clone(&authority.clock);
        let authority = authority.restart_after(async |_| clock.step_wall(HOUR_US)).await;
        Self { authority, ended, kept, until }
    }

    async fn and_swept() -> Self {
        let story = Self::an_hour_ahead().await;
        let now = story.authority.clock.now().wall;
        assert_eq!(store(&story.authority).sweep(now).await.unwrap().entries, 1);
        story
    }
}

fn store(authority: &TestAuthority) -> &dyn Store {
    &**authority.app.authority.store()
}

/// Why it does not start, or `None`.
async fn refused(config: &Config, clock: &Arc<ManualClock>) -> Option<StartError> {
    let world = World { clock: Arc::clone(clock) as _, entropy: Arc::new(SeededEntropy::new(5)) };
    open(config, &world).await.err()
}

fn is_revoked(verifier: &Verifier, tokens: &Value) -> bool {
    matches!(verifier.check(&text(tokens, "access_token")), Err(Refusal::Revoked))
}

// S15 V08 R-34
#[tokio::test(flavor = "multi_thread")]
async fn an_authority_does_not_start_before_the_time_up_to_which_it_has_forgotten() {
    let Story { authority, ended, until, .. } = Story::and_swept().await;
    let clock = Arc::clone(&authority.clock);
    let authority = authority
        .restart_after(async |config| {
            clock.step_wall(-HOUR_US);
            let left = until - clock.now().seconds();
            let error = refused(config, &clock).await.expect("a revoked token would be accepted");
            assert!(matches!(error, StartError::Early { early } if early == left), "{error}");
            clock.advance(Duration::from_secs(left - 1));
            let error = refused(config, &clock).await;
            assert!(matches!(error, Some(StartError::Early { early: 1 })), "{error:?}");
            clock.advance(Duration::from_secs(1));
        })
        .await;
    // Whoever knows nothing of it judges by the date.
    let fresh = authority.verifier_builder().leeway(30).build().await.unwrap();
    assert_eq!(fresh.status().entries, 0);
    let judged = fresh.check(&text(&ended, "access_token"));
    assert!(matches!(judged, Err(Refusal::InvalidToken(_))), "{judged:?}");
}

// S15 V08 R-34
#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_clock_before_what_was_forgotten_refuses_every_token_and_ends_no_session() {
    let Story { mut authority, ended, kept, .. } = Story::and_swept().await;
    let epoch = store(&authority).head().await.unwrap().epoch;
    authority.config.accept_clock = true;
    let clock = Arc::clone(&authority.clock);
    let mut authority = authority.restart_after(async |_| clock.step_wall(-HOUR_US)).await;
    let opened = store(&authority).head().await.unwrap().epoch;
    assert_ne!(opened, epoch);
    for _ in 0..2 {
        let fresh = authority.verifier().await;
        assert!(is_revoked(&fresh, &ended), "its entry is gone, the new epoch's is there");
        assert!(is_revoked(&fresh, &kept), "nobody can tell it from the other");
        let http = authority.http();
        assert_eq!(http.refresh(&text(&ended, "refresh_token"), None).await.status, 400);
        assert_eq!(http.get_as("/whoami", &text(&kept, "refresh_token")).await.status, 200);
        // Once is enough.
        authority = authority.restart().await;
        assert_eq!(store(&authority).head().await.unwrap().epoch, opened);
    }
    let next = authority.http().refresh(&text(&kept, "refresh_token"), None).await.json();
    let fresh = authority.verifier().await;
    assert!(fresh.check(&text(&next, "access_token")).is_ok());
}

// S15 V08 R-34
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_forth_leaves_nothing_out_of_a_snapshot_and_nothing_swept_is_no_harm() {
    let Story { authority, ended, .. } = Story::an_hour_ahead().await;
    let right = authority.clock.now().wall - HOUR_US.unsigned_abs();
    let own = rescind_verifier::Now { boot_us: right, wall_us: right };
    let own = Arc::new(rescind_verifier::ManualClock::at(own));
    let joined = authority.verifier_builder().clock(own).build().await.unwrap();
    assert_eq!(joined.status().entries, 1);
    let clock = Arc::clone(&authority.clock);
    let authority = authority.restart_after(async |_| clock.step_wall(-HOUR_US)).await;
    assert!(is_revoked(&authority.verifier().await, &ended));
    until("the one that joined meanwhile", || is_revoked(&joined, &ended)).await;
}
