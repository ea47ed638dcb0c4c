//! TLS by the authority itself, with HTTP/2: what is spoken, certificates that change, and whoever is slow on
//! a connection that many requests share.

mod certificates;
mod realm;
mod slow;
mod spoken;
