//! The tasks that keep a verifier current: start, feed, metadata; in [`heads`] what only a verifier does.
//!
//! They carry frames from [`crate::fetch`] to [`crate::state`] and wait between attempts. No rule is
//! decided here.

use crate::entropy;
use crate::fetch::Authority;
use crate::following::Keeper;
use crate::pace::Pace;
use crate::shared::Core;
use crate::state::Event;
use crate::trouble::FetchError;
use bytes::Bytes;
use rescind_wire::frame::{BadFrame, Frame, KeysMark, Position};
use rescind_wire::id::Instance;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

mod heads;

/// A head is asked for so often; and an authority that is not there yet.
const HEAD_EVERY: Duration = Duration::from_secs(1);
/// Metadata is refreshed no more often.
const DISCOVER_EVERY: Duration = Duration::from_secs(5);
/// A feed that does not bring what a head named for so long is asked for anew.
pub(crate) const LAG: Duration = Duration::from_secs(2);

/// Who follows, and for whom: a verifier unless named.
pub(crate) struct Follow<K = Core> {
    pub(crate) core: Arc<K>,
    pub(crate) authority: Authority,
    pub(crate) instance: Instance,
    /// The text of the last failure, for who waits for the start.
    pub(crate) trouble: watch::Sender<Option<Arc<FetchError>>>,
    /// The newest signed head: evidence, should the authority ever lie below it.
    seen: Mutex<Option<(Position, String)>>,
    /// Boot time of the last refresh of the metadata; 0 before the first.
    refreshed: AtomicU64,
    /// Version of the keys for which the metadata was last read; the feed's keys are in it.
    described: AtomicU64,
    metadata_wanted: Notify,
    /// Whether the last head was answered.
    answered: AtomicBool,
    /// Counts how often the authority came back: what is waited for is asked for anew then.
    back: watch::Sender<u32>,
}

impl<K: Keeper> Follow<K> {
    pub(crate) fn new(core: Arc<K>, authority: Authority, instance: Instance) -> Self {
        Self {
            core,
            authority,
            instance,
            trouble: watch::Sender::new(None),
            seen: Mutex::default(),
            refreshed: AtomicU64::new(0),
            described: AtomicU64::new(0),
            metadata_wanted: Notify::new(),
            answered: AtomicBool::new(true),
            back: watch::Sender::new(0),
        }
    }

    /// Follows for ever and asks nothing, as a relay does.
    pub(crate) async fn relay(self: Arc<Self>) {
        self.start().await;
        let mut tasks = JoinSet::new();
        let (feed, metadata) = (self.clone(), self);
        tasks.spawn(async move { feed.feed().await });
        tasks.spawn(async move { metadata.metadata().await });
        tasks.join_next().await;
    }

    /// Metadata, keys and the first snapshot, as often as it takes.
    async fn start(&self) {
        let mut described = false;
        for attempt in 0.. {
            match self.start_once(&mut described).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, attempt, "the authority is not ready for this verifier");
                    // One that is not there is not burdened by questions; while a relay is not, its authority is
                    // asked for nothing again.
                    described &= matches!(error, FetchError::Transport(_));
                    let wait = match error {
                        FetchError::Transport(_) => entropy::spread(HEAD_EVERY),
                        _ => entropy::backoff(attempt),
                    };
                    self.trouble.send_replace(Some(Arc::new(error)));
                    sleep(wait).await;
                }
            }
        }
    }

    async fn start_once(&self, described: &mut bool) -> Result<(), FetchError> {
        if !*described {
            self.describe().await?;
            self.core.prepare(&self.authority).await?;
            *described = true;
        }
        match self.core.following().snapshot_is_wished() {
            true => self.snapshot().await,
            false => self.core.renew(&self.authority).await,
        }
    }

    async fn snapshot(&self) -> Result<(), FetchError> {
        self.core.following().fetch_begins();
        let fetch = async {
            self.core.renew(&self.authority).await?;
            self.authority.snapshot().await
        };
        let fetched = fetch.await;
        self.core.following().fetch_ends();
        match fetched {
            Ok((snapshot, sealed)) => {
                if let Frame::Snapshot { position, entries } = &snapshot {
                    let (epoch, pos) = (position.epoch, position.pos);
                    tracing::info!(%epoch, pos, entries = entries.len(), "snapshot");
                }
                self.core.take(snapshot, sealed);
                Ok(())
            }
            Err(error) => {
                self.core.following().wish_snapshot();
                Err(error)
            }
        }
    }

    /// Keeps one feed open; a snapshot first whenever one is due.
    async fn feed(&self) {
        let (mut attempt, mut pace) = (0, Pace::default());
        let mut back = self.back.subscribe();
        loop {
            back.mark_unchanged();
            let wait = match self.feed_once(&mut attempt, &mut pace).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, attempt, "feed down");
                    self.recover(&error).await;
                    entropy::backoff(attempt)
                }
            };
            attempt += 1;
            tokio::select! {
                () = sleep(wait) => {}
                _ = back.changed() => attempt = 0,
            }
        }
    }

    /// A head was answered, or not. Who answers again has perhaps lost the connection of the feed without a word,
    /// and need not be spared: a feed is asked for at once.
    pub(crate) fn heard(&self, answered: bool) {
        let before = self.answered.swap(answered, Ordering::SeqCst);
        if answered && !before {
            self.back.send_modify(|times| *times = times.wrapping_add(1));
        }
    }

    /// What comes of a request, unless the authority comes back meanwhile.
    async fn unless_back<T>(
        &self,
        asked: impl Future<Output = Result<T, FetchError>>,
    ) -> Result<T, FetchError> {
        let mut back = self.back.subscribe();
        tokio::select! {
            came = asked => came,
            _ = back.changed() => Err(FetchError::Timeout),
        }
    }

    /// Reads one feed until it ends, and says how long to wait before the next.
    async fn feed_once(&self, attempt: &mut u32, pace: &mut Pace) -> Result<Duration, FetchError> {
        if self.core.following().snapshot_is_wished() {
            let now = || self.core.clock().now().boot_us;
            sleep(pace.wait(now())).await;
            let from = now();
            let fetched = self.snapshot().await;
            if fetched.as_ref().map_or_else(FetchError::brought_bytes, |()| true) {
                pace.fetched(from, now());
            }
            fetched?;
        }
        let Some(position) = self.core.following().applied() else {
            self.core.following().wish_snapshot();
            return Ok(entropy::backoff(*attempt));
        };
        self.core.step(Event::FeedAsked);
        let (epoch, from) = (position.epoch, position.pos);
        let mut feed = self.unless_back(self.authority.feed(epoch, from, self.instance)).await?;
        let opened = self.core.clock().now().boot_us;
        tracing::info!(%epoch, from, "feed up");
        loop {
            let (frame, sealed) = tokio::select! {
                frame = self.unless_back(feed.next(&self.authority)) => frame?,
                () = self.core.following().wake.notified() => {
                    // What is lacking was asked for only just now: it may be on its way.
                    let open_for = self.core.clock().now().boot_us.saturating_sub(opened);
                    let silent = Duration::from_micros(open_for).min(self.core.lag()) > LAG;
                    if self.core.following().snapshot_is_wished() || silent {
                        return Ok(entropy::backoff(*attempt));
                    }
                    continue;
                }
            };
            if let ControlFlow::Break(wait) = self.take(frame, sealed) {
                return Ok(wait);
            }
            *attempt = 0;
        }
    }

    fn take(&self, frame: Frame, sealed: Bytes) -> ControlFlow<Duration> {
        match frame {
            Frame::GoAway { spread_ms } => {
                let most = Duration::from_millis(spread_ms.into()).min(Duration::from_secs(15));
                return ControlFlow::Break(entropy::spread(most));
            }
            // Not of the feed. Signed all the same, so nothing is wrong with the connection.
            Frame::Snapshot { .. } | Frame::Head(_) => return ControlFlow::Continue(()),
            Frame::Keys(mark) => self.announced(mark, false),
            _ => {}
        }
        self.core.take(frame, sealed);
        ControlFlow::Continue(())
    }

    /// The authority says which keys are in force; its metadata may name other keys of the feed now.
    pub(crate) fn announced(&self, mark: KeysMark, answers: bool) {
        self.core.announced(mark, answers);
        let (described, version) = (&self.described, mark.version);
        // A frame of the feed may be an old one, told again and again; a head answers a question.
        let news = match answers {
            true => described.swap(version, Ordering::SeqCst) != version,
            false => described.fetch_max(version, Ordering::SeqCst) < version,
        };
        if news {
            self.metadata_wanted.notify_one();
        }
    }

    /// Reads the metadata again whenever keys have changed: a key of the feed that is not in it any more
    /// is not believed any more.
    async fn metadata(&self) {
        loop {
            self.metadata_wanted.notified().await;
            let mut attempt = 0;
            while let Err(error) = self.describe().await {
                tracing::warn!(%error, "metadata not refreshed");
                sleep(entropy::backoff(attempt)).await;
                attempt += 1;
            }
        }
    }

    /// A signature by an unknown key may be the next feed key's: the metadata names it.
    pub(crate) async fn recover(&self, error: &FetchError) {
        if !matches!(error, FetchError::Frame(BadFrame::Signature)) {
            return;
        }
        let now = self.core.clock().now().boot_us;
        let last = self.refreshed.load(Ordering::Relaxed);
        if last != 0 && now < last + DISCOVER_EVERY.as_micros() as u64 {
            return;
        }
        self.refreshed.store(now, Ordering::Relaxed);
        if let Err(error) = self.describe().await {
            tracing::warn!(%error, "metadata not refreshed");
        }
    }

    /// Reads the metadata.
    async fn describe(&self) -> Result<(), FetchError> {
        if self.authority.discover().await? {
            self.core.feed_keys_changed();
        }
        Ok(())
    }
}
