//! The certificate of the authority's own TLS: whether it can be used, and for how long.

use super::Finding;
use crate::run::Config;
use crate::tls::{Certificates, Files};
use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CHECK: &str = "tls";
/// One that ends sooner should have been renewed by now.
const SOON: u64 = 14 * 86_400;
/// The last second that a certificate can name (RFC 5280 §4.1.2.5).
const LAST: u64 = 253_402_300_799;

/// Files and time; `now` in UTC seconds.
pub(super) fn look(config: &Config, now: u64) -> Finding {
    match &config.tls {
        None if config.trusted_proxies.is_empty() => Finding::ok(CHECK, "none: this machine alone"),
        None => Finding::ok(CHECK, "it is done by the proxy that is trusted"),
        Some(files) => match Certificates::open(files.clone(), &config.settings.issuer) {
            Ok(_) => judge(files, now),
            Err(error) => Finding::told(CHECK, error),
        },
    }
}

fn judge(files: &Files, now: u64) -> Finding {
    let todo = format!("renew {}: it is read again by itself", files.certificate.display());
    let Some(end) = end(&files.certificate) else {
        let said = "the certificate does not say when it ends";
        return Finding::warning(CHECK, said, todo);
    };
    let second = i64::try_from(end).ok().and_then(|end| Timestamp::from_second(end).ok());
    let day = second.map(|at| at.to_string()).unwrap_or_default();
    match end.checked_sub(now) {
        None => Finding::problem(CHECK, format!("the certificate has ended at {day}"), todo),
        Some(..SOON) => Finding::warning(CHECK, format!("the certificate ends at {day}"), todo),
        Some(_) => Finding::ok(CHECK, format!("the certificate fits, and ends at {day}")),
    }
}

/// When a certificate ends, in UTC seconds: what is said of it at the end of all times.
fn end(path: &Path) -> Option<u64> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).ok()?.collect();
    let chain = chain.ok()?;
    let (own, above) = chain.split_first()?;
    let mut roots = RootCertStore::empty();
    roots.add(own.clone()).ok()?;
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()?;
    let anybody = ServerName::try_from("localhost").ok()?;
    let last = UnixTime::since_unix_epoch(Duration::from_secs(LAST));
    match verifier.verify_server_cert(own, above, &anybody, &[], last) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(not_after.as_secs())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::State;

    /// Of localhost, until 2036; nobody has its key.
    const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBkTCCATagAwIBAgIUfAo02tR+hu8chjO0ngbWdPsS5bkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MB4XDTI2MTEyNzAyNTE1N1oXDTM2MTEyNDAy
NTE1N1owFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAETl/M8+VzmqUv2Qq6EuaIeDS0XJW+p8rtV1vMO0VFyskRqCTsX2ONcD9R
di8oUBJB9MCrpnByKYaV8RNMBV0enaNmMGQwHQYDVR0OBBYEFJU4UU7iKYQpDI94
VrG/1A4Sj1JpMB8GA1UdIwQYMBaAFJU4UU7iKYQpDI94VrG/1A4Sj1JpMBQGA1Ud
EQQNMAuCCWxvY2FsaG9zdDAMBgNVHRMBAf8EAjAAMAoGCCqGSM49BAMCA0kAMEYC
IQDf6owV6eyA5VgBjCCpFZYeGHQSPyHzEh1jDRSRqavlxwIhAMwjJGRKNf45MUPu
OVEhlLdn9/wDIzSp1NgeORrBVsP6
-----END CERTIFICATE-----
";
    const ENDS: u64 = 2_111_107_917;

    #[test]
    fn a_certificate_is_to_be_renewed_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let certificate = folder.path().join("certificate.pem");
        std::fs::write(&certificate, CERTIFICATE).unwrap();
        assert_eq!(end(&certificate), Some(ENDS));
        let files = Files { key: certificate.clone(), certificate };
        for (now, state) in [
            (ENDS - SOON, State::Ok),
            (ENDS - SOON + 1, State::Warning),
            (ENDS, State::Warning),
            (ENDS + 1, State::Problem),
        ] {
            assert_eq!(judge(&files, now).state, state, "{now}");
        }
    }
}
