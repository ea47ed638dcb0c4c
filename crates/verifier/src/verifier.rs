//! The handle that an application holds.

use crate::builder::{BuildError, Builder, Settings};
use crate::check::{Judged, Refusal};
use crate::follow::Follow;
use crate::layer::Protect;
use crate::principal::Principal;
use crate::seen::Status;
use crate::shared::{Core, Demand};
use http::HeaderValue;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// How long a request waits for the authority's answer: two tries and a little.
const ONLINE: Duration = Duration::from_millis(2500);

/// Checks access tokens of one issuer for one audience. Cheap to clone; the background tasks end with the
/// last clone (layers hold clones).
#[derive(Clone)]
pub struct Verifier(Arc<Shared>);

struct Shared {
    core: Arc<Core>,
    challenge: HeaderValue,
    follow: Arc<Follow>,
    task: Mutex<JoinHandle<()>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.get_mut().abort();
        self.core.waiters.close();
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verifier").field(&self.status()).finish()
    }
}

impl Verifier {
    /// Begins a verifier of tokens that `issuer` issues to `audience`; both byte for byte as in the tokens.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> Builder {
        Builder::new(issuer.into(), audience.into())
    }

    pub(crate) fn follow(
        core: Arc<Core>,
        follow: Arc<Follow>,
        challenge: HeaderValue,
    ) -> Result<Self, BuildError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let task = Mutex::new(runtime.spawn(Arc::clone(&follow).run()));
        Ok(Self(Arc::new(Shared { core, challenge, follow, task })))
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    pub(crate) fn challenge(&self) -> &HeaderValue {
        &self.0.challenge
    }

    /// Says goodbye, for a server that shuts down: from here on every check of every clone refuses (503), for good,
    /// [`Principal::ended`] resolves, and once the authority has heard it, nobody who waits for a revocation waits for this verifier. To be
    /// called when the last request is answered. If the authority does not hear it, it waits until this
    /// verifier's knowledge would have been too old, as for one that was killed.
    pub async fn leave(&self) {
        let mut task = self.0.task.lock().await;
        if !task.is_finished() {
            task.abort();
            // It was cancelled: there is nothing to hear from it.
            let _ = (&mut *task).await;
        }
        self.0.follow.leave().await;
    }

    /// What this verifier was told.
    pub fn settings(&self) -> &Settings {
        &self.core().settings
    }

    /// The layer for whole routers: mode `local`, within the realm's bound of staleness.
    pub fn layer(&self) -> Protect {
        Protect::new(self.clone())
    }

    /// The same, as the start of a route's own demands: `verifier.require().online().role("owner")`.
    pub fn require(&self) -> Protect {
        self.layer()
    }

    /// The layer for a router of its own whose reads may go on when the authority cannot be reached: GET and
    /// HEAD are answered although the knowledge is older than the realm's bound, up to `staleness` (an hour
    /// at most; less than the bound changes nothing). A revocation may then go unnoticed for that long. What
    /// is known revoked or expired stays refused, as does everything before the first head and under an
    /// authority that contradicted itself; other methods are judged as by [`Verifier::layer`].
    ///
    /// An answer from beyond the bound carries `Rescind-Staleness: <seconds>`. Another layer of the verifier,
    /// inside or outside, refuses as ever: on this router there must be none that tolerates less.
    pub fn tolerate(&self, staleness: Duration) -> Protect {
        Protect::tolerating(self.clone(), staleness)
    }

    /// How this verifier stands, in Prometheus's text format (0.0.4), for the application's own `/metrics`. The
    /// names are in `docs/metrics.md`.
    pub fn metrics(&self) -> String {
        self.status().metrics()
    }

    /// Counts a 503, or what monitor mode let pass in its place.
    pub(crate) fn measure(&self, judged: &Result<(Principal, Judged), Refusal>, online: bool) {
        match judged {
            Err(Refusal::Stale { .. }) => {
                self.core().count_unavailable(online);
            }
            Err(Refusal::Busy { .. }) => self.core().count_busy(),
            Ok((_, Judged { unproven: true, .. })) => {
                let why = self.core().count_unavailable(online).name();
                tracing::warn!(why, "monitor mode: this would have been answered 503");
            }
            _ => {}
        }
    }

    /// How this verifier stands.
    pub fn status(&self) -> Status {
        self.core().status()
    }

    /// Judges a token here and now, without any wait.
    pub fn check(&self, token: &str) -> Result<Principal, Refusal> {
        let judged = self.core().check(token, Demand::default());
        self.measure(&judged, false);
        judged.map(|(principal, _)| principal)
    }

    /// Judges a token by what the authority says after this call began.
    pub async fn check_online(&self, token: &str) -> Result<Principal, Refusal> {
        let judged = self.judge_online(token).await;
        self.measure(&judged, true);
        judged.map(|(principal, _)| principal)
    }

    /// Judges a token that is known already, within the realm's bound; none if it is not known.
    pub(crate) fn judge_known(&self, token: &[u8]) -> Option<Result<(Principal, Judged), Refusal>> {
        self.core().check_known(token, Demand::default())
    }

    pub(crate) async fn judge_online(&self, token: &str) -> Result<(Principal, Judged), Refusal> {
        let arrival = self.core().online.moment(self.core().clock.now());
        let first = self.core().check_with_keys(token, Demand::default()).await;
        // Who is refused anyway costs the authority nothing, nor does who waited for a key in vain.
        match first {
            Err(Refusal::InvalidToken(_) | Refusal::Revoked | Refusal::Busy { .. }) => {
                return first;
            }
            Err(Refusal::Stale { .. }) if self.core().lacks_key_of(token) => return first,
            _ => {}
        }
        let proven = self.core().online.prove(arrival, ONLINE).await;
        if !self.core().settings.monitor {
            proven?;
        }
        let as_of = Some(arrival);
        self.core().check_with_keys(token, Demand { as_of, ..Demand::default() }).await
    }

    pub(crate) async fn judge_within(
        &self,
        token: &str,
        staleness: Option<Duration>,
    ) -> Result<(Principal, Judged), Refusal> {
        let judged =
            self.core().check_with_keys(token, Demand { staleness, ..Demand::default() }).await;
        match judged {
            Err(Refusal::Stale { .. }) | Ok((_, Judged { unproven: true, .. }))
                if staleness.is_some() && !self.core().lacks_key_of(token) =>
            {
                self.judge_online(token).await
            }
            judged => judged,
        }
    }

    pub(crate) async fn judge_tolerating(
        &self,
        token: &str,
        tolerate: Option<Duration>,
    ) -> Result<(Principal, Judged), Refusal> {
        self.core().check_with_keys(token, Demand { tolerate, ..Demand::default() }).await
    }
}
