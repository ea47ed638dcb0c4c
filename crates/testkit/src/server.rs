//! A whole authority in this process: real SQLite in a temporary folder, real HTTP on a free port, time
//! and randomness of the test.

use crate::clock::{ManualClock, SeededEntropy};
use crate::evidence;
use crate::http::Http;
use rescind_authority::Settings;
use rescind_authority::audit::{Actor, Operator};
use rescind_authority::clients::Permission;
use rescind_authority::name::Name;
use rescind_authority::password::Password;
use rescind_server::app::App;
use rescind_server::run::{Config, World, open, run};
use rescind_verifier::{Builder, ClientSecret, Verifier};
use rescind_wire::id::Sub;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The password of every account that [`TestAuthority::person`] makes.
pub const PASSWORD: &str = "correct horse battery staple";
/// The audience that every test authority has.
pub const AUDIENCE: &str = "posts-api";

/// A running authority. Dropping it ends it at once; [`TestAuthority::stop`] ends it cleanly.
pub struct TestAuthority {
    /// What its handlers reach.
    pub app: App,
    /// Its clock, shared with [`TestAuthority::verifier`].
    pub clock: Arc<ManualClock>,
    /// Its configuration, with the folders.
    pub config: Config,
    /// The secret of the API server `posts-api`.
    pub secret: String,
    /// Where it listens: the issuer's address, unless a proxy stands there.
    pub address: SocketAddr,
    folder: Arc<TempDir>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The administrator of the tests: the user id 0, without a reason.
pub fn operator() -> Operator {
    Operator { actor: Actor::Administrator { uid: 0 }, reason: None }
}

static SEED: AtomicU64 = AtomicU64::new(1);

impl TestAuthority {
    /// Starts one with the defaults (Argon2id at its real cost) and the client `posts-api`.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut settings = Settings::new(issuer);
        // Time stands still here: stories are refused more often at once than anybody is.
        settings.throttle.refusals.free = u32::MAX;
        let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
        let mut config = Config::new(settings, data, keys);
        change(&mut config);
        let clock = Arc::new(ManualClock::default());
        let mut started = Self::launch(config, clock, folder, listener).await;
        let authority = &started.app.authority;
        let audiences = vec![AUDIENCE.to_owned()];
        let made =
            authority.add_client("posts-api", audiences, vec![Permission::Feed], &operator()).await;
        started.secret = made.unwrap().expose().to_owned();
        started
    }

    async fn launch(
        config: Config,
        clock: Arc<ManualClock>,
        folder: Arc<TempDir>,
        listener: TcpListener,
    ) -> Self {
        evidence::log();
        evidence::secret(PASSWORD);
        let address = listener.local_addr().unwrap();
        let entropy = Arc::new(SeededEntropy::new(SEED.fetch_add(1, Ordering::Relaxed)));
        let world = World { clock: Arc::clone(&clock) as _, entropy };
        let app = open(&config, &world).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let (running, serving) = (config.clone(), app.clone());
        let task = tokio::spawn(async move {
            run(&running, serving, listener, stopped).await.unwrap();
        });
        let socket = rescind_server::run::socket_path(&config.data);
        let open = async {
            while tokio::net::UnixStream::connect(&socket).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), open).await.expect("it does not start");
        Self { app, clock, config, secret: String::new(), address, folder, stop, task }
    }

    /// Ends it cleanly and starts it again on the same store, keys and port.
    pub async fn restart(self) -> Self {
        self.restart_after(async |_| {}).await
    }

    /// The same, with something done to its folders while it does not run.
    pub async fn restart_after(self, between: impl AsyncFnOnce(&Config)) -> Self {
        let (config, clock, secret) =
            (self.config.clone(), Arc::clone(&self.clock), self.secret.clone());
        let (folder, address) = (Arc::clone(&self.folder), self.address);
        self.stop().await;
        between(&config).await;
        let listener = TcpListener::bind(address).await.unwrap();
        Self { secret, ..Self::launch(config, clock, folder, listener).await }
    }

    /// Ends it cleanly; the folders stay until the last handle to them is dropped.
    pub async fn stop(self) -> Arc<TempDir> {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
        drop(self.app);
        self.folder
    }

    /// Makes an account with [`PASSWORD`] and the role `author`.
    pub async fn person(&self, name: &str) -> Sub {
        let password = Password::chosen(PASSWORD).unwrap();
        let roles = vec!["author".to_owned()];
        let name = Name::new(name).unwrap();
        let operator = operator();
        self.app.authority.add_account(name, &password, roles, &operator).await.unwrap().sub
    }

    /// Its issuer, where it listens.
    pub fn issuer(&self) -> &str {
        &self.config.settings.issuer
    }

    /// A client of its public routes.
    pub fn http(&self) -> Http {
        Http::new(self.issuer())
    }

    /// The beginning of a verifier for the audience `posts-api`, on the same clock.
    pub fn verifier_builder(&self) -> Builder {
        Verifier::builder(self.issuer(), AUDIENCE)
            .client("posts-api", ClientSecret::new(self.secret.clone()))
            .clock(Arc::clone(&self.clock) as _)
    }

    /// A verifier for the audience `posts-api`, on the same clock, that is ready.
    pub async fn verifier(&self) -> Verifier {
        self.verifier_builder().build().await.unwrap()
    }

    /// Waits until a verifier has applied everything that is committed.
    pub async fn caught_up(&self, verifier: &Verifier) {
        let head = self.app.authority.store().head().await.unwrap();
        until("the verifier is at the head", || {
            let status = verifier.status();
            status.epoch == Some(head.epoch) && status.applied >= head.pos
        })
        .await;
    }
}

/// Waits until something becomes true; the limit only ends a test that fails.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        let mut tick = tokio::time::interval(Duration::from_millis(2));
        while !holds() {
            tick.tick().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), wait).await;
    assert!(in_time.is_ok(), "never came: {what}");
}
