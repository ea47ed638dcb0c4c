//! Building a verifier: every setting, its default and its bounds.

use crate::answer;
use crate::clock::{Clock, SystemClock};
use crate::endpoint::{self, BadAddress};
use crate::entropy;
use crate::fetch::{Authority, MAX_SNAPSHOT, NoRoots};
use crate::follow::Follow;
use crate::keys::KeyRing;
use crate::secret::ClientSecret;
use crate::shared::Core;
use crate::shared_secret::SharedSecret;
use crate::trouble::FetchError;
use crate::verifier::Verifier;
use rescind_wire::id::Instance;
use rescind_wire::jws::Alg;
use rescind_wire::token::{Expected, MAX_LEEWAY};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// What a verifier was told.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) expected: Expected,
    pub(crate) algorithms: Vec<Alg>,
    pub(crate) leeway: u64,
    pub(crate) staleness: Option<Duration>,
    pub(crate) cache_bytes: u64,
    pub(crate) new_at_once: usize,
    pub(crate) max_snapshot: usize,
    pub(crate) monitor: bool,
}

/// Why a verifier cannot be built.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The issuer is no URL that this verifier talks to.
    #[error("the issuer is {0}")]
    Issuer(#[from] BadAddress),
    /// The relay is no URL that this verifier talks to.
    #[error(
        "the relay is no allowed address: https, or http to this machine, without user, query or fragment"
    )]
    Relay,
    /// The issuer has characters that fit into no header.
    #[error("the issuer holds characters that a URL must not hold")]
    IssuerText,
    /// The audience is empty.
    #[error("the audience is empty; it is the name by which tokens address this server")]
    Audience,
    /// No client, or an empty secret.
    #[error(
        "this server's client id or secret is missing; call .client(id, secret) with what `rescind client add` printed"
    )]
    Client,
    /// No algorithm is accepted.
    #[error("no signature algorithm is accepted; name at least one")]
    Algorithms,
    /// HS256 beside an algorithm of key pairs.
    #[error(
        "a verifier takes tokens under shared secrets or under the authority's public keys, never both; name HS256 alone or leave .shared_secret() out"
    )]
    MixedAlgorithms,
    /// HS256 without a secret.
    #[error("HS256 is accepted but there is no secret to verify with; call .shared_secret(secret)")]
    SharedSecret,
    /// More than 30 s.
    #[error("a leeway over {MAX_LEEWAY} s is refused")]
    Leeway,
    /// No trusted certificates.
    #[error(transparent)]
    Roots(#[from] NoRoots),
    /// No random bytes.
    #[error("the operating system gives no random bytes")]
    Entropy,
    /// Called outside a tokio runtime.
    #[error("a verifier is built inside a tokio runtime")]
    NoRuntime,
    /// The authority did not answer well in time.
    #[error("the verifier is not ready in time{}", .0.as_ref().map(|e| format!(": {e}")).unwrap_or_default())]
    NotReady(Option<Arc<FetchError>>),
}

/// Collects settings. Made by [`Verifier::builder`].
#[must_use]
pub struct Builder {
    settings: Settings,
    algorithms: Option<Vec<Alg>>,
    shared: Vec<SharedSecret>,
    client: Option<(String, ClientSecret)>,
    relay: Option<String>,
    clock: Arc<dyn Clock>,
    build_timeout: Duration,
}

impl Builder {
    pub(crate) fn new(issuer: String, audience: String) -> Self {
        Self {
            settings: Settings {
                expected: Expected { issuer, audience, max_lifetime: 24 * 60 * 60 },
                algorithms: Vec::new(),
                leeway: 0,
                staleness: None,
                cache_bytes: 32 * 1024 * 1024,
                new_at_once: 0,
                max_snapshot: MAX_SNAPSHOT,
                monitor: false,
            },
            algorithms: None,
            shared: Vec::new(),
            client: None,
            relay: None,
            clock: Arc::new(SystemClock),
            build_timeout: Duration::from_secs(30),
        }
    }

    /// The confidential client that this server is. Required.
    pub fn client(mut self, id: impl Into<String>, secret: ClientSecret) -> Self {
        self.client = Some((id.into(), secret));
        self
    }

    /// Takes snapshot, feed and heads from a relay (`rescind relay`) at this address, and tells it this
    /// client's secret, as it would the authority. Metadata and keys still come from the issuer, and every
    /// signature is checked as ever.
    pub fn feed_from(mut self, relay: impl Into<String>) -> Self {
        self.relay = Some(relay.into());
        self
    }

    /// The algorithms that are accepted; unless named ES256 alone, or HS256 alone with a shared secret. Never
    /// chosen by a token.
    pub fn algorithms(mut self, algorithms: &[Alg]) -> Self {
        self.algorithms = Some(algorithms.to_vec());
        self
    }

    /// Accepts HS256 under this secret, and no public key. Called twice, for a rotation: under either.
    pub fn shared_secret(mut self, secret: SharedSecret) -> Self {
        self.shared.push(secret);
        self
    }

    /// Seconds of leeway for `exp`, `iat` and `nbf`; 0 unless named, more than 30 is refused.
    pub fn leeway(mut self, seconds: u64) -> Self {
        self.settings.leeway = seconds;
        self
    }

    /// A bound of staleness for this server; counts only where it is tighter than the realm's.
    pub fn staleness(mut self, bound: Duration) -> Self {
        self.settings.staleness = Some(bound);
        self
    }

    /// Longest `exp - iat` that is accepted, in seconds; 24 h unless named.
    pub fn max_lifetime(mut self, seconds: u64) -> Self {
        self.settings.expected.max_lifetime = seconds;
        self
    }

    /// Most memory for verified tokens, in bytes; 32 MiB unless named.
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.settings.cache_bytes = bytes;
        self
    }

    /// How many tokens that were not seen before are verified at once in requests; unless named, as many as the
    /// runtime has worker threads. Up to a thousand more wait for a second at the most; then the answer is 503.
    /// So whoever sends tokens that he made up cannot keep the server busy with them, and those whose tokens are
    /// known do not wait for his.
    pub fn new_tokens_at_once(mut self, tokens: usize) -> Self {
        self.settings.new_at_once = tokens.max(1);
        self
    }

    /// Longest snapshot that is taken, in bytes; 512 MiB unless named, which are 13 million revocations that live. It
    /// has one signature, so whoever is asked for it (a relay, too) can have twice as much held until that is
    /// judged.
    pub fn max_snapshot(mut self, bytes: usize) -> Self {
        self.settings.max_snapshot = bytes;
        self
    }

    /// For a careful roll-out: measures, and refuses nobody because too little is known. What would have been
    /// answered 503 is counted ([`Status::unavailable`](crate::Status)), logged, and marked on the answer
    /// (`Rescind-Monitor: 503`). What is known revoked, expired or invalid is refused as ever, and before the
    /// first snapshot and head everything is. Routes that are `online` ask the authority, and go on without
    /// its answer. **No promise about revocations holds meanwhile.**
    pub fn monitor(mut self) -> Self {
        self.settings.monitor = true;
        self
    }

    /// Where the time comes from; the machine's clocks unless named.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long [`Builder::build`] waits; 30 s unless named.
    pub fn build_timeout(mut self, limit: Duration) -> Self {
        self.build_timeout = limit;
        self
    }

    /// Builds, and returns once metadata, keys, snapshot and a first head are in.
    pub async fn build(self) -> Result<Verifier, BuildError> {
        let limit = self.build_timeout;
        let (verifier, follow) = self.begin()?;
        let mut ready = verifier.core().ready.subscribe();
        let in_time = tokio::time::timeout(limit, ready.wait_for(|ready| *ready)).await;
        match in_time {
            Ok(Ok(_)) => Ok(verifier),
            _ => Err(BuildError::NotReady(follow.trouble.borrow().clone())),
        }
    }

    /// Builds at once; the verifier answers 503 until it is ready. For a server that may come up before
    /// the authority. Only wrong settings fail.
    pub fn start(self) -> Result<Verifier, BuildError> {
        self.begin().map(|(verifier, _)| verifier)
    }

    fn begin(self) -> Result<(Verifier, Arc<Follow>), BuildError> {
        let mut settings = self.settings;
        settings.algorithms = algorithms(self.algorithms, !self.shared.is_empty())?;
        let issuer = settings.expected.issuer.clone();
        let metadata = endpoint::metadata(&issuer)?;
        let challenge = answer::bare_challenge(&issuer).ok_or(BuildError::IssuerText)?;
        if settings.expected.audience.is_empty() {
            return Err(BuildError::Audience);
        }
        if settings.leeway > MAX_LEEWAY {
            return Err(BuildError::Leeway);
        }
        let (id, secret) = self.client.ok_or(BuildError::Client)?;
        let login = secret.login(&id).filter(|_| !id.is_empty()).ok_or(BuildError::Client)?;
        let relay = self.relay.as_deref().map(endpoint::base).transpose();
        let relay = relay.map_err(|_| BuildError::Relay)?;
        let authority = Authority::new(issuer, metadata, login)?.behind(relay);
        let authority = authority.with_snapshots_of(settings.max_snapshot);
        let instance = Instance::from_bytes(entropy::bytes().map_err(|_| BuildError::Entropy)?);
        let keys = if self.shared.is_empty() {
            KeyRing::new(settings.algorithms.clone())
        } else {
            KeyRing::shared(self.shared.into_iter().map(SharedSecret::into_key))
        };
        if settings.monitor {
            tracing::warn!(
                "monitor mode: nothing is refused for staleness, so a revocation may go unnoticed"
            );
        }
        if settings.new_at_once == 0 {
            let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
            settings.new_at_once = runtime.metrics().num_workers();
        }
        let core = Arc::new(Core::new(settings, keys, self.clock));
        let follow = Arc::new(Follow::new(Arc::clone(&core), authority, instance));
        let verifier = Verifier::follow(core, Arc::clone(&follow), challenge)?;
        Ok((verifier, follow))
    }
}

/// What is accepted. Never a shared secret and a public key at once: a mix-up of the two must not even be
/// possible.
fn algorithms(named: Option<Vec<Alg>>, shared: bool) -> Result<Vec<Alg>, BuildError> {
    let usual = if shared { Alg::Hs256 } else { Alg::Es256 };
    let algorithms = named.unwrap_or_else(|| vec![usual]);
    let of_secrets = algorithms.iter().filter(|a| a.is_shared()).count();
    match (algorithms.len(), of_secrets) {
        (0, _) => Err(BuildError::Algorithms),
        (all, of_secrets) if of_secrets != 0 && of_secrets != all => {
            Err(BuildError::MixedAlgorithms)
        }
        (_, 0) if shared => Err(BuildError::MixedAlgorithms),
        (_, 1..) if !shared => Err(BuildError::SharedSecret),
        _ => Ok(algorithms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> Builder {
        Verifier::builder("http://localhost:9", "posts-api")
            .client("posts-api", ClientSecret::new("secret"))
    }

    // T04
    #[tokio::test]
    async fn a_verifier_has_an_explicit_set_of_algorithms() {
        let built = builder().start().unwrap();
        assert_eq!(built.settings().algorithms, [Alg::Es256]);
        assert!(matches!(builder().algorithms(&[]).start(), Err(BuildError::Algorithms)));
    }

    // T26
    #[tokio::test]
    async fn a_leeway_over_thirty_seconds_is_refused() {
        assert!(builder().leeway(30).start().is_ok());
        assert!(matches!(builder().leeway(31).start(), Err(BuildError::Leeway)));
    }

    // K08
    #[tokio::test]
    async fn settings_that_cannot_be_safe_are_refused() {
        let with = |issuer: &str, audience: &str| {
            let secret = ClientSecret::new("secret");
            Verifier::builder(issuer, audience).client("c", secret).start().err()
        };
        assert!(matches!(with("http://a.example", "a"), Some(BuildError::Issuer(_))));
        assert!(matches!(with("http://localhost", ""), Some(BuildError::Audience)));
        for relay in ["http://r.example", "https://r.example?x"] {
            let refused = builder().feed_from(relay).start();
            assert!(matches!(refused, Err(BuildError::Relay)), "{relay}");
        }
        let without = Verifier::builder("http://localhost", "a").start();
        assert!(matches!(without, Err(BuildError::Client)));
        let empty = builder().client("c", ClientSecret::new("")).start();
        assert!(matches!(empty, Err(BuildError::Client)));
    }

    #[tokio::test]
    async fn a_wrong_setting_says_what_is_wanted() {
        let text = |builder: Builder| builder.start().unwrap_err().to_string();
        let of = |issuer: &str, audience: &str| Verifier::builder(issuer, audience);
        assert!(
            text(of("http://a.example", "a"))
                .contains("the issuer is not an allowed address: https")
        );
        assert!(text(of("http://localhost", "")).contains("the audience is empty"));
        assert!(text(of("http://localhost", "a")).contains("rescind client add"));
        assert!(text(builder().leeway(31)).contains("over 30 s"));
        assert!(text(builder().algorithms(&[])).contains("name at least one"));
        let late = BuildError::NotReady(Some(Arc::new(FetchError::Timeout))).to_string();
        assert!(
            late.contains("not ready in time: ") && late.contains("see that it runs"),
            "{late}"
        );
    }

    #[test]
    fn outside_a_runtime_the_error_says_so() {
        assert!(matches!(builder().start(), Err(BuildError::NoRuntime)));
    }
}
