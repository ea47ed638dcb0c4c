//! A relay in this process, on a free port, in front of an authority of the tests; with the clocks of the
//! machine, since its promptness is what it is there for.

use crate::server::{TestAuthority, operator};
use rescind_authority::clients::Permission;
use rescind_server::relay::{Config, Relay};
use rescind_server::run::World;
use rescind_server::serve::Limits;
use rescind_verifier::ClientSecret;
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running relay. Dropping it ends it at once; [`TestRelay::stop`] ends it cleanly.
pub struct TestRelay {
    /// What it was told.
    pub config: Config,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it says how it stands.
    pub status: SocketAddr,
    folder: Arc<TempDir>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for TestRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The secret of a new client that may read the feed.
pub async fn reader(authority: &TestAuthority, id: &str) -> ClientSecret {
    let may = vec![Permission::Feed];
    let made = authority.app.authority.add_client(id, vec![], may, &operator()).await;
    ClientSecret::new(made.unwrap().expose().to_owned())
}

impl TestRelay {
    /// Starts one as the client `relay`, in front of this authority.
    pub async fn start(authority: &TestAuthority) -> Self {
        Self::start_with(authority, "relay", |_| {}).await
    }

    /// Starts one as another client, with other settings.
    pub async fn start_with(
        authority: &TestAuthority,
        id: &str,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut config = Config {
            issuer: authority.issuer().to_owned(),
            from: None,
            client: (id.to_owned(), reader(authority, id).await),
            data: folder.path().join("relay"),
            limits: Limits::default(),
            tls: None,
            trusted_proxies: Vec::new(),
            hosts: Vec::new(),
        };
        change(&mut config);
        Self::launch(config, folder, "127.0.0.1:0".parse().unwrap()).await
    }

    async fn launch(config: Config, folder: Arc<TempDir>, address: SocketAddr) -> Self {
        let relay = Relay::open(&config, World::system()).unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let status = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, at) = (listener.local_addr().unwrap(), status.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            relay.run(listener, Some(status), stopped).await.unwrap();
        });
        Self { config, address, status: at, folder, stop, task }
    }

    /// Where verifiers find it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it cleanly.
    pub async fn stop(&mut self) {
        self.stop.send(true).unwrap();
        (&mut self.task).await.unwrap();
    }

    /// Ends it cleanly, and starts it again on the same folder and port.
    pub async fn restart(mut self) -> Self {
        self.stop().await;
        Self::launch(self.config.clone(), Arc::clone(&self.folder), self.address).await
    }

    /// The same, with something done while it does not run.
    pub async fn restart_after(mut self, between: impl FnOnce(&Config)) -> Self {
        self.stop().await;
        between(&self.config);
        Self::launch(self.config.clone(), Arc::clone(&self.folder), self.address).await
    }
}
