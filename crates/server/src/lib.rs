//! The authority as a process: configuration, store adapters, HTTP, pages, feed delivery, jobs. The rules
//! are in `rescind-authority`; here they meet the world.
//!
//! [`run::open`] puts an authority together, [`run::run`] serves it, [`http::router`] is the route
//! table, [`cli::main`] the command line. [`relay`] is another process, between an authority and verifiers.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
mod correlation;
pub mod feed;
pub mod http;
pub mod keys;
pub mod listen;
pub mod marker;
pub mod metrics;
pub mod pages;
mod past;
pub mod readiness;
pub mod relay;
pub mod run;
pub mod serve;
pub mod store;
pub mod telemetry;
pub mod tls;
