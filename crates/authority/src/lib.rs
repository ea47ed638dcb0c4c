//! The rules: who may sign in, what a session's credential is worth, what a token may say, what is
//! taken back, and in which order.
//!
//! [`Authority`] is the door. Each behaviour has a file: [`login`], [`refresh`], [`present`] (cookie and
//! bearer on account routes), [`logout`], [`sessions`], [`mint`],
//! [`revoke`] (what an administrator does), [`introspect`] (tokens as OAuth clients see them), [`rotate`]
//! (keys), [`rollback`] (an older copy of the store). What a rule decides is a pure function of what was
//! loaded; the [`store::Store`] runs it inside one transaction. No HTTP, no SQL, no
//! configuration files, no environment.

pub mod account;
pub mod affected;
pub mod audit;
pub mod authority;
pub mod clients;
pub mod clock;
pub mod foreign;
mod guessable;
pub mod hash;
pub mod held;
pub mod introspect;
pub mod keyring;
pub mod keys;
pub mod line;
pub mod login;
pub mod logout;
pub mod master;
pub mod memory;
pub mod mint;
pub mod name;
pub mod password;
pub mod present;
pub mod refresh;
pub mod renew;
pub mod revoke;
pub mod rollback;
pub mod rotate;
pub mod secret;
pub mod session;
pub mod sessions;
pub mod settings;
pub mod store;
pub mod throttle;
mod touched;

pub use authority::Authority;
pub use settings::Settings;
