//! Runs a model to its end, and says what was seen.

use stateright::{Checker, CheckerBuilder, Expectation, HasDiscoveries, Model, UniformChooser};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::{Duration, Instant};

/// Two cores.
const THREADS: usize = 2;

/// What one search found.
#[derive(Debug)]
pub(crate) struct Report {
    /// The model, and the mutant if it is one.
    name: String,
    /// What was searched: bounds for a model, the catching invariant for a mutant.
    about: String,
    states: usize,
    depth: usize,
    seconds: f64,
    /// What must not be: a violation, a state never reached, a mutant that survived.
    pub(crate) problem: Option<String>,
}

impl Report {
    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let verdict = self.problem.as_deref().unwrap_or("ok");
        format!(
            "{:<44} {:>9} states, depth {:>3}, {:>6.1} s · {} · {verdict}",
            self.name, self.states, self.depth, self.seconds, self.about
        )
    }
}

/// By which those that are alike are put in order.
pub(crate) fn print(one: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    one.hash(&mut hasher);
    hasher.finish()
}

/// A search that has not begun.
pub(crate) struct Search {
    name: String,
    run: Box<dyn FnOnce(String) -> Report>,
}

impl Search {
    /// Whether it is asked for: by the beginning of its name, or as one of all.
    pub(crate) fn is_asked_for(&self, only: Option<&str>) -> bool {
        only.is_none_or(|only| self.name.starts_with(only))
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Report {
        (self.run)(self.name)
    }
}

/// A model that can be searched.
pub(crate) trait Searched:
    Model<
        State: Clone + Debug + Hash + PartialEq + Send + Sync,
        Action: Clone + Debug + PartialEq + Send + Sync,
    > + Send
    + Sync
    + 'static
{
}

impl<M> Searched for M
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq + Send + Sync,
{
}

/// How a walk at random goes: the seed names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) seed: u64,
    pub(crate) time: Duration,
}

/// Steps of a walk before it begins anew.
const STEPS: usize = 150;
/// A mutant that is not caught until then is not caught.
const CATCH: Duration = Duration::from_secs(60);

/// The search of the whole of a model: no `always` may fail, each `sometimes` must be reached.
pub(crate) fn whole<M: Searched>(name: &str, bounds: &str, model: M) -> Search {
    // Depth first holds few states at a time, breadth first finds the shortest way to a failure.
    holds(name, bounds, model, |builder| builder.spawn_dfs().join())
}

/// The same of as much of it as a walk comes by.
pub(crate) fn walk<M: Searched>(name: &str, bounds: &str, model: M, walk: Walk) -> Search {
    let bounds = format!("walked at random, seed {}: {bounds}", walk.seed);
    holds(name, &bounds, model, move |builder| walked(builder, walk))
}

/// The search of a mutant: the named invariant must fail.
pub(crate) fn mutant<M: Searched>(
    name: &str,
    mutation: &str,
    caught_by: &'static str,
    model: M,
) -> Search {
    fails(name, mutation, caught_by, model, |builder| builder.spawn_bfs().join())
}

/// The same by a walk.
pub(crate) fn walked_mutant<M: Searched>(
    name: &str,
    mutation: &str,
    caught_by: &'static str,
    model: M,
    walk: Walk,
) -> Search {
    let walk = Walk { time: CATCH, ..walk };
    fails(name, mutation, caught_by, model, move |builder| walked(builder, walk))
}

fn walked<M: Searched>(builder: CheckerBuilder<M>, walk: Walk) -> impl Checker<M> {
    let bounded = builder.target_max_depth(STEPS).timeout(walk.time);
    bounded.spawn_simulation(walk.seed, UniformChooser).join()
}

fn holds<M, C>(
    name: &str,
    bounds: &str,
    model: M,
    search: impl FnOnce(CheckerBuilder<M>) -> C + 'static,
) -> Search
where
    M: Searched,
    C: Checker<M>,
{
    let bounds = bounds.to_owned();
    let run = Box::new(|name| {
        let properties: Vec<_> =
            model.properties().iter().map(|p| (p.name, p.expectation.clone())).collect();
        let (checker, seconds) = timed(|| search(builder(model, HasDiscoveries::AnyFailures)));
        let mut problems = Vec::new();
        // What was not looked at may be wrong.
        if !checker.is_done() {
            problems.push("NOT WHOLE".to_owned());
        }
        for (property, expectation) in properties {
            match (expectation, checker.discovery(property)) {
                (Expectation::Sometimes, None) => {
                    problems.push(format!("never reached: {property}"));
                }
                (Expectation::Always | Expectation::Eventually, Some(path)) => {
                    problems.push(format!("VIOLATED {property}:\n{path}"));
                }
                _ => {}
            }
        }
        report(name, bounds, &checker, seconds, problems)
    });
    Search { name: name.to_owned(), run }
}

fn fails<M, C>(
    name: &str,
    mutation: &str,
    caught_by: &'static str,
    model: M,
    search: impl FnOnce(CheckerBuilder<M>) -> C + 'static,
) -> Search
where
    M: Searched,
    C: Checker<M>,
{
    let run = Box::new(move |name| {
        let there = model.properties().iter().any(|p| p.name == caught_by);
        let end = HasDiscoveries::AllOf([caught_by].into());
        let (checker, seconds) = timed(|| search(builder(model, end)));
        let problems = match checker.discovery(caught_by).filter(|_| there) {
            Some(_) => vec![],
            None => vec![format!("NOT CAUGHT by {caught_by}")],
        };
        report(name, format!("caught by {caught_by}"), &checker, seconds, problems)
    });
    Search { name: format!("{name} with mutant: {mutation}"), run }
}

fn builder<M: Searched>(model: M, end: HasDiscoveries) -> CheckerBuilder<M> {
    model.checker().threads(THREADS).finish_when(end)
}

#[expect(clippy::disallowed_methods, reason = "says how long a search took; no rule sees it")]
fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let begun = Instant::now();
    let done = run();
    (done, begun.elapsed().as_secs_f64())
}

fn report<M: Model>(
    name: String,
    about: String,
    checker: &impl Checker<M>,
    seconds: f64,
    problems: Vec<String>,
) -> Report {
    let problem = (!problems.is_empty()).then(|| problems.join("; "));
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    Report { name, about, states, depth, seconds, problem }
}

/// Every model and every mutant, in turn.
pub(crate) fn all(walk: Walk) -> impl Iterator<Item = Search> {
    let (issue, delivery) = (crate::issue::searches(), crate::delivery::searches());
    let (epochs, clocks) = (crate::epochs::searches(), crate::clocks::searches());
    issue.chain(delivery).chain(epochs).chain(clocks).chain(crate::joint::searches(walk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stateright::Property;

    /// Counts to three.
    struct Count(fn() -> Property<Count>);

    impl Model for Count {
        type State = u8;
        type Action = ();

        fn init_states(&self) -> Vec<u8> {
            vec![0]
        }

        fn actions(&self, state: &u8, actions: &mut Vec<()>) {
            actions.extend((*state < 3).then_some(()));
        }

        fn next_state(&self, last: &u8, (): ()) -> Option<u8> {
            Some(last + 1)
        }

        fn properties(&self) -> Vec<Property<Self>> {
            vec![(self.0)(), Property::always("small", |_, state| *state < 4)]
        }
    }

    fn problem(search: Search) -> String {
        search.run().problem.unwrap_or_default()
    }

    #[test]
    fn a_violation_and_a_state_that_is_never_reached_are_problems() {
        let whole = |property| problem(whole("one", "", Count(property)));
        assert_eq!(whole(|| Property::sometimes("ends", |_, state| *state == 3)), "");
        let never = whole(|| Property::sometimes("ends", |_, state| *state == 9));
        assert_eq!(never, "never reached: ends");
        let violated = whole(|| Property::always("tiny", |_, state| *state < 2));
        assert!(violated.starts_with("VIOLATED tiny"), "{violated}");
    }

    #[test]
    fn a_mutant_that_the_named_invariant_does_not_catch_is_a_problem() {
        let mutant = |by| {
            let tiny = || Property::always("tiny", |_: &Count, state: &u8| *state < 2);
            problem(mutant("one", "", by, Count(tiny)))
        };
        assert_eq!(mutant("tiny"), "");
        assert_eq!(mutant("small"), "NOT CAUGHT by small");
        assert_eq!(mutant("another"), "NOT CAUGHT by another");
    }
}
