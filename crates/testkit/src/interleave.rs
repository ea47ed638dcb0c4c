//! Runs small protocols through every order that their steps can happen in.
//!
//! Two kinds of processes: lists of closures over a state of the test ([`Protocol`]), and whole
//! operations of the product as futures, which stop before each call of their store
//! ([`every_order_of`]). Every run begins with a state of its own and replays its order from the
//! start, so that the state needs no `Clone` and may hold real parts.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use rescind_authority::account::Account;
use rescind_authority::audit::{Record, Search};
use rescind_authority::clients::Client;
use rescind_authority::store::{
    Decide, Head, Judged, Load, Loaded, LogPart, Store, StoreError, Swept,
};
use rescind_wire::id::{Epoch, Sid, Sub};
use rescind_wire::revocation::Entry;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use tokio::sync::watch;

/// How many orders there were, and how many of them broke the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explored {
    /// All orders.
    pub runs: u64,
    /// Those in which the claim did not hold.
    pub bad: u64,
}

/// The decisions of one run: replayed as far as they are known, then always the first.
#[derive(Debug, Default)]
struct Choices {
    /// What was chosen, of how many.
    path: Vec<(usize, usize)>,
    next: usize,
}

impl Choices {
    fn choose(&mut self, of: usize) -> usize {
        if self.next == self.path.len() {
            self.path.push((0, of));
        }
        let (chosen, then) = self.path[self.next];
        assert_eq!(
            then, of,
            "a replayed run differs: something in it is not a function of its order"
        );
        self.next += 1;
        chosen
    }

    /// Moves to the next order; false if all have been.
    fn advance(&mut self) -> bool {
        self.next = 0;
        while let Some((chosen, of)) = self.path.pop() {
            if chosen + 1 < of {
                self.path.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}

/// Runs once per order; `run` says whether the claim was broken.
fn explore(mut run: impl FnMut(&mut Choices) -> bool) -> Explored {
    let mut choices = Choices::default();
    let mut explored = Explored { runs: 0, bad: 0 };
    loop {
        explored.runs += 1;
        explored.bad += u64::from(run(&mut choices));
        if !choices.advance() {
            return explored;
        }
    }
}

type Step<'a, S> = Box<dyn Fn(&mut S) + 'a>;

struct Process<'a, S> {
    name: &'a str,
    after: Vec<&'a str>,
    steps: Vec<Step<'a, S>>,
}

/// Processes whose steps are atomic and happen in any order that keeps each process's own.
pub struct Protocol<'a, S> {
    init: Box<dyn Fn() -> S + 'a>,
    processes: Vec<Process<'a, S>>,
}

impl<'a, S> Protocol<'a, S> {
    /// Every run begins with a new state.
    pub fn new(init: impl Fn() -> S + 'a) -> Self {
        Self { init: Box::new(init), processes: Vec::new() }
    }

    /// Adds a process.
    pub fn process<const N: usize>(mut self, name: &'a str, steps: [Step<'a, S>; N]) -> Self {
        self.processes.push(Process { name, after: Vec::new(), steps: steps.into() });
        self
    }

    /// The last process begins only when the named one has ended.
    pub fn after(mut self, name: &'a str) -> Self {
        assert!(self.processes.iter().any(|p| p.name == name), "no process {name}");
        self.processes.last_mut().expect("a process was added").after.push(name);
        self
    }

    /// Runs every order, and asks of each final state whether it breaks the claim.
    pub fn run(&self, bad: impl Fn(&S) -> bool) -> Explored {
        explore(|choices| {
            let mut state = (self.init)();
            let mut done = vec![0; self.processes.len()];
            loop {
                let ended = |name: &str| {
                    let at = self.processes.iter().position(|p| p.name == name);
                    at.is_some_and(|at| done[at] == self.processes[at].steps.len())
                };
                let ready: Vec<usize> = (0..done.len())
                    .filter(|&at| done[at] < self.processes[at].steps.len())
                    .filter(|&at| self.processes[at].after.iter().all(|name| ended(name)))
                    .collect();
                if ready.is_empty() {
                    return bad(&state);
                }
                let at = ready[choices.choose(ready.len())];
                self.processes[at].steps[done[at]](&mut state);
                done[at] += 1;
            }
        })
    }
}

/// A step, boxed.
pub fn step<'a, S>(f: impl Fn(&mut S) + 'a) -> Step<'a, S> {
    Box::new(f)
}

/// Whether the process that runs now waits at its next store call.
#[derive(Debug, Default)]
struct Gate(AtomicBool);

/// A store before each of whose calls a process can be held up.
pub struct SteppedStore {
    inner: Arc<dyn Store>,
    gate: Arc<Gate>,
}

impl SteppedStore {
    /// Steps through the calls of this store.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, gate: Arc::default() }
    }

    async fn turn(&self) {
        let mut waited = false;
        poll_fn(|_| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            self.gate.0.store(true, Ordering::SeqCst);
            Poll::Pending
        })
        .await;
    }
}

#[async_trait]
impl Store for SteppedStore {
    async fn head(&self) -> Result<Head, StoreError> {
        self.turn().await;
        self.inner.head().await
    }
    async fn read(&self, load: Load) -> Result<Loaded, StoreError> {
        self.turn().await;
        self.inner.read(load).await
    }
    async fn transact(&self, load: Load, decide: Decide) -> Result<Head, StoreError> {
        self.turn().await;
        self.inner.transact(load, decide).await
    }
    async fn log(&self, after: u64, most: usize) -> Result<LogPart, StoreError> {
        self.turn().await;
        self.inner.log(after, most).await
    }
    async fn snapshot(&self) -> Result<(Head, Vec<Entry>), StoreError> {
        self.turn().await;
        self.inner.snapshot().await
    }
    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.turn().await;
        self.inner.accounts().await
    }
    async fn records(&self, sub: Option<Sub>, most: usize) -> Result<Vec<Record>, StoreError> {
        self.turn().await;
        self.inner.records(sub, most).await
    }
    async fn search(&self, asked: Search, most: usize) -> Result<Vec<(u64, Record)>, StoreError> {
        self.turn().await;
        self.inner.search(asked, most).await
    }
    async fn sessions(&self, after: Option<Sid>, most: usize) -> Result<Vec<Judged>, StoreError> {
        self.turn().await;
        self.inner.sessions(after, most).await
    }
    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        self.turn().await;
        self.inner.clients().await
    }
    async fn sweep(&self, now: u64) -> Result<Swept, StoreError> {
        self.turn().await;
        self.inner.sweep(now).await
    }
    async fn open_epoch(
        &self,
        epoch: Epoch,
        ts: u64,
        end: bool,
        record: Record,
    ) -> Result<Head, StoreError> {
        self.turn().await;
        self.inner.open_epoch(epoch, ts, end, record).await
    }
    fn committed(&self) -> watch::Receiver<Head> {
        self.inner.committed()
    }
}

/// Wakes the thread that waits for something else than its turn, such as a hash.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Lets a process go on to its next store call or its end; true if it has ended.
fn go_on(process: &mut BoxFuture<'_, ()>, gate: &Gate) -> bool {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        gate.0.store(false, Ordering::SeqCst);
        if process.as_mut().poll(&mut context).is_ready() {
            return true;
        }
        if gate.0.load(Ordering::SeqCst) {
            return false;
        }
        std::thread::park();
    }
}

/// Runs operations of the product in every order of their store calls. `start` gives a run its state
/// with the stepped store in it; `processes` the operations on it, in one future each; `bad` asks at the end.
pub fn every_order_of<S>(
    start: impl Fn() -> (S, Arc<SteppedStore>),
    processes: impl for<'s> Fn(&'s S) -> Vec<BoxFuture<'s, ()>>,
    bad: impl Fn(&S) -> bool,
) -> Explored {
    explore(|choices| {
        let (state, store) = start();
        let mut running = processes(&state);
        // To the first call: what is done before it touches nothing shared.
        running.retain_mut(|process| !go_on(process, &store.gate));
        while !running.is_empty() {
            let at = choices.choose(running.len());
            if go_on(&mut running[at], &store.gate) {
                drop(running.remove(at));
            }
        }
        bad(&state)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(n: u8) -> Step<'static, Vec<u8>> {
        step(move |seen: &mut Vec<u8>| seen.push(n))
    }

    #[test]
    fn every_order_is_run_once_and_each_process_keeps_its_own() {
        let seen = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let protocol = Protocol::new(Vec::new)
            .process("a", [push(1), push(2)])
            .process("b", [push(3), push(4)]);
        let explored = protocol.run(|order| {
            assert!(seen.borrow_mut().insert(order.clone()), "twice: {order:?}");
            let at = |n| order.iter().position(|m| *m == n);
            at(1) > at(2) || at(3) > at(4)
        });
        assert_eq!(explored, Explored { runs: 6, bad: 0 });
    }

    #[test]
    fn a_process_waits_for_the_one_it_comes_after() {
        let protocol = Protocol::new(Vec::new)
            .process("a", [push(1), push(2)])
            .process("b", [push(3)])
            .after("a");
        assert_eq!(protocol.run(|order| *order != [1, 2, 3]), Explored { runs: 1, bad: 0 });
    }

    #[test]
    fn a_lost_update_is_found() {
        let add = || {
            let own = std::rc::Rc::new(std::cell::Cell::new(0));
            let write = std::rc::Rc::clone(&own);
            [step(move |n: &mut u32| own.set(*n)), step(move |n: &mut u32| *n = write.get() + 1)]
        };
        let protocol = Protocol::new(|| 0).process("a", add()).process("b", add());
        assert_eq!(protocol.run(|n| *n != 2), Explored { runs: 6, bad: 4 });
    }
}
