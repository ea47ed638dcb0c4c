//! TLS by the authority itself: certificate and key from files, read again when they change. A pair that
//! cannot be used never replaces one that can.

use crate::run::stopped;
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
    #[error("cannot use {path} for TLS: {why}")]
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
    #[error("tls.certificate and tls.key cannot be used together: {0}")]
    Pair(rustls::Error),
    /// The certificate is another's.
    #[error("the certificate {path} is not for {host}, the issuer's host: name one that is")]
    Host {
        /// Which.
        path: PathBuf,
        /// For whom it should be.
        host: String,
    },
    /// This build's TLS.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// What the files were when they were read.
type Stamp = [Option<(u64, i64, i64, u64)>; 2];

/// The certificate in use.
#[derive(Debug)]
pub struct Certificates {
    files: Files,
    host: String,
    provider: Arc<CryptoProvider>,
    current: Mutex<Arc<CertifiedKey>>,
    /// What the files were before they were read first.
    began: Stamp,
}

impl Certificates {
    /// Reads them for this issuer.
    pub fn open(files: Files, issuer: &str) -> Result<Arc<Self>, TlsError> {
        let url: http::Uri = issuer.parse().unwrap_or_default();
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let provider = Arc::new(default_provider());
        let began = stamp(&files);
        let current = Mutex::new(Arc::new(read(&files, &host, &provider)?));
        Ok(Arc::new(Self { files, host, provider, current, began }))
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

    /// Reads them again whenever the files have changed, until `stop`.
    pub async fn keep(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let mut seen = self.began;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stopped(stop.clone()) => return,
            }
            let now = stamp(&self.files);
            if now == seen {
                continue;
            }
            seen = now;
            match read(&self.files, &self.host, &self.provider) {
                Ok(read) => {
                    *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
                    tracing::info!(event = "certificate_loaded");
                }
                Err(error) => tracing::error!(
                    event = "certificate_failed",
                    alarm = true,
                    %error,
                    "the certificate of before stays in use"
                ),
            }
        }
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

fn read(files: &Files, host: &str, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
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
    let text = std::fs::read(&files.key).map_err(|e| bad(&files.key, e.to_string()))?;
    // The text of this error may show what the file holds.
    let key = PrivateKeyDer::from_pem_slice(&Zeroizing::new(text))
        .map_err(|_| bad(&files.key, "it holds no private key in PEM".into()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Pair)
}
