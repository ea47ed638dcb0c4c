//! Who may read through a relay. It holds no secrets: it asks the authority, by the reader's own header, and
//! believes a yes for [`GOOD`]. A header is never kept beyond its request; what stays is a keyed hash of what it says.
//!
//! A no is believed as shortly. Strangers who try one header after another are not passed on to the
//! authority for long.

use aws_lc_rs::hmac;
use http::{HeaderValue, StatusCode};
use rescind_authority::clock::{Clock, Entropy, random};
use rescind_authority::secret::Secret;
use rescind_authority::throttle::Source;
use rescind_verifier::upstream::Upstream;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Asking, Semaphore};
use zeroize::Zeroizing;

/// So old a verdict may be, in microseconds. With the time of one question it is less than a beat.
const GOOD: u64 = 2_500_000;
/// One that is older is asked for anew, while it still holds.
const FRESH: u64 = 1_000_000;
/// Most verdicts that are kept, and how long one that nobody uses is.
const MOST: usize = 10_000;
const KEPT: u64 = 10_000_000;
/// Unknown headers that are refused of one address, within a while, before further ones are not asked about.
const REFUSALS: u32 = 20;
const WHILE: u64 = 10_000_000;
/// Most questions at once about headers that were never answered yes: who is known does not wait for strangers.
const AT_ONCE: usize = 64;
/// How long one who follows waits until it is asked about again, where the authority did not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// The authority refuses it: 401 or 403.
    Refused(StatusCode),
    /// Too many were refused from there.
    TooMany,
    /// The authority did not answer.
    Unknown,
}

/// What was answered about one id and secret.
#[derive(Default)]
struct Pass {
    verdict: Mutex<Option<Verdict>>,
    /// Held by who asks, so that all who wait share the answer.
    asking: Asking<()>,
}

#[derive(Debug, Clone, Copy)]
struct Verdict {
    status: StatusCode,
    /// Boot time at which the question was sent.
    at: u64,
}

impl Pass {
    fn verdict(&self) -> Option<Verdict> {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Known {
    passes: HashMap<[u8; 32], Arc<Pass>>,
    /// How many unknown headers were refused of an address, since when.
    refusals: HashMap<String, u32>,
    since: u64,
}

impl Known {
    fn refused_often(&self, source: Source) -> bool {
        self.refusals.get(&source.text()).is_some_and(|n| *n >= REFUSALS)
    }
}

/// The gate of one relay.
pub(super) struct Gate {
    upstream: Arc<Upstream>,
    clock: Arc<dyn Clock>,
    key: hmac::Key,
    known: Mutex<Known>,
    places: Semaphore,
}

/// One who was let in, for as long as it reads.
pub(super) struct Reader {
    gate: Arc<Gate>,
    pub(super) client_id: String,
    header: HeaderValue,
    source: Source,
    pass: Arc<Pass>,
}

impl Gate {
    pub(super) fn new(
        upstream: Arc<Upstream>,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Arc<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random::<32>(entropy));
        let (known, places) = (Mutex::default(), Semaphore::new(AT_ONCE));
        Arc::new(Self { upstream, clock, key, known, places })
    }

    /// Lets a client in that proves itself by this header, if the authority does.
    pub(super) async fn admit(
        self: &Arc<Self>,
        (client_id, secret): (String, &Secret),
        mut header: HeaderValue,
        source: Source,
    ) -> Result<Reader, Closed> {
        header.set_sensitive(true);
        let pass = self.pass((&client_id, secret), source)?;
        self.judge(&pass, &header, source).await?;
        Ok(Reader { gate: Arc::clone(self), client_id, header, source, pass })
    }

    async fn judge(
        self: &Arc<Self>,
        pass: &Arc<Pass>,
        header: &HeaderValue,
        source: Source,
    ) -> Result<(), Closed> {
        let age = |verdict: &Verdict| self.now().saturating_sub(verdict.at);
        match pass.verdict() {
            Some(verdict) if age(&verdict) < FRESH => return verdict.judged(),
            Some(verdict) if verdict.status == StatusCode::OK && age(&verdict) < GOOD => {
                if pass.asking.try_lock().is_ok() {
                    let (gate, pass, header) = (Arc::clone(self), Arc::clone(pass), header.clone());
                    // A failure shows once the verdict is too old.
                    tokio::spawn(async move { gate.ask(&pass, &header, source).await });
                }
                return Ok(());
            }
            _ => {}
        }
        self.ask(pass, header, source).await
    }

    async fn ask(&self, pass: &Pass, header: &HeaderValue, source: Source) -> Result<(), Closed> {
        let _alone = pass.asking.lock().await;
        let before = pass.verdict();
        if let Some(verdict) = before
            && self.now().saturating_sub(verdict.at) < FRESH
        {
            return verdict.judged();
        }
        let known = before.is_some_and(|verdict| verdict.status == StatusCode::OK);
        let _place = match known {
            true => None,
            false => Some(self.places.acquire().await.map_err(|_| Closed::Unknown)?),
        };
        // Those before in the queue may have been refused meanwhile.
        if before.is_none() && self.known().refused_often(source) {
            return Err(Closed::TooMany);
        }
        let at = self.now();
        let status = self.upstream.admits(header).await.map_err(|error| {
            tracing::warn!(event = "gate_failed", %error);
            Closed::Unknown
        })?;
        let verdict = Verdict { status, at };
        *pass.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        if before.is_none() && status != StatusCode::OK {
            self.count_refusal(source);
        }
        verdict.judged()
    }

    /// What is known about an id and a secret, if there is room for one more. However the header writes them: else
    /// one secret would be asked about as often as there are ways to write it.
    fn pass(&self, (id, secret): (&str, &Secret), source: Source) -> Result<Arc<Pass>, Closed> {
        let length = (id.len() as u64).to_be_bytes();
        let text = [&length, id.as_bytes(), secret.expose().as_bytes()].concat();
        let tag = hmac::sign(&self.key, &Zeroizing::new(text));
        let tag: [u8; 32] = tag.as_ref().try_into().map_err(|_| Closed::Unknown)?;
        let mut known = self.known();
        if let Some(pass) = known.passes.get(&tag) {
            return Ok(Arc::clone(pass));
        }
        if known.refused_often(source) {
            return Err(Closed::TooMany);
        }
        if known.passes.len() >= MOST {
            return Err(Closed::Unknown);
        }
        Ok(Arc::clone(known.passes.entry(tag).or_default()))
    }

    fn count_refusal(&self, source: Source) {
        let (mut known, source) = (self.known(), source.text());
        if known.refusals.len() < MOST || known.refusals.contains_key(&source) {
            *known.refusals.entry(source).or_default() += 1;
        }
    }

    /// Forgets what has passed; called again and again.
    pub(super) fn tidy(&self) {
        let now = self.now();
        let mut known = self.known();
        // Whoever reads or asks holds its pass.
        known.passes.retain(|_, pass| {
            let young = pass.verdict().is_some_and(|v| now.saturating_sub(v.at) < KEPT);
            young || Arc::strong_count(pass) > 1
        });
        if now.saturating_sub(known.since) > WHILE {
            known.since = now;
            known.refusals.clear();
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.clock.now().boot
    }
}

impl Verdict {
    fn judged(self) -> Result<(), Closed> {
        match self.status {
            StatusCode::OK => Ok(()),
            status => Err(Closed::Refused(status)),
        }
    }
}

impl Reader {
    /// Whether it may still read; waits until that is known.
    pub(super) async fn may_read(&self) -> bool {
        loop {
            match self.gate.judge(&self.pass, &self.header, self.source).await {
                Ok(()) => return true,
                Err(Closed::Refused(_)) => return false,
                Err(Closed::TooMany | Closed::Unknown) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}
