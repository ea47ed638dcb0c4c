//! The certificate of the authority's own TLS: whether it can be used, and for how long.

use super::Finding;
use crate::clock::SystemClock;
use crate::run::Config;
use crate::tls::{Certificates, Validity};
use rescind_authority::clock::Clock as _;
use std::path::Path;
use std::sync::Arc;

const CHECK: &str = "tls";
/// One that ends sooner should have been renewed by now.
const SOON: u64 = 14 * 86_400;

/// Files and time.
pub(super) fn look(config: &Config) -> Finding {
    let Some(files) = &config.tls else {
        return match config.trusted_proxies.is_empty() {
            true => Finding::ok(CHECK, "none: this machine alone"),
            false => Finding::ok(CHECK, "it is done by the proxy that is trusted"),
        };
    };
    let clock = Arc::new(SystemClock::default());
    let now = clock.now().wall / 1_000_000;
    match Certificates::open(files.clone(), &config.settings.issuer, clock) {
        Ok(read) => judge(&files.certificate, read.validity(), now),
        Err(error) => Finding::told(CHECK, error),
    }
}

/// How much is left of one that is valid at `now`, in UTC seconds.
fn judge(path: &Path, validity: Validity, now: u64) -> Finding {
    let said = format!("the certificate fits, and ends at {}", validity.end());
    match validity.until.saturating_sub(now) {
        ..SOON => {
            let todo = format!("renew {}: it is read again by itself", path.display());
            Finding::warning(CHECK, said, todo)
        }
        _ => Finding::ok(CHECK, said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::State;

    #[test]
    fn a_certificate_is_to_be_renewed_before_it_ends() {
        let validity = Validity { from: 0, until: 2_000_000_000 };
        for (left, state) in [(SOON, State::Ok), (SOON - 1, State::Warning), (0, State::Warning)] {
            let judged = judge(Path::new("c.pem"), validity, validity.until - left);
            assert_eq!(judged.state, state, "{left}");
            assert!(judged.said.contains("2033-05-18T03:33:20Z"), "{judged:?}");
        }
    }
}
