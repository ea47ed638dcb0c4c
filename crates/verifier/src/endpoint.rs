//! Addresses of the authority: which are allowed, and where the metadata lies.

use http::Uri;
use std::net::IpAddr;

/// An address that this verifier does not talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an allowed address: https, or http to this machine (localhost, 127.0.0.0/8, ::1), without user, query or fragment"
)]
pub struct BadAddress;

/// An endpoint's URL: absolute; https, or http where the host is this machine.
pub(crate) fn endpoint(url: &str) -> Result<Uri, BadAddress> {
    let uri: Uri = url.parse().map_err(|_| BadAddress)?;
    let authority = uri.authority().ok_or(BadAddress)?;
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_loopback(authority.host()),
        _ => false,
    };
    if secure && !authority.as_str().contains('@') && !url.contains('#') {
        Ok(uri)
    } else {
        Err(BadAddress)
    }
}

/// Where an issuer's metadata lies (RFC 8414 §3.1): the well-known part stands before the issuer's path.
pub(crate) fn metadata(issuer: &str) -> Result<Uri, BadAddress> {
    let uri = endpoint(issuer)?;
    if issuer.contains('?') {
        return Err(BadAddress);
    }
    let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
    let well_known = format!("/.well-known/oauth-authorization-server{path}");
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(well_known.parse().map_err(|_| BadAddress)?);
    Uri::from_parts(parts).map_err(|_| BadAddress)
}

/// The base of the three resources at a relay, without a slash at its end.
pub(crate) fn base(url: &str) -> Result<String, BadAddress> {
    let uri = endpoint(url)?;
    match uri.query() {
        None => Ok(uri.to_string().trim_end_matches('/').to_owned()),
        Some(_) => Err(BadAddress),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether an address names this machine.
pub(crate) fn is_local(uri: &Uri) -> bool {
    uri.host().is_some_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    // K08
    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for good in [
            "https://a.example/x",
            "http://localhost:4000",
            "http://127.0.0.9/",
            "http://[::1]:1/",
            "http://LOCALHOST/",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/",
            "http://127.0.0.1.example/",
            "http://localhost.example/",
            "http://10.0.0.1/",
            "ftp://localhost/",
            "file:///etc/passwd",
            "/x",
            "",
            "https://",
            "https://user@a.example/",
            "http://localhost@evil.example/",
            "https://a.example/#x",
            "http://0.0.0.0/",
        ] {
            assert_eq!(endpoint(bad), Err(BadAddress), "{bad}");
        }
    }

    // K08
    #[test]
    fn a_relay_is_named_by_its_base() {
        assert_eq!(base("https://r.example/").as_deref(), Ok("https://r.example"));
        assert_eq!(base("https://r.example/eu").as_deref(), Ok("https://r.example/eu"));
        for bad in ["http://r.example", "https://r.example/?x=1", "r.example", ""] {
            assert_eq!(base(bad), Err(BadAddress), "{bad}");
        }
    }

    #[test]
    fn metadata_lies_before_the_issuers_path() {
        let at = |issuer| metadata(issuer).unwrap().to_string();
        let well_known = "https://a.example/.well-known/oauth-authorization-server";
        assert_eq!(at("https://a.example"), well_known);
        assert_eq!(at("https://a.example/"), well_known);
        assert_eq!(at("https://a.example/realm/1"), format!("{well_known}/realm/1"));
        assert!(metadata("https://a.example/?x=1").is_err());
    }
}
