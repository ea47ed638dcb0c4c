//! TLS by the authority itself: certificate and key from files, read again when they change. A pair that
//! cannot be used never replaces one that can; [`validity`] says whether its time is now.

mod validity;

pub use validity::Validity;

use crate::run::stopped;
use rescind_authority::clock::Clock;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// PEM: the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// Why they cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or is no PEM of its kind.
    #[error(
        "cannot use {path} for TLS ({why}): name files of a certificate and its key that this user may read"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Everybody may read the key.
    #[error("{path} can be read by everybody: run `chmod o-rwx {path}`")]
    Readable {
        /// Which.
        path: PathBuf,
    },
    /// They do not belong together, or are of a kind that is not understood.
    #[error(
        "the certificate {certificate} and the key {key} cannot be used together ({error}): put the key there that \
         the certificate is for"
    )]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why not.
        error: rustls::Error,
    },
    /// The certificate is another's.
    #[error("the certificate {path} is not for {host}, the issuer's host: name one that is")]
    Host {
        /// Which.
        path: PathBuf,
        /// For whom it should be.
        host: String,
    },
    /// The certificate is over.
    #[error("the certificate {path} was valid until {day}: put a renewed one there")]
    Expired {
        /// Which.
        path: PathBuf,
        /// Until when.
        day: String,
    },
    /// The certificate has not begun.
    #[error(
        "the certificate {path} is valid from {day} on, and not yet: put one there that is valid now, or set \
         the clock right if it is behind"
    )]
    NotYet {
        /// Which.
        path: PathBuf,
        /// From when, in UTC seconds.
        from: u64,
        /// The same, for people.
        day: String,
    },
    /// This build's TLS.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// What the files were when they were read.
type Stamp = [Option<(u64, i64, i64, u64)>; 2];

/// The certificate in use.
pub struct Certificates {
    files: Files,
    host: String,
    clock: Arc<dyn Clock>,
    provider: Arc<CryptoProvider>,
    current: Mutex<Arc<CertifiedKey>>,
    /// When the one that was read first is valid.
    validity: Validity,
    /// What the files were before they were read first.
    began: Stamp,
}

impl Certificates {
    /// Reads them for this issuer, and judges them by this clock.
    pub fn open(files: Files, issuer: &str, clock: Arc<dyn Clock>) -> Result<Arc<Self>, TlsError> {
        let url: http::Uri = issuer.parse().unwrap_or_default();
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let provider = Arc::new(default_provider());
        let began = stamp(&files);
        let (read, validity) = read(&files, &host, &provider)?;
        validity.judge(&files.certificate, now(&*clock))?;
        let current = Mutex::new(Arc::new(read));
        Ok(Arc::new(Self { files, host, clock, provider, current, validity, began }))
    }

    /// When the one that was read first is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// TLS 1.2 and 1.3 (H01), HTTP/2 and HTTP/1.1.
    pub fn config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Reads them again whenever the files have changed, or one that came too early is valid, until `stop`.
    pub async fn keep(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let (mut seen, mut begins) = (self.began, None);
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stopped(stop.clone()) => return,
            }
            let found = stamp(&self.files);
            let begun = begins.is_some_and(|from| from <= now(&*self.clock));
            if found == seen && !begun {
                continue;
            }
            seen = found;
            begins = match self.renew() {
                Ok(()) => {
                    tracing::info!(event = "certificate_loaded");
                    None
                }
                Err(error) => {
                    tracing::error!(
                        event = "certificate_failed",
                        alarm = true,
                        %error,
                        "the certificate of before stays in use"
                    );
                    if let TlsError::NotYet { from, .. } = error { Some(from) } else { None }
                }
            };
        }
    }

    fn renew(&self) -> Result<(), TlsError> {
        let (read, validity) = read(&self.files, &self.host, &self.provider)?;
        validity.judge(&self.files.certificate, now(&*self.clock))?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        Ok(())
    }
}

/// In UTC seconds.
fn now(clock: &dyn Clock) -> u64 {
    clock.now().wall / 1_000_000
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

fn stamp(files: &Files) -> Stamp {
    [&files.certificate, &files.key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.ino(), about.mtime(), about.mtime_nsec(), about.len()))
    })
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(
    files: &Files,
    host: &str,
    provider: &Arc<CryptoProvider>,
) -> Result<(CertifiedKey, Validity), TlsError> {
    let bad = |path: &PathBuf, why: String| TlsError::File { path: path.clone(), why };
    let mode = std::fs::metadata(&files.key).map_err(|e| bad(&files.key, e.to_string()))?.mode();
    if mode & 0o007 != 0 {
        return Err(TlsError::Readable { path: files.key.clone() });
    }
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(&files.certificate, error.to_string()))?;
    let Some(first) = chain.first() else {
        return Err(bad(&files.certificate, "it holds no certificate".into()));
    };
    let unfit = || TlsError::Host { path: files.certificate.clone(), host: host.to_owned() };
    let name = ServerName::try_from(host).map_err(|_| unfit())?;
    let parsed = ParsedCertificate::try_from(first)
        .map_err(|error| bad(&files.certificate, error.to_string()))?;
    verify_server_name(&parsed, &name).map_err(|_| unfit())?;
    let validity = Validity::of(first, provider).ok_or_else(|| {
        bad(&files.certificate, "it does not say from when until when it is valid".into())
    })?;
    let text = std::fs::read(&files.key).map_err(|e| bad(&files.key, e.to_string()))?;
    // The text of this error may show what the file holds.
    let key = PrivateKeyDer::from_pem_slice(&Zeroizing::new(text))
        .map_err(|_| bad(&files.key, "it holds no private key in PEM".into()))?;
    let pair = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        let Files { certificate, key } = files.clone();
        TlsError::Pair { certificate, key, error }
    })?;
    Ok((pair, validity))
}
