//! Runs a model to its end, and says what was seen.

use stateright::{Checker as _, Expectation, HasDiscoveries, Model};
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Instant;

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

/// Searches the whole of a model: no `always` may fail, each `sometimes` must be reached.
pub(crate) fn whole<M>(name: &str, bounds: &str, model: M) -> Report
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq + Send + Sync,
{
    let properties: Vec<_> =
        model.properties().iter().map(|p| (p.name, p.expectation.clone())).collect();
    let (checker, seconds) = search(model, HasDiscoveries::AnyFailures);
    let mut problems = Vec::new();
    for (property, expectation) in properties {
        match (expectation, checker.discovery(property)) {
            (Expectation::Sometimes, None) => problems.push(format!("never reached: {property}")),
            (Expectation::Always | Expectation::Eventually, Some(path)) => {
                problems.push(format!("VIOLATED {property}:\n{path}"));
            }
            _ => {}
        }
    }
    report(name.into(), bounds.into(), &checker, seconds, problems)
}

/// Searches a mutant: the named invariant must fail.
pub(crate) fn mutant<M>(name: &str, mutation: &str, caught_by: &'static str, model: M) -> Report
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq + Send + Sync,
{
    assert!(model.properties().iter().any(|p| p.name == caught_by), "no property {caught_by}");
    let found = HasDiscoveries::AllOf([caught_by].into());
    let (checker, seconds) = search(model, found);
    let problems = match checker.discovery(caught_by) {
        Some(_) => vec![],
        None => vec![format!("NOT CAUGHT by {caught_by}")],
    };
    let name = format!("{name} with mutant: {mutation}");
    report(name, format!("caught by {caught_by}"), &checker, seconds, problems)
}

#[expect(clippy::disallowed_methods, reason = "says how long a search took; no rule sees it")]
fn search<M>(model: M, end: HasDiscoveries) -> (impl stateright::Checker<M>, f64)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq + Send + Sync,
{
    let begun = Instant::now();
    let checker = model.checker().threads(THREADS).finish_when(end).spawn_bfs().join();
    let seconds = begun.elapsed().as_secs_f64();
    (checker, seconds)
}

fn report<M: Model>(
    name: String,
    about: String,
    checker: &impl stateright::Checker<M>,
    seconds: f64,
    problems: Vec<String>,
) -> Report {
    let problem = (!problems.is_empty()).then(|| problems.join("; "));
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    Report { name, about, states, depth, seconds, problem }
}

/// A model with the search of it and of its mutants.
type Named = (&'static str, fn() -> Box<dyn Iterator<Item = Report>>);

/// Every model and every mutant, in turn; or those of one model, by its name.
pub(crate) fn all(only: Option<&str>) -> impl Iterator<Item = Report> {
    let models: [Named; 4] = [
        ("issue", || Box::new(crate::issue::reports())),
        ("delivery", || Box::new(crate::delivery::reports())),
        ("epochs", || Box::new(crate::epochs::reports())),
        ("clocks", || Box::new(crate::clocks::reports())),
    ];
    let asked = models.into_iter().filter(move |(name, _)| only.is_none_or(|only| only == *name));
    asked.flat_map(|(_, reports)| reports())
}
