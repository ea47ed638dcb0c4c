//! The tower layer: lets through who has a good token, answers all others itself.
//!
//! Nothing unauthenticated passes, not even OPTIONS: CORS stands outside. The token is read by
//! [`crate::bearer`], judged by [`crate::check`], and refusals are worded by [`crate::answer`].

use crate::answer::{self, Denial};
use crate::bearer::{self, NoToken};
use crate::check::Judged;
use crate::principal::Principal;
use crate::verifier::Verifier;
use bytes::Bytes;
use futures_util::future::Either;
use http::{Method, Request, Response};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service};

/// Most that is tolerated.
const TOLERABLE: Duration = Duration::from_secs(60 * 60);

/// What a route demands. A layer for tower and axum; made by [`Verifier::layer`],
/// [`Verifier::require`] and [`Verifier::tolerate`]. An inner layer can only tighten what an outer one demands.
#[derive(Clone)]
pub struct Protect {
    verifier: Verifier,
    rule: Arc<Rule>,
}

#[derive(Debug, Clone, Default)]
struct Rule {
    online: bool,
    within: Option<Duration>,
    tolerate: Option<Duration>,
    max_age: Option<u64>,
    roles: Vec<String>,
    scopes: Vec<String>,
}

impl Protect {
    pub(crate) fn new(verifier: Verifier) -> Self {
        Self { verifier, rule: Arc::default() }
    }

    pub(crate) fn tolerating(verifier: Verifier, staleness: Duration) -> Self {
        let most = staleness.min(TOLERABLE);
        Self::new(verifier).with(|rule| rule.tolerate = Some(most))
    }

    /// Asks the authority, after each request came in, whether anything was revoked. One question serves
    /// all requests that wait. 503 without an answer.
    pub fn online(self) -> Self {
        self.with(|rule| rule.online = true)
    }

    /// Accepts knowledge at most this old, else asks the authority as [`Protect::online`] does.
    pub fn within(self, staleness: Duration) -> Self {
        self.with(|rule| {
            rule.within = Some(rule.within.map_or(staleness, |known| known.min(staleness)));
        })
    }

    /// Demands a sign-in at most this long ago (whole seconds); else 401
    /// `insufficient_user_authentication` (RFC 9470).
    pub fn max_age(self, age: Duration) -> Self {
        self.with(|rule| {
            rule.max_age =
                Some(rule.max_age.map_or(age.as_secs(), |known| known.min(age.as_secs())));
        })
    }

    /// Demands a role; else 403. Called twice: both.
    pub fn role(self, role: impl Into<String>) -> Self {
        self.with(|rule| rule.roles.push(role.into()))
    }

    /// Demands a scope; else 403 `insufficient_scope`. Called twice: both.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.with(|rule| rule.scopes.push(scope.into()))
    }

    fn with(mut self, change: impl FnOnce(&mut Rule)) -> Self {
        change(Arc::make_mut(&mut self.rule));
        self
    }

    /// Who asks, if that can be said at once and nothing else is to be said: a token that is known and good, on a
    /// route that asks nobody. All others are for [`Protect::admit`].
    fn admit_at_once<B>(&self, request: &Request<B>) -> Option<Principal> {
        if self.rule.online || self.rule.within.is_some() {
            return None;
        }
        let token = bearer::presented(request.headers(), request.uri()).ok()?;
        let judged = self.verifier.judge_known(token)?;
        let (principal, Judged { second, tolerated: None, unproven: false }) = judged.ok()? else {
            return None;
        };
        self.rule.allows(&principal, second).ok()?;
        Some(principal)
    }

    async fn admit(&self, method: Method, token: &str) -> Result<(Principal, Judged), Denial> {
        let judged = if self.rule.online {
            self.verifier.judge_online(token).await
        } else if self.rule.within.is_some() {
            self.verifier.judge_within(token, self.rule.within).await
        } else {
            let reads = matches!(method, Method::GET | Method::HEAD);
            let tolerate = self.rule.tolerate.filter(|_| reads);
            self.verifier.judge_tolerating(token, tolerate).await
        };
        self.verifier.measure(&judged, self.rule.online || self.rule.within.is_some());
        let (principal, judged) = judged?;
        self.rule.allows(&principal, judged.second)?;
        Ok((principal, judged))
    }
}

impl Rule {
    fn allows(&self, principal: &Principal, second: u64) -> Result<(), Denial> {
        let has_roles = self.roles.iter().all(|r| principal.roles().contains(r));
        let has_scopes = self.scopes.iter().all(|s| principal.scopes().any(|p| p == s));
        if !has_roles || !has_scopes {
            return Err(Denial::Forbidden);
        }
        match self.max_age {
            Some(age) if second > principal.auth_time().saturating_add(age) => {
                Err(Denial::StepUp(age))
            }
            _ => Ok(()),
        }
    }
}

impl<S> Layer<S> for Protect {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Protected<S> {
        Protected { inner, protect: Arc::new(self.clone()) }
    }
}

/// A service behind [`Protect`]. Puts the [`Principal`] into the request's extensions.
#[derive(Clone)]
pub struct Protected<S> {
    inner: S,
    protect: Arc<Protect>,
}

impl<S, B, R> Service<Request<B>> for Protected<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes> + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<S::Future, Boxed<Response<R>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(principal) = self.protect.admit_at_once(&request) {
            request.extensions_mut().insert(principal);
            return Either::Left(self.inner.call(request));
        }
        // The service that was polled ready is the one to call; the clone waits for the next poll.
        let spare = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, spare);
        Either::Right(Box::pin(judged_first(Arc::clone(&self.protect), inner, request)))
    }
}

type Boxed<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

async fn judged_first<S, B, R>(
    protect: Arc<Protect>,
    mut inner: S,
    mut request: Request<B>,
) -> Result<Response<R>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    let admitted = match bearer::token(request.headers(), request.uri()) {
        Ok(token) => protect.admit(request.method().clone(), token).await,
        Err(NoToken::Missing) => Err(Denial::Unauthenticated),
        Err(NoToken::Malformed) => Err(Denial::InvalidRequest),
    };
    if let Ok((_, Judged { tolerated: Some(staleness), .. })) = &admitted {
        tracing::info!(?staleness, "stale knowledge tolerated");
    }
    match admitted {
        Ok((principal, judged)) => {
            request.extensions_mut().insert(principal);
            let mut answered = inner.call(request).await;
            if let (Ok(response), Some(staleness)) = (&mut answered, judged.tolerated) {
                answer::mark_stale(response, staleness);
            }
            if let (Ok(response), true) = (&mut answered, judged.unproven) {
                answer::mark_unproven(response);
            }
            answered
        }
        Err(denial) => {
            tracing::debug!(?denial, "request refused");
            Ok(denial.response(protect.verifier.challenge()))
        }
    }
}
