//! An authority with a certificate of its own, and clients that trust it.

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, date_time_ymd};
use rescind_server::run::Config;
use rescind_server::tls::Files;
use rescind_testkit::server::TestAuthority;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Who signs the certificates here.
pub(crate) struct Signer(CertifiedIssuer<'static, KeyPair>);

impl Signer {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a new pair for this host; gives the certificate.
    pub(crate) fn write(&self, files: &Files, host: &str) -> CertificateDer<'static> {
        self.write_valid(files, host, [(1975, 1, 1), (4096, 1, 1)])
    }

    /// The same, valid from the first of these days until the begin of the second.
    pub(crate) fn write_valid(
        &self,
        files: &Files,
        host: &str,
        days: [(i32, u8, u8); 2],
    ) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let [from, until] = days.map(|(year, month, day)| date_time_ymd(year, month, day));
        (params.not_before, params.not_after) = (from, until);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        put(&files.key, &key.serialize_pem(), 0o600);
        put(&files.certificate, &certificate.pem(), 0o644);
        certificate.der().clone()
    }

    /// The certificate by which those here are trusted.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let pem = self.pem();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        roots
    }
}

/// Puts a file there at once, as programs that renew certificates do.
pub(crate) fn put(path: &Path, text: &str, mode: u32) {
    let part = path.with_extension("part");
    std::fs::write(&part, text).unwrap();
    std::fs::set_permissions(&part, std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::rename(part, path).unwrap();
}

/// Where the pair is in a folder.
pub(crate) fn files(folder: &TempDir) -> Files {
    Files { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") }
}

/// An authority that does TLS as `localhost`.
pub(crate) struct Realm {
    pub(crate) authority: TestAuthority,
    pub(crate) signer: Signer,
    pub(crate) files: Files,
    /// What it began with.
    pub(crate) first: CertificateDer<'static>,
    _folder: TempDir,
}

impl Realm {
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let (folder, signer) = (tempfile::tempdir().unwrap(), Signer::new());
        let files = files(&folder);
        let first = signer.write(&files, "localhost");
        let own = files.clone();
        let authority = TestAuthority::start_with(|config| {
            let port = config.settings.issuer.rsplit(':').next().unwrap();
            config.settings.issuer = format!("https://localhost:{port}");
            config.tls = Some(own);
            change(config);
        })
        .await;
        Self { authority, signer, files, first, _folder: folder }
    }

    /// A connection over TLS that offers these protocols.
    pub(crate) async fn connect(
        &self,
        alpn: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.connect_from("127.0.0.1", alpn, versions).await
    }

    /// The same from this address of the machine.
    async fn connect_from(
        &self,
        address: &str,
        alpn: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.signer.roots())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let socket = TcpSocket::new_v4()?;
        socket.bind((address.parse::<Ipv4Addr>().unwrap(), 0).into())?;
        let stream = socket.connect(self.authority.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// The certificate that is shown now.
    pub(crate) async fn shown(&self) -> CertificateDer<'static> {
        let stream = self.connect(&[], rustls::ALL_VERSIONS).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// A connection of HTTP/2; `window` is what may be sent to it on each stream before it asks for more.
    pub(crate) async fn http2(&self, window: u32) -> http2::SendRequest<Full<Bytes>> {
        self.http2_from("127.0.0.1", window).await
    }

    /// The same from this address of the machine.
    pub(crate) async fn http2_from(
        &self,
        address: &str,
        window: u32,
    ) -> http2::SendRequest<Full<Bytes>> {
        let stream = self.connect_from(address, &[b"h2"], rustls::ALL_VERSIONS).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        sender
    }

    /// A connection of HTTP/1.1.
    pub(crate) async fn http1(&self) -> http1::SendRequest<Full<Bytes>> {
        self.http1_from("127.0.0.1").await
    }

    /// The same from this address of the machine.
    pub(crate) async fn http1_from(&self, address: &str) -> http1::SendRequest<Full<Bytes>> {
        let stream =
            self.connect_from(address, &[b"http/1.1"], rustls::ALL_VERSIONS).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// A request to this path.
    pub(crate) fn get(&self, path: &str) -> Request<Full<Bytes>> {
        let url = format!("{}{path}", self.authority.issuer());
        let host = self.authority.issuer().trim_start_matches("https://");
        Request::get(url).header("host", host).body(Full::default()).unwrap()
    }
}

/// Status and body.
pub(crate) async fn read(response: Response<Incoming>) -> (StatusCode, Bytes) {
    let status = response.status();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

/// Waits until the certificate that is shown is the one that is wanted, for as long as the files may take.
pub(crate) async fn until_shown(realm: &Realm, wanted: &[u8]) {
    let looked = async {
        while realm.shown().await.as_ref() != wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looked)
        .await
        .expect("the old one is still shown");
}
