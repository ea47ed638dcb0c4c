//! What the authority says, kept to be said again later by somebody else.

use super::{AUDIENCE, Realm};
use crate::proxy::Recorded;
use rescind_testkit::http::basic;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Sixteen bytes of zero: an epoch that no log has.
const NOWHERE: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// An answer is over, or says nothing new, after so long.
const QUIET: Duration = Duration::from_millis(500);

impl Realm {
    /// What it says now to a verifier whose log is gone, and its snapshot.
    pub async fn record(&self) -> Option<Recorded> {
        let feed = format!("/v1/feed?epoch={NOWHERE}&from=0&instance={NOWHERE}");
        let (feed, snapshot) = (self.said(&feed).await?, self.said("/v1/snapshot").await?);
        let good = |said: &[u8]| said.starts_with(b"HTTP/1.1 200");
        (good(&feed) && good(&snapshot)).then_some(Recorded { feed, snapshot })
    }

    async fn said(&self, path: &str) -> Option<Vec<u8>> {
        let (host, server) = (self.host(), basic(AUDIENCE, &self.secret));
        let accepts = "accept: application/vnd.rescind.frame";
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: {server}\r\n{accepts}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let (mut said, mut part) = (Vec::new(), vec![0; 64 * 1024]);
        while let Ok(Ok(length @ 1..)) = timeout(QUIET, stream.read(&mut part)).await {
            said.extend_from_slice(&part[..length]);
        }
        Some(said)
    }
}
