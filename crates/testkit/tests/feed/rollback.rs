//! A store that is older than it was: it is noticed, by the marker or by a verifier, and nothing that
//! was revoked comes back.

use crate::hand::{ask_head, head, read_head};
use crate::proxy::{FEED, HEAD, Proxy};
use crate::{Device, behind_proxy, is_revoked, quick, revoke, revoke_nobodys};
use futures_util::future::join_all;
use rescind_authority::Settings;
use rescind_authority::audit::{Action, Search};
use rescind_authority::name::Name;
use rescind_authority::password::Password;
use rescind_server::run::{Config, World, open};
use rescind_testkit::server::{PASSWORD, TestAuthority, operator, until};
use rescind_verifier::Verifier;
use rescind_wire::frame::{Frame, seal};
use std::path::{Path, PathBuf};

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn back_up(config: &Config) {
    copy(&config.data, &config.data.with_extension("backup"));
    std::fs::copy(marker(config), config.keys.with_extension("marker")).unwrap();
}

fn marker(config: &Config) -> PathBuf {
    config.keys.join("marker.json")
}

fn restore(config: &Config) {
    copy(&config.data.with_extension("backup"), &config.data);
}

/// Puts the marker back with the store: then nothing here tells that either is old.
fn restore_marker(config: &Config) {
    std::fs::copy(config.keys.with_extension("marker"), marker(config)).unwrap();
}

/// Two devices of before the backup, one of which is ended after it.
struct Story {
    authority: TestAuthority,
    ended: Device,
    kept: Device,
    epoch: rescind_wire::id::Epoch,
}

impl Story {
    async fn until_the_backup() -> Self {
        Self::of(quick().await).await
    }

    async fn behind_proxy() -> (Self, Proxy) {
        let (authority, proxy) = behind_proxy().await;
        (Self::of(authority).await, proxy)
    }

    async fn of(authority: TestAuthority) -> Self {
        revoke_nobodys(&authority, 1).await;
        let ended = Device::sign_in(&authority).await;
        let kept = Device::sign_in(&authority).await;
        let authority = authority.restart_after(async |config| back_up(config)).await;
        let epoch = authority.app.authority.store().head().await.unwrap().epoch;
        Self { authority, ended, kept, epoch }
    }

    async fn epoch_now(&self) -> rescind_wire::id::Epoch {
        self.authority.app.authority.store().head().await.unwrap().epoch
    }

    /// A new epoch: everybody signs in again, and what was ended stays so.
    async fn assert_recovered(&mut self, verifier: &Verifier) {
        assert_ne!(self.epoch_now().await, self.epoch);
        let Story { authority, ended, kept, .. } = self;
        authority.caught_up(verifier).await;
        until("freshness", || verifier.status().ready).await;
        for device in [ended, kept] {
            assert!(is_revoked(&verifier.check(&device.access)));
            assert_eq!(device.refresh().await, 400);
            assert_eq!(device.whoami().await, 401);
        }
        let mut fresh = Device::sign_in(authority).await;
        until("the new sign-in", || verifier.check(&fresh.access).is_ok()).await;
        assert_eq!(fresh.refresh().await, 200);
        revoke(authority, &fresh).await;
        until("a new revocation", || is_revoked(&verifier.check(&fresh.access))).await;
        assert!(!verifier.status().stopped);
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_store_is_noticed_by_the_marker_and_everybody_signs_in_again() {
    let mut story = Story::until_the_backup().await;
    let verifier = story.authority.verifier().await;
    revoke(&story.authority, &story.ended).await;
    until("the end", || is_revoked(&verifier.check(&story.ended.access))).await;
    story.authority = story.authority.restart_after(async |config| restore(config)).await;
    // At once, before any verifier has said anything.
    assert_eq!(story.ended.refresh().await, 400);
    assert_eq!(story.kept.refresh().await, 400);
    story.assert_recovered(&verifier).await;
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_a_past_and_without_a_marker_begins_a_new_epoch_once() {
    let mut story = Story::until_the_backup().await;
    let verifier = story.authority.verifier().await;
    revoke(&story.authority, &story.ended).await;
    until("the end", || is_revoked(&verifier.check(&story.ended.access))).await;
    story.authority = story
        .authority
        .restart_after(async |config| {
            restore(config);
            std::fs::remove_file(marker(config)).unwrap();
        })
        .await;
    assert_eq!(story.ended.refresh().await, 400);
    story.assert_recovered(&verifier).await;
    assert!(marker(&story.authority.config).exists(), "before anything is served");
    let asked = Search { action: Some(Action::EpochOpened), ..Search::default() };
    let found = story.authority.app.authority.store().search(asked, 9).await.unwrap();
    assert_eq!(found.len(), 1);
    let (_, record) = &found[0];
    assert_eq!(record.reason.as_deref(), Some("there is no marker"));
    assert_eq!(record.before, Some(format!("{} 1", story.epoch)));

    let opened = story.epoch_now().await;
    assert_eq!(record.target, Some(opened.to_string()));
    story.authority = story.authority.restart().await;
    assert_eq!(story.epoch_now().await, opened, "once is enough");
}

//
#[tokio::test(flavor = "multi_thread")]
async fn an_account_alone_is_a_past_and_what_was_only_just_founded_has_none() {
    for (past, person) in [(false, None), (true, Some("alice"))] {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let settings = Settings::new("http://localhost:4000".to_owned());
        let mut config = Config::new(settings, place("data"), place("keys"));
        crate::cheap(&mut config);
        let world = World::system();
        let app = open(&config, &world).await.unwrap();
        let epoch = app.authority.store().head().await.unwrap().epoch;
        if let Some(name) = person {
            let (name, password) = (Name::new(name).unwrap(), Password::chosen(PASSWORD).unwrap());
            app.authority.add_account(name, &password, vec![], &operator()).await.unwrap();
        }
        let head = app.authority.store().head().await.unwrap();
        assert_eq!(head.pos, 0, "the log says nothing of it");
        drop(app);
        std::fs::remove_file(marker(&config)).unwrap();
        let app = open(&config, &world).await.unwrap();
        assert_eq!(app.authority.store().head().await.unwrap().epoch != epoch, past);
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn with_an_old_marker_beside_it_a_verifier_proves_the_rollback_and_recovers_by_itself() {
    let mut story = Story::until_the_backup().await;
    let verifier = story.authority.verifier().await;
    revoke(&story.authority, &story.ended).await;
    until("the end", || is_revoked(&verifier.check(&story.ended.access))).await;
    // Its newest head names the entry: that is the proof.
    until("a head", || verifier.status().ready).await;
    assert!(verifier.check_online(&story.kept.access).await.is_ok());
    story.authority = story
        .authority
        .restart_after(async |config| {
            restore(config);
            restore_marker(config);
        })
        .await;
    let first = Some(story.epoch);
    until("the new epoch", || verifier.status().epoch != first).await;
    story.assert_recovered(&verifier).await;
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_has_grown_anew_past_the_proof_is_noticed_and_one_epoch_is_opened() {
    let mut story = Story::until_the_backup().await;
    let earlier = ask_head(&story.authority, None).await.body;
    revoke(&story.authority, &story.ended).await;
    let seen = ask_head(&story.authority, None).await.body;
    assert_eq!(read_head(&story.authority, &seen).position.pos, 2);
    story.authority.clock.advance(crate::SECOND);
    story.authority = story
        .authority
        .restart_after(async |config| {
            restore(config);
            restore_marker(config);
        })
        .await;
    for n in 2..=5 {
        revoke_nobodys(&story.authority, n).await;
    }
    assert_eq!(story.kept.whoami().await, 200, "nobody has noticed");

    // A proof of what is still there proves nothing.
    assert_eq!(head(&story.authority, Some(&earlier)).await.position.epoch, story.epoch);
    let together = (0..16).map(|_| head(&story.authority, Some(&seen)));
    let noticed: Vec<_> = join_all(together).await.iter().map(|head| head.position).collect();
    assert_ne!(noticed[0].epoch, story.epoch);
    let again = head(&story.authority, Some(&seen)).await.position;
    assert_eq!(noticed, [again; 16], "all who notice together open one epoch");
    let verifier = story.authority.verifier().await;
    story.assert_recovered(&verifier).await;
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_was_away_while_the_log_grew_anew_proves_it_and_recovers() {
    for more in [1, 4] {
        let (mut story, proxy) = Story::behind_proxy().await;
        let verifier = story.authority.verifier().await;
        revoke(&story.authority, &story.ended).await;
        until("the end", || is_revoked(&verifier.check(&story.ended.access))).await;
        assert!(verifier.check_online(&story.kept.access).await.is_ok());
        proxy.down(FEED);
        proxy.down(HEAD);
        story.authority.clock.advance(crate::SECOND);
        story.authority = story
            .authority
            .restart_after(async |config| {
                restore(config);
                restore_marker(config);
            })
            .await;
        for n in 0..more {
            revoke_nobodys(&story.authority, 10 + n).await;
        }
        proxy.pass(HEAD);
        proxy.pass(FEED);
        let first = Some(story.epoch);
        until("the new epoch", || verifier.status().epoch != first).await;
        story.assert_recovered(&verifier).await;
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_a_signed_head_of_this_realm_proves_a_rollback() {
    let authority = quick().await;
    let mut device = Device::sign_in(&authority).await;
    revoke_nobodys(&authority, 1).await;
    let honest = head(&authority, None).await;
    let mut ahead = honest.clone();
    ahead.position.pos += 5;
    ahead.position.ts += 5;
    let other = quick().await;
    let keyring = authority.app.authority.keyring();
    let forged = [
        seal(
            &Frame::Head(ahead.clone()),
            authority.issuer(),
            other.app.authority.keyring().feed_key(),
        ),
        seal(&Frame::Head(ahead.clone()), authority.issuer(), keyring.token_key()),
        seal(&Frame::Head(ahead.clone()), other.issuer(), keyring.feed_key()),
        seal(&Frame::Beat(ahead.position), authority.issuer(), keyring.feed_key()),
    ];
    let mut forged: Vec<Vec<u8>> = forged.into_iter().map(Result::unwrap).collect();
    forged.extend([vec![], vec![0; 200], b"rubbish".to_vec()]);
    for seen in forged {
        assert_eq!(head(&authority, Some(&seen)).await.position, honest.position);
    }
    assert_eq!(device.refresh().await, 200);
}
