//! Requests as they are counted, of which there may be a hundred thousand in a second: what was found once for a
//! route, method and status is kept.

use super::events::{Labels, put, seconds};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// All requests.
pub(super) struct Requests {
    counts: Family<Labels, Counter>,
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    /// By route: there are as many as in the table of routes.
    known: RwLock<HashMap<String, Vec<Known>>>,
}

#[derive(Clone)]
struct Known {
    method: &'static str,
    status: u16,
    count: Counter,
    duration: Histogram,
}

impl Requests {
    /// None yet.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let durations = Family::new_with_constructor(seconds as fn() -> Histogram);
        Self {
            counts: put(registry, "requests", "Answered requests", Family::default()),
            durations: put(
                registry,
                "request_duration_seconds",
                "Time to answer a request",
                durations,
            ),
            known: RwLock::default(),
        }
    }

    /// Counts one.
    pub(super) fn count(&self, method: &'static str, route: &str, status: u16, micros: u64) {
        let is_it = |known: &&Known| known.method == method && known.status == status;
        let all = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(route).and_then(|of_route| of_route.iter().find(is_it)) {
            return known.take(micros);
        }
        drop(all);
        let known = self.find(method, route, status);
        known.take(micros);
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let of_route = all.entry(route.to_owned()).or_default();
        if of_route.iter().find(is_it).is_none() {
            of_route.push(known);
        }
    }

    fn find(&self, method: &'static str, route: &str, status: u16) -> Known {
        let mut labels = vec![("method", method.to_owned()), ("route", route.to_owned())];
        let duration = self.durations.get_or_create(&labels).clone();
        labels.push(("status", status.to_string()));
        let count = self.counts.get_or_create(&labels).clone();
        Known { method, status, count, duration }
    }
}

impl Known {
    fn take(&self, micros: u64) {
        self.count.inc();
        self.duration.observe(micros as f64 / 1e6);
    }
}
