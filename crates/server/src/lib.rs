//! The authority as a process: configuration, store adapters, HTTP, pages, feed delivery, jobs. The rules
//! are in `rescind-authority`; here they meet the world.

pub mod store;
