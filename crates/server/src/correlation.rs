//! The id of a request, which joins its answer with its lines in the log. Most requests need none: it is drawn
//! when the first line or answer asks for it.

use rescind_authority::clock::{Entropy, random};
use rescind_wire::b64;
use std::sync::{Arc, OnceLock};

tokio::task_local! {
    static CURRENT: Arc<CorrelationId>;
}

/// The id of one request. Drawn here, whatever the request says of itself.
pub(crate) struct CorrelationId {
    drawn: OnceLock<String>,
    entropy: Arc<dyn Entropy>,
}

impl CorrelationId {
    /// Of a request that begins.
    pub(crate) fn new(entropy: &Arc<dyn Entropy>) -> Arc<Self> {
        Arc::new(Self { drawn: OnceLock::new(), entropy: Arc::clone(entropy) })
    }

    /// Whether a line or an answer has it.
    pub(crate) fn is_drawn(&self) -> bool {
        self.drawn.get().is_some()
    }

    /// Its text: base64url.
    pub(crate) fn text(&self) -> &str {
        self.drawn.get_or_init(|| b64::encode(random::<9>(&*self.entropy)))
    }

    /// Whatever is logged by this work carries the id.
    pub(crate) fn of<F: Future>(
        self: &Arc<Self>,
        work: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(Arc::clone(self), work)
    }
}

/// What the log says of the request under way, if there is one.
pub(crate) fn with_current<T>(say: impl FnOnce(&str) -> T) -> Option<T> {
    CURRENT.try_with(|id| say(id.text())).ok()
}
