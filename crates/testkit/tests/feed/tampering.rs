//! Somebody in the middle changes, drops, replays and delays: nothing revoked is ever accepted later
//! than S, and nothing good is ever called revoked.

use crate::proxy::{FEED, HEAD, Proxy, SNAPSHOT};
use crate::{
    Device, S, SECOND, ask, assert_unavailable, behind_proxy, is_revoked, is_stale, quick, revoke,
    revoke_nobodys,
};
use rescind_testkit::server::{TestAuthority, until};
use rescind_verifier::Verifier;
use rescind_wire::frame::{Frame, open, seal};
use std::io;
use std::sync::{Arc, Mutex};
use tracing::subscriber::DefaultGuard;

/// The log lines of this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Collects from now on. The test's runtime has this one thread.
    fn collect() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn have(&self, words: &[&str]) -> bool {
        let bytes = self.0.lock().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().any(|line| words.iter().all(|word| line.contains(word)))
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Flips one bit in the middle.
fn flip(mut frame: Vec<u8>) -> Vec<Vec<u8>> {
    let middle = frame.len() / 2;
    frame[middle] ^= 1;
    vec![frame]
}

/// So many more heads have come and gone; asked for by an online request, which need not wait for the
/// next second.
async fn heads(proxy: &Proxy, verifier: &Verifier, token: &str, more: u64) {
    let before = proxy.asked(HEAD);
    let mut come = std::pin::pin!(until("heads", || proxy.asked(HEAD) >= before + more));
    loop {
        tokio::select! {
            () = &mut come => return,
            _ = verifier.check_online(token) => tokio::task::yield_now().await,
        }
    }
}

/// What is revoked while the feed brings nothing good.
async fn revoked_within_the_bound(
    authority: &TestAuthority,
    proxy: &Proxy,
    verifier: &Verifier,
    spoil: impl FnOnce(),
) {
    let (gone, good) = (Device::sign_in(authority).await, Device::sign_in(authority).await);
    assert!(verifier.check(&gone.access).is_ok() && verifier.check(&good.access).is_ok());
    spoil();
    revoke(authority, &gone).await;
    // Every head from now on names a position that the verifier has not applied.
    heads(proxy, verifier, &good.access, 3).await;
    authority.clock.advance(S);
    heads(proxy, verifier, &good.access, 3).await;
    for device in [&gone, &good] {
        let judged = verifier.check(&device.access);
        assert!(is_stale(&judged), "{judged:?}");
        assert_unavailable(&ask(verifier, &device.access, false).await);
    }
    let online = [&gone, &good].map(|device| ask(verifier, &device.access, true));
    for answer in futures_util::future::join_all(online).await {
        assert_unavailable(&answer);
    }
    proxy.pass(FEED);
    // A feed that stays silent about what a head has named is asked for anew.
    authority.clock.advance(3 * SECOND);
    until("the revocation", || is_revoked(&verifier.check(&gone.access))).await;
    until("freshness", || verifier.check(&good.access).is_ok()).await;
}

// P03
#[tokio::test]
async fn a_changed_frame_of_the_feed_is_dropped_and_reported() {
    let (lines, _guard) = Lines::collect();
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    revoked_within_the_bound(&authority, &proxy, &verifier, || proxy.change(FEED, flip)).await;
    assert!(lines.have(&["WARN", "feed down", "signature is wrong"]));
}

// P03
#[tokio::test]
async fn a_frame_of_another_realm_or_key_is_dropped_and_reported() {
    let other = quick().await;
    let (lines, _guard) = Lines::collect();
    let other_keys = other.app.authority.keyring();
    let other_key = || other_keys.feed_key();
    let stories = (0..4).map(async |which| {
        let (authority, proxy) = behind_proxy().await;
        let verifier = authority.verifier().await;
        let keyring = authority.app.authority.keyring();
        let beat = Frame::Beat(authority.app.authority.store().head().await.unwrap().position());
        let foreign = match which {
            // Another realm's own; ours by its key; ours by the tokens' key; another's by ours.
            0 => seal(&beat, other.issuer(), other_key()),
            1 => seal(&beat, authority.issuer(), other_key()),
            2 => seal(&beat, authority.issuer(), keyring.token_key()),
            _ => seal(&beat, other.issuer(), keyring.feed_key()),
        };
        let foreign = foreign.unwrap();
        let spoil = || proxy.change(FEED, move |_| vec![foreign.clone()]);
        revoked_within_the_bound(&authority, &proxy, &verifier, spoil).await;
    });
    futures_util::future::join_all(stories).await;
    assert!(lines.have(&["WARN", "feed down", "signature is wrong"]));
}

// P03, P07
#[tokio::test]
async fn dropped_frames_are_noticed_by_the_head() {
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    let spoil = || proxy.change(FEED, |_| Vec::new());
    revoked_within_the_bound(&authority, &proxy, &verifier, spoil).await;
}

// P07
#[tokio::test]
async fn with_the_feed_cut_a_revoked_token_is_never_accepted_later_than_the_bound() {
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    revoked_within_the_bound(&authority, &proxy, &verifier, || proxy.down(FEED)).await;
}

// P04
#[tokio::test]
async fn a_repeated_old_frame_in_place_of_each_new_one_gives_nothing() {
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    revoke_nobodys(&authority, 1).await;
    authority.caught_up(&verifier).await;
    let first = proxy.frames(FEED)[0].clone();
    let spoil = || proxy.change(FEED, move |_| vec![first.clone()]);
    revoked_within_the_bound(&authority, &proxy, &verifier, spoil).await;
}

/// A head that is spoiled vouches for nothing: stale past the bound, and fresh again afterwards.
async fn head_gives_nothing(
    authority: &TestAuthority,
    proxy: &Proxy,
    verifier: &Verifier,
    device: &Device,
) {
    // What was under way before is in.
    heads(proxy, verifier, &device.access, 2).await;
    authority.clock.advance(S - SECOND);
    heads(proxy, verifier, &device.access, 2).await;
    let judged = verifier.check(&device.access);
    assert!(judged.is_ok(), "within the bound: {judged:?}");
    authority.clock.advance(SECOND);
    assert!(is_stale(&verifier.check(&device.access)));
    heads(proxy, verifier, &device.access, 2).await;
    assert!(is_stale(&verifier.check(&device.access)));
    proxy.pass(HEAD);
    until("freshness", || verifier.check(&device.access).is_ok()).await;
}

// P03
#[tokio::test]
async fn a_changed_foreign_or_replayed_head_gives_no_freshness() {
    let (lines, _guard) = Lines::collect();
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    proxy.change(HEAD, flip);
    head_gives_nothing(&authority, &proxy, &verifier, &device).await;
    assert!(lines.have(&["WARN", "no head", "signature is wrong"]));

    let old = proxy.frames(HEAD)[0].clone();
    proxy.change(HEAD, move |_| vec![old.clone()]);
    head_gives_nothing(&authority, &proxy, &verifier, &device).await;

    // The right words with the wrong key.
    let other = quick().await;
    let (issuer, keys) = (authority.issuer().to_owned(), crate::hand::feed_keys(&authority));
    let app = other.app.clone();
    proxy.change(HEAD, move |frame| {
        let head = open(&frame, &issuer, &keys).unwrap();
        vec![seal(&head, &issuer, app.authority.keyring().feed_key()).unwrap()]
    });
    head_gives_nothing(&authority, &proxy, &verifier, &device).await;
}

// P03, P07
#[tokio::test]
async fn a_delayed_head_is_as_old_as_its_question() {
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    let (gone, good) = (Device::sign_in(&authority).await, Device::sign_in(&authority).await);
    let open = proxy.hold(HEAD);
    heads(&proxy, &verifier, &good.access, 1).await;
    let answered = proxy.frames(HEAD).len();
    until("an answer that is held", || proxy.frames(HEAD).len() >= answered).await;
    // Asked before the revocation, delivered after it: the feed is silent meanwhile.
    proxy.change(FEED, |_| Vec::new());
    authority.clock.advance(S - SECOND);
    revoke(&authority, &gone).await;
    open.send(true).unwrap();
    proxy.change(HEAD, |_| Vec::new());
    authority.clock.advance(SECOND);
    // The held answer may have come in: it speaks of the time of its question, S ago.
    heads(&proxy, &verifier, &good.access, 2).await;
    for device in [&gone, &good] {
        assert!(is_stale(&verifier.check(&device.access)));
    }
    assert!(verifier.status().staleness.is_none_or(|age| age >= S));
}

// P03, P06
#[tokio::test]
async fn a_changed_snapshot_is_not_taken() {
    let (lines, _guard) = Lines::collect();
    let (authority, proxy) = behind_proxy().await;
    let device = Device::sign_in(&authority).await;
    proxy.change(SNAPSHOT, flip);
    let verifier = authority.verifier_builder().start().unwrap();
    until("two attempts", || proxy.asked(SNAPSHOT) > 1).await;
    assert!(is_stale(&verifier.check(&device.access)));
    assert_eq!(verifier.status().epoch, None);
    assert!(lines.have(&["WARN", "signature is wrong"]));
    proxy.pass(SNAPSHOT);
    until("the start", || verifier.check(&device.access).is_ok()).await;
}

// P05
#[tokio::test]
async fn a_replayed_old_snapshot_takes_nothing_back_and_is_reported() {
    let (lines, _guard) = Lines::collect();
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    let (gone, good) = (Device::sign_in(&authority).await, Device::sign_in(&authority).await);
    revoke(&authority, &gone).await;
    until("the revocation", || is_revoked(&verifier.check(&gone.access))).await;

    let old = proxy.frames(SNAPSHOT)[0].clone();
    proxy.change(SNAPSHOT, move |_| vec![old.clone()]);
    // A RESYNC that the authority has signed once makes the verifier ask for a snapshot.
    let keyring = authority.app.authority.keyring();
    let resync = seal(&Frame::Resync, authority.issuer(), keyring.feed_key()).unwrap();
    let asked = proxy.asked(SNAPSHOT);
    proxy.change(FEED, move |frame| vec![resync.clone(), frame]);
    revoke_nobodys(&authority, 1).await;
    until("the old snapshot", || proxy.asked(SNAPSHOT) > asked).await;
    until("the alarm", || lines.have(&["ERROR", "OldRefused"])).await;
    assert!(is_revoked(&verifier.check(&gone.access)));
    assert!(verifier.status().applied >= 1 && verifier.status().entries >= 1);
    proxy.pass(FEED);
    proxy.pass(SNAPSHOT);
    authority.caught_up(&verifier).await;
    until("freshness", || verifier.check(&good.access).is_ok()).await;
    assert!(is_revoked(&verifier.check(&gone.access)));
}
