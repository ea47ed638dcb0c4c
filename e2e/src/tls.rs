//! TLS in front of a server, as a proxy does it, with a certificate that only the tests' browser takes.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A port that waits for the server behind it.
pub struct Front {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    /// The port.
    pub port: u16,
}

impl Front {
    /// Takes a free port.
    pub async fn bind() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["*.example.test".to_owned(), "*.other.test".into()])
                .unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), port }
    }

    /// Carries everything to this server from now on.
    pub fn carry_to(self, server: SocketAddr) {
        tokio::spawn(async move {
            loop {
                let (stream, _) = self.listener.accept().await.unwrap();
                let acceptor = self.acceptor.clone();
                tokio::spawn(async move {
                    // A browser opens connections ahead of need and drops them: nothing to report.
                    let Ok(mut outside) = acceptor.accept(stream).await else { return };
                    let Ok(mut inside) = TcpStream::connect(server).await else { return };
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
    }
}
