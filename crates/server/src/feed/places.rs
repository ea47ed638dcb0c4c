//! Places that are taken and given back: so many at once, and so many of them by one client, so that none
//! takes those of all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places of one kind.
pub(super) struct Places {
    all: Arc<Semaphore>,
    most: usize,
    each: usize,
    /// What is left to each client that has or waits for one.
    of: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A place; free again once it is dropped.
pub struct Place {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Places {
    /// So many, and so many of them for each client.
    pub(super) fn new(all: usize, each: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), most: all, each, of: Mutex::default() }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.most - self.all.available_permits()
    }

    /// One for this client, if there is one now.
    pub(super) fn take(&self, client_id: &str) -> Option<Place> {
        let _own = self.of(client_id).try_acquire_owned().ok()?;
        let _of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Place { _own, _of_all })
    }

    /// One for this client, once it is its turn. `None` only if there will never be one.
    pub(super) async fn wait(&self, client_id: &str) -> Option<Place> {
        let _own = self.of(client_id).acquire_owned().await.ok()?;
        let _of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _own, _of_all })
    }

    fn of(&self, client_id: &str) -> Arc<Semaphore> {
        let mut of = self.of.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Whoever has or waits for a place holds its semaphore.
        of.retain(|_, left| Arc::strong_count(left) > 1);
        let new = || Arc::new(Semaphore::new(self.each));
        Arc::clone(of.entry(client_id.to_owned()).or_insert_with(new))
    }
}
