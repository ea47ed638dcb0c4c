//! From when until when a certificate is valid: the one place that reads and judges it. The dates are read
//! by rustls's own verifier, which is asked about a time before all certificates and one after them.

use super::TlsError;
use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A second after the last that a certificate can name (RFC 5280 §4.1.2.5).
const AFTER_ALL: u64 = 253_402_300_800;

/// The first and the last second of a certificate, both UTC and within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub from: u64,
    /// Its last second.
    pub until: u64,
}

impl Validity {
    /// That of the server's own certificate. What stands above it in the chain is not judged: clients build
    /// their own, and pass over what they do not need.
    pub(super) fn of(own: &CertificateDer<'_>, provider: &Arc<CryptoProvider>) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(own.clone()).ok()?;
        let roots = Arc::new(roots);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider));
        let verifier = verifier.build().ok()?;
        let anybody = ServerName::try_from("localhost").ok()?;
        let at = |second| {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(second));
            verifier.verify_server_cert(own, &[], &anybody, &[], time)
        };
        let until = match at(AFTER_ALL) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext {
                not_after, ..
            })) => not_after.as_secs(),
            _ => return None,
        };
        let from = match at(0) {
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
                not_before,
                ..
            })) => not_before.as_secs(),
            _ => 0,
        };
        Some(Self { from, until })
    }

    /// Refuses one that is not valid at `now`, in UTC seconds.
    pub(super) fn judge(self, path: &Path, now: u64) -> Result<(), TlsError> {
        let path = path.to_owned();
        if now < self.from {
            return Err(TlsError::NotYet { path, from: self.from, day: day(self.from) });
        }
        if self.until < now {
            return Err(TlsError::Expired { path, day: day(self.until) });
        }
        Ok(())
    }

    /// When it ends, for people.
    pub fn end(self) -> String {
        day(self.until)
    }
}

fn day(second: u64) -> String {
    let at = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
    at.map(|at| at.to_string()).unwrap_or_default()
}
