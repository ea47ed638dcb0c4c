//! Who the caller is, once the token has passed.
//!
//! Owns [`Principal`], which only [`crate::check`] makes: there is no way to one from an unverified token.

use crate::ended::{self, Ended};
use crate::known::Known;
use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::token::Claims;
use std::fmt;
use std::sync::Arc;

/// The caller of a request whose access token passed. Cheap to clone.
#[derive(Clone)]
pub struct Principal(Arc<Known>);

impl Principal {
    pub(crate) fn new(known: Arc<Known>) -> Self {
        Self(known)
    }

    /// Resolves when the caller's right to be here ends: within milliseconds of a revocation that reaches
    /// this server, and about a second after the token expires or the knowledge runs out. For sockets,
    /// streams and long jobs, which nobody checks again:
    ///
    /// ```no_run
    /// # use rescind_verifier::Principal;
    /// # async fn next_message() {}
    /// # async fn example(user: Principal) {
    /// let ended = user.ended();
    /// tokio::pin!(ended);
    /// loop {
    ///     tokio::select! {
    ///         why = &mut ended => break println!("closed: {why:?}"),
    ///         () = next_message() => { /* … */ }
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// The future owns what it needs and may be dropped at any time. Runs inside a tokio runtime.
    pub fn ended(&self) -> impl Future<Output = Ended> + Send + use<> {
        let (core, known) = (self.0.core.upgrade(), Arc::clone(&self.0));
        async move {
            match core {
                Some(core) => ended::ended(core, known).await,
                None => Ended::Unknown,
            }
        }
    }

    /// The account. Stays the same for ever and is never given to another account.
    pub fn subject(&self) -> Sub {
        self.claims().sub
    }

    /// The session that the token belongs to.
    pub fn session(&self) -> Sid {
        self.claims().sid
    }

    /// Roles of the account when the token was issued. A change of roles kills the token.
    pub fn roles(&self) -> &[String] {
        &self.claims().roles
    }

    /// Scopes of the token (RFC 6749 §3.3).
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.claims().scope.split(' ').filter(|s| !s.is_empty())
    }

    /// The client that the token was issued to.
    pub fn client_id(&self) -> &str {
        &self.claims().client_id
    }

    /// All audiences of the token.
    pub fn audience(&self) -> &[String] {
        &self.claims().aud
    }

    /// The token.
    pub fn token_id(&self) -> Jti {
        self.claims().jti
    }

    /// UTC second of issue.
    pub fn issued_at(&self) -> u64 {
        self.claims().iat
    }

    /// UTC second from which the token is dead.
    pub fn expires_at(&self) -> u64 {
        self.claims().exp
    }

    /// UTC second of the last real authentication.
    pub fn auth_time(&self) -> u64 {
        self.claims().auth_time
    }

    /// All claims.
    pub fn claims(&self) -> &Claims {
        &self.0.facts.claims
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Principal").field(self.claims()).finish()
    }
}

/// Refuses with 500 where no layer of the verifier stands in front: a forgotten layer never passes.
#[cfg(feature = "axum")]
impl<S: Sync> axum_core::extract::FromRequestParts<S> for Principal {
    type Rejection = axum_core::response::Response;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!(
                "a handler takes a Principal, but its route lacks the verifier's layer"
            );
            crate::answer::no_layer()
        })
    }
}
