//! Places that are taken and given back: so many at once, and so many of them by one client or one person, so
//! that none takes those of all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long one waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// Places of one kind.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    most: usize,
    each: usize,
    /// What is left to each client that has or waits for one.
    of: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A place; free again once it is dropped.
#[derive(Debug)]
pub struct Place {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Places {
    /// So many, and so many of them for each client.
    pub(crate) fn new(all: usize, each: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), most: all, each, of: Mutex::default() }
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.most - self.all.available_permits()
    }

    /// One for this client, if there is one now.
    pub(crate) fn take(&self, client_id: &str) -> Option<Place> {
        let _own = self.of(client_id).try_acquire_owned().ok()?;
        let _of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Place { _own, _of_all })
    }

    /// One for this client, if it is its turn in time.
    pub(crate) async fn turn(&self, client_id: &str) -> Option<Place> {
        tokio::time::timeout(TURN, self.wait(client_id)).await.ok().flatten()
    }

    /// One for this client, once it is its turn. `None` only if there will never be one.
    async fn wait(&self, client_id: &str) -> Option<Place> {
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
