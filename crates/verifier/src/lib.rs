//! Checks Rescind access tokens inside an application's server.
//!
//! ```no_run
//! use rescind_verifier::{ClientSecret, Verifier};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::builder("https://auth.example.com", "posts-api")
//!     .client("posts-api", ClientSecret::from_env("RESCIND_CLIENT_SECRET")?)
//!     .build()
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! Then `.layer(verifier.layer())` on a router, `.layer(verifier.require().online())` on a route that must
//! ask the authority, and a [`Principal`] in the handler.
//!
//! A token is checked in memory: signature, lifetime, and whether it was taken back. What was taken back
//! comes by the authority's feed; how far that knowledge reaches is proven by the head, every second.
//! When it cannot be known, the answer is 503, never a guess.
//!
//! - `check`: judging one token · `facts`: what is true of it for ever · `known`: tokens that were verified before · `turns`: whose new one is next ·
//!   [`set`]: the live revocations · [`lease`]: how long they may be trusted
//! - [`state`]: following the log, a pure state machine · [`clock`]: what time it is
//! - `follow`, `following`, `fetch`, `keys`, `online`: the tasks and requests behind it · `trouble`: what goes
//!   wrong there
//! - `layer`, `bearer`, `answer`, `principal`: the HTTP side · `ended`: waiting for a caller's end
//!
//! It never contains rules of the authority, SQL, or a way to a [`Principal`] without a verified token.

mod answer;
mod bearer;
mod builder;
#[doc(hidden)]
pub mod check;
pub mod clock;
#[cfg(feature = "failpoints")]
mod defects;
mod ended;
mod endpoint;
mod entropy;
mod facts;
mod fetch;
#[cfg(test)]
mod fixture;
mod follow;
mod following;
mod keys;
mod known;
mod layer;
pub mod lease;
mod metadata;
mod online;
mod pace;
mod principal;
mod secret;
mod seen;
pub mod set;
mod shared;
mod shared_secret;
pub mod state;
mod trouble;
mod turns;
#[doc(hidden)]
pub mod upstream;
mod verifier;

pub use builder::{BuildError, Builder, Settings};
pub use check::Refusal;
pub use clock::{Clock, ManualClock, Now, SystemClock};
pub use ended::Ended;
pub use endpoint::BadAddress;
pub use fetch::NoRoots;
pub use layer::{Protect, Protected};
pub use principal::Principal;
pub use rescind_wire::jws::Alg;
pub use secret::{ClientSecret, SecretError};
pub use seen::Status;
pub use shared_secret::{SharedSecret, SharedSecretError};
pub use trouble::{Denied, FetchError};
pub use verifier::Verifier;
