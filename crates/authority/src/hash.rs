//! Password hashing: Argon2id on threads of its own, each with the memory of one hash that it keeps,
//! behind a queue with a limit. A flood of sign-ins fills the queue and nothing else: the threads take what
//! the rest leaves of the processors ([`yield_to_others`]), and who would find the queue full is turned away
//! before anything is read for him ([`HashPool::admit`]).

use crate::clock::{Entropy, random};
use crate::foreign::Foreign;
use crate::guessable::is_guessable;
use crate::name::Name;
use crate::password::Password;
use crate::settings::{Argon2Cost, Settings};
use argon2::password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rescind_wire::equal_in_constant_time;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

const OUTPUT: usize = 32;

/// How far the threads that hash stand back, as `nice` counts it: a thirtieth of the share of one that does
/// not, where both want the same processor.
#[cfg(target_os = "linux")]
const NICE: i32 = 15;

/// The queue is full. Try again shortly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all hashing threads are busy")]
pub struct Busy;

/// What a password is against a stored hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one. `outdated`: the hash was made with other parameters than those in force.
    Right {
        /// Hash it anew.
        outdated: bool,
    },
    /// It is not, or there is no such hash.
    Wrong,
}

enum Work {
    Verify { stored: Option<String>, answer: oneshot::Sender<Verdict> },
    Hash { salt: [u8; 16], answer: oneshot::Sender<Option<String>> },
    Judge { name: Name, issuer: String, answer: oneshot::Sender<bool> },
}

struct Job {
    password: Zeroizing<Vec<u8>>,
    work: Work,
    waiting: One,
}

/// How the threads that hash are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolState {
    /// Threads that live.
    pub threads: usize,
    /// Those that hash now.
    pub busy: usize,
    /// Passwords that wait for a thread.
    pub waiting: usize,
    /// Passwords that were turned away since the start.
    pub refused: u64,
}

#[derive(Default)]
struct Counts {
    threads: Arc<AtomicUsize>,
    busy: Arc<AtomicUsize>,
    waiting: Arc<AtomicUsize>,
    refused: AtomicU64,
    computed: AtomicU64,
}

/// Counts for one as long as it lives, also where a thread panics.
struct One(Arc<AtomicUsize>);

impl One {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The threads that hash. They end when this is dropped.
pub struct HashPool {
    queue: mpsc::SyncSender<Job>,
    most_waiting: usize,
    counts: Arc<Counts>,
}

impl HashPool {
    pub(crate) fn new(settings: &Settings, entropy: &dyn Entropy) -> Self {
        let (queue, jobs) = mpsc::sync_channel(settings.hash_queue);
        let jobs = Arc::new(Mutex::new(jobs));
        let counts = Arc::<Counts>::default();
        let dummy = dummy(settings.argon2, entropy);
        for _ in 0..settings.hash_threads.max(1) {
            let worker = Worker {
                cost: settings.argon2,
                dummy: dummy.clone(),
                memory: Vec::new(),
                counts: Arc::clone(&counts),
            };
            let (jobs, living) = (Arc::clone(&jobs), One::of(&counts.threads));
            std::thread::spawn(move || {
                yield_to_others();
                worker.run(&jobs);
                drop(living);
            });
        }
        Self { queue, most_waiting: settings.hash_queue, counts }
    }

    /// Whether the queue has room: asked before anything is done for a sign-in that would have to wait in it.
    /// No promise, since others may be quicker.
    pub fn admit(&self) -> Result<(), Busy> {
        match self.counts.waiting.load(Ordering::Relaxed) < self.most_waiting.max(1) {
            true => Ok(()),
            false => Err(self.refuse()),
        }
    }

    /// Verifies a password against a stored hash. Without one, a dummy hash of the same cost is
    /// verified and the answer is `Wrong`.
    pub async fn verify(
        &self,
        stored: Option<String>,
        password: &Password,
    ) -> Result<Verdict, Busy> {
        let (answer, verdict) = oneshot::channel();
        self.submit(password, Work::Verify { stored, answer })?;
        verdict.await.map_err(|_| Busy)
    }

    /// Hashes a password with the cost in force and this random salt, as a PHC string.
    pub async fn hash(&self, password: &Password, salt: [u8; 16]) -> Result<String, Busy> {
        let (answer, hash) = oneshot::channel();
        self.submit(password, Work::Hash { salt, answer })?;
        hash.await.ok().flatten().ok_or(Busy)
    }

    /// Whether a password for this name at this issuer is easy to guess. Here, because the worst take as
    /// long as several hashes.
    pub async fn is_guessable(
        &self,
        password: &Password,
        name: &Name,
        issuer: &str,
    ) -> Result<bool, Busy> {
        let (answer, verdict) = oneshot::channel();
        let (name, issuer) = (name.clone(), issuer.to_owned());
        self.submit(password, Work::Judge { name, issuer, answer })?;
        verdict.await.map_err(|_| Busy)
    }

    /// How many hashes were computed since the start.
    pub fn computed(&self) -> u64 {
        self.counts.computed.load(Ordering::Relaxed)
    }

    /// How the threads are doing.
    pub fn state(&self) -> PoolState {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        let Counts { threads, busy, waiting, refused, .. } = &*self.counts;
        let refused = refused.load(Ordering::Relaxed);
        PoolState { threads: count(threads), busy: count(busy), waiting: count(waiting), refused }
    }

    fn submit(&self, password: &Password, work: Work) -> Result<(), Busy> {
        let password = Zeroizing::new(password.expose().to_vec());
        let waiting = One::of(&self.counts.waiting);
        self.queue.try_send(Job { password, work, waiting }).map_err(|_| self.refuse())
    }

    fn refuse(&self) -> Busy {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        Busy
    }
}

/// Lets everything else go first: a hash takes a thousand times as long as what others wait for.
fn yield_to_others() {
    // Of a thread on Linux alone; elsewhere it is the whole process that stands back.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!(event = "hashing_not_nice", %error);
    }
}

struct Worker {
    cost: Argon2Cost,
    dummy: Option<String>,
    memory: Vec<Block>,
    counts: Arc<Counts>,
}

impl Worker {
    fn run(mut self, jobs: &Mutex<mpsc::Receiver<Job>>) {
        loop {
            let next = jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
            let Ok(Job { password, work, waiting }) = next else { return };
            drop(waiting);
            let _busy = One::of(&self.counts.busy);
            match work {
                // Whoever asked may have gone: then nobody needs the answer.
                Work::Verify { answer, .. } if answer.is_closed() => {}
                Work::Verify { stored, answer } => {
                    let _ = answer.send(self.verify(stored, &password));
                }
                Work::Hash { salt, answer } => {
                    let output = self.compute(self.cost, &salt, &password, OUTPUT);
                    let _ = answer.send(output.and_then(|o| phc(self.cost, &salt, &o)));
                }
                Work::Judge { name, issuer, answer } => {
                    // A mistake in the judgement must not end the thread: then it is refused.
                    let easy = std::panic::catch_unwind(|| {
                        let text = std::str::from_utf8(&password);
                        text.map_or(true, |password| is_guessable(password, &name, &issuer))
                    });
                    let _ = answer.send(easy.unwrap_or(true));
                }
            }
        }
    }

    fn verify(&mut self, stored: Option<String>, password: &[u8]) -> Verdict {
        let known = stored.is_some();
        let Some(text) = stored.or_else(|| self.dummy.clone()) else { return Verdict::Wrong };
        if let Some(foreign) = Foreign::parse(&text) {
            self.counts.computed.fetch_add(1, Ordering::Relaxed);
            return match foreign.fits(password) {
                true => Verdict::Right { outdated: true },
                false => Verdict::Wrong,
            };
        }
        let Some((cost, salt, expected)) = parse(&text) else {
            tracing::error!(event = "bad_password_hash", "a stored password hash is unreadable");
            return Verdict::Wrong;
        };
        match self.compute(cost, &salt, password, expected.len()) {
            Some(output) if equal_in_constant_time(&output, &expected) && known => {
                Verdict::Right { outdated: cost != self.cost || expected.len() != OUTPUT }
            }
            _ => Verdict::Wrong,
        }
    }

    fn compute(
        &mut self,
        cost: Argon2Cost,
        salt: &[u8],
        password: &[u8],
        length: usize,
    ) -> Option<Vec<u8>> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(length)).ok()?;
        let blocks = params.block_count();
        if self.memory.len() < blocks {
            self.memory.resize(blocks, Block::new());
        }
        let mut output = vec![0; length];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password, salt, &mut output, &mut self.memory[..blocks])
            .ok()?;
        self.counts.computed.fetch_add(1, Ordering::Relaxed);
        Some(output)
    }
}

/// What is verified for an account that does not exist: the cost in force, and an output that no password
/// has.
fn dummy(cost: Argon2Cost, entropy: &dyn Entropy) -> Option<String> {
    phc(cost, &random(entropy), &random::<OUTPUT>(entropy))
}

/// Writes `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
fn phc(cost: Argon2Cost, salt: &[u8; 16], output: &[u8]) -> Option<String> {
    let mut params = ParamsString::new();
    params.add_decimal("m", cost.memory_kib).ok()?;
    params.add_decimal("t", cost.passes).ok()?;
    params.add_decimal("p", cost.lanes).ok()?;
    let hash = PasswordHash {
        algorithm: Ident::new("argon2id").ok()?,
        version: Some(Version::V0x13.into()),
        params,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(Output::new(output).ok()?),
    };
    Some(hash.to_string())
}

/// Reads a PHC string of Argon2id: cost, salt, output. One with a secret or other data is not ours.
pub(crate) fn parse(text: &str) -> Option<(Argon2Cost, Vec<u8>, Vec<u8>)> {
    let hash = PasswordHash::new(text).ok()?;
    if hash.algorithm.as_str() != "argon2id" || hash.version != Some(Version::V0x13.into()) {
        return None;
    }
    let params = Params::try_from(&hash).ok()?;
    if !params.keyid().is_empty() || !params.data().is_empty() {
        return None;
    }
    let cost =
        Argon2Cost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
    Some((cost, hash.salt?.as_ref().to_vec(), hash.hash?.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests;
