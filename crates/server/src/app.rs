//! What every handler can reach. No globals.

use crate::feed::FeedHub;
use crate::http::cookies::CookieNames;
use crate::readiness::Readiness;
use crate::serve::Limits;
use http::uri::Authority as HostAndPort;
use rescind_authority::{Authority, Settings};
use std::net::IpAddr;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// The running authority's state, shared by reference count.
#[derive(Clone)]
pub struct App(Arc<Shared>);

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// What an [`App`] shares.
#[derive(Clone)]
pub struct Shared {
    /// The rules.
    pub authority: Arc<Authority>,
    /// The feed to the verifiers.
    pub feed: Arc<FeedHub>,
    /// How cookies are named here.
    pub cookies: CookieNames,
    /// The origin of the issuer: where the pages are.
    pub origin: Arc<str>,
    /// The hosts, each with its port, that requests may be for.
    pub hosts: Arc<[String]>,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Arc<[IpAddr]>,
    /// Folder of the marker; empty if nothing is to be remembered there.
    pub keys: Arc<Path>,
    /// Origin of the demo's API server, if the demo page is served.
    pub demo_api: Option<Arc<str>>,
    /// Whether this process should be sent requests.
    pub readiness: Arc<Readiness>,
    /// How long a request may take to arrive.
    pub limits: Limits,
}

/// An issuer that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadIssuer {
    /// Not a URL of the right form.
    #[error(
        "the issuer must be a URL like https://auth.example.com, without query, fragment, user or \
         trailing slash"
    )]
    Form,
    /// Plain HTTP beyond this machine.
    #[error(
        "the issuer must begin with https:// (plain http:// only on localhost, for development)"
    )]
    Plain,
}

/// Judges an issuer: its origin, and whether its cookies are bound to TLS.
pub fn parse_issuer(issuer: &str) -> Result<(String, CookieNames), BadIssuer> {
    let url: http::Uri = issuer.parse().map_err(|_| BadIssuer::Form)?;
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err(BadIssuer::Form);
    };
    let origin = format!("{scheme}://{authority}");
    let clean = issuer.strip_prefix(&origin).is_some_and(|path| {
        path.is_empty() || (path.starts_with('/') && !path.ends_with('/') && !path.contains('?'))
    });
    if !clean || authority.as_str().contains('@') || issuer.contains('#') {
        return Err(BadIssuer::Form);
    }
    // Routes are served at the root: an issuer with a path needs a proxy that strips it, later.
    if issuer != origin {
        return Err(BadIssuer::Form);
    }
    match scheme {
        "https" => Ok((origin, CookieNames::TLS)),
        "http" if is_loopback(authority.host()) => Ok((origin, CookieNames::LOOPBACK)),
        _ => Err(BadIssuer::Plain),
    }
}

/// A host with its port, as [`App::hosts`] has them; `None` if it is none.
pub(crate) fn canonical_host(host: &str, secure: bool) -> Option<String> {
    let authority: HostAndPort = host.parse().ok().filter(|_| !host.contains('@'))?;
    let port = match authority.port() {
        Some(port) => port.as_u16(),
        None if authority.as_str() != authority.host() => return None,
        None if secure => 443,
        None => 80,
    };
    Some(format!("{}:{port}", authority.host().to_ascii_lowercase()))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl App {
    /// Puts the state together for an issuer that was judged by [`parse_issuer`].
    pub fn new(authority: Arc<Authority>, feed: Arc<FeedHub>) -> Result<Self, BadIssuer> {
        let (origin, cookies) = parse_issuer(&authority.settings().issuer)?;
        let readiness = Arc::new(Readiness::new(authority.clock().now().wall));
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        let hosts = canonical_host(host, cookies.secure).into_iter().collect();
        Ok(Self(Arc::new(Shared {
            authority,
            hosts,
            feed,
            readiness,
            cookies,
            origin: origin.into(),
            trusted_proxies: Arc::new([]),
            keys: Path::new("").into(),
            demo_api: None,
            limits: Limits::default(),
        })))
    }

    /// Another with something changed.
    pub fn with(self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Arc::unwrap_or_clone(self.0);
        change(&mut shared);
        Self(Arc::new(shared))
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        self.authority.settings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // H09
    #[test]
    fn a_host_is_the_same_however_it_is_written() {
        for same in ["auth.example.com", "AUTH.example.com", "auth.example.com:443"] {
            assert_eq!(canonical_host(same, true).as_deref(), Some("auth.example.com:443"));
        }
        assert_eq!(canonical_host("localhost", false).as_deref(), Some("localhost:80"));
        assert_eq!(canonical_host("[::1]:4000", false).as_deref(), Some("[::1]:4000"));
        for none in ["", "a@b", "a b", "a/b", "a:", "a:99999", "a:b", "::1"] {
            assert_eq!(canonical_host(none, true), None, "{none}");
        }
    }

    #[test]
    fn an_issuer_is_an_https_origin_or_loopback() {
        assert!(parse_issuer("https://auth.example.com").unwrap().1.secure);
        assert!(parse_issuer("https://auth.example.com:8443").is_ok());
        for dev in ["http://localhost:4000", "http://127.0.0.1:4000", "http://[::1]:4000"] {
            assert!(!parse_issuer(dev).unwrap().1.secure);
        }
        assert_eq!(parse_issuer("http://auth.example.com").err(), Some(BadIssuer::Plain));
        assert_eq!(parse_issuer("http://localhost.evil.com").err(), Some(BadIssuer::Plain));
        for bad in ["", "auth", "https://a/", "https://a?x", "https://a#x", "https://u@a", "ftp:a"]
        {
            assert_eq!(parse_issuer(bad).err(), Some(BadIssuer::Form), "{bad}");
        }
    }
}
