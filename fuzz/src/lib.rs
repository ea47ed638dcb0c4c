//! Every parser of hostile input, fed with mutated input: each target states what must hold whatever
//! comes in.
//!
//! A [`Target`] is a set of good and bad inputs and a property of all inputs. `cargo test` feeds each with
//! its seeds, the files in `corpus/`, and mutations drawn from one fixed seed (`edit`); `cargo xtask fuzz`
//! lets libFuzzer look for new paths, for as long as it is told to. No key here is anybody's.
#![expect(clippy::unwrap_used, reason = "a broken test tool must stop the test")]

mod body;
mod configuration;
mod cookie;
#[cfg(not(feature = "guided"))]
mod edit;
mod follow;
mod frame;
mod key_set;
mod line;
mod realm;
mod token;

#[cfg(not(feature = "guided"))]
use edit::{Edit, apply};
use std::path::{Path, PathBuf};

/// A parser, with what must hold of it.
#[derive(Debug)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// Inputs that lead to every branch: good ones, and bad ones of known attacks.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Panics if an input shows that the property does not hold.
    pub holds: fn(&[u8]),
    /// Mutations in the short run: two to three seconds without optimisation.
    pub short: usize,
}

pub use body::TARGET as BODY;
pub use configuration::TARGET as CONFIGURATION;
pub use cookie::TARGET as COOKIE;
pub use follow::{HEAD, SNAPSHOT};
pub use frame::TARGET as FRAME;
pub use key_set::TARGET as KEY_SET;
pub use line::TARGET as LINE;
pub use token::TARGET as TOKEN;

impl Target {
    /// The seeds and the files of the corpus.
    fn inputs(&self) -> Vec<Vec<u8>> {
        let mut inputs = (self.seeds)();
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name);
        let files = std::fs::read_dir(corpus).into_iter().flatten();
        let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
        // The order of a folder is its own affair, and the short run is the same everywhere.
        files.sort();
        inputs.extend(files.iter().map(|file| std::fs::read(file).unwrap()));
        inputs
    }

    /// Feeds it: all inputs, then mutations of them.
    #[cfg(not(feature = "guided"))]
    pub fn run(&'static self) {
        let inputs = self.inputs();
        inputs.iter().for_each(|input| (self.holds)(input));
        let (holds, short) = (self.holds, self.short);
        // Few changes at once: what is changed everywhere fails at the first check.
        let edits = bolero::produce::<Vec<Edit>>().with().len(1usize..=4);
        let mutation = (bolero::produce::<u16>(), bolero::produce::<u16>(), edits);
        bolero::check!().with_generator(mutation).with_iterations(short).for_each(
            move |(first, second, edits)| {
                let pick = |n: &u16| &inputs[usize::from(*n) % inputs.len()];
                holds(&apply(edits, pick(first), pick(second)));
            },
        );
    }

    /// Feeds it with what libFuzzer makes of the inputs, which it finds in the folder `seeds` of the working
    /// directory: `cargo xtask fuzz` gives each target a directory of its own.
    #[cfg(feature = "guided")]
    pub fn run(&'static self) {
        std::fs::create_dir_all("seeds").unwrap();
        for (number, input) in self.inputs().iter().enumerate() {
            std::fs::write(Path::new("seeds").join(number.to_string()), input).unwrap();
        }
        bolero::check!().for_each(|input: &[u8]| (self.holds)(input));
    }
}
