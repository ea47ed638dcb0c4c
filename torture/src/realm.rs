//! The processes and how they are connected. One authority stands behind the proxy, which has the issuer's
//! address; each verifier reaches it by a link of its own, everybody else by the link of the crowd. A relay stands
//! between some verifiers and the proxy: one more process with one more link.

mod disk;
mod record;
mod servers;
mod watch;

use crate::history::Observer;
use crate::network::Network;
use crate::process::{Running, Sample};
use crate::proxy::{Link, carry};
pub use disk::Disk;
use http::Method;
use rescind_server::admin::client::Door;
use rescind_testkit::http::Http;
use rescind_testkit::process::{free_port, wait_for_port};
use rescind_testkit::server::PASSWORD;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The audience of the verifiers.
pub const AUDIENCE: &str = "posts-api";
/// Audiences that are taken back.
pub const SIDES: usize = 8;

/// What the realm is told.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many verifiers.
    pub verifiers: usize,
    /// How many of them, the last ones, take the log from a relay. None: there is no relay.
    pub behind: usize,
    /// S, in seconds.
    pub staleness: u64,
    /// Life of access tokens, in seconds.
    pub life: u64,
    /// Whether the first verifier lives in a network of its own, if that can be made here.
    pub apart: bool,
    /// The fail point of a planted defect.
    pub defect: Option<String>,
    /// Whether the folder of stores and logs stays when all is over.
    pub keep: bool,
}

impl Plan {
    /// One for tests of a few processes.
    pub fn small(verifiers: usize) -> Self {
        Self {
            verifiers,
            behind: 0,
            apart: false,
            staleness: 3,
            life: 300,
            defect: None,
            keep: false,
        }
    }

    fn folder(&self) -> TempDir {
        tempfile::Builder::new().prefix("torture-").disable_cleanup(self.keep).tempdir().unwrap()
    }
}

/// A process that may be gone at the moment.
type Slot = Mutex<Option<Running>>;

/// An application's server, or the relay.
pub struct Server {
    /// Where tokens are presented.
    pub http: Http,
    /// Its way to the authority.
    pub link: Arc<Link>,
    address: SocketAddr,
    process: Slot,
    pid: AtomicU32,
    log: PathBuf,
}

/// All of it. Dropping it ends every process.
pub struct Realm {
    /// Who sees everything.
    pub observer: Observer,
    /// The authority, as everybody but a verifier reaches it.
    pub http: Http,
    /// The way there.
    pub crowd: Arc<Link>,
    /// The application's servers, and after them the relay, if there is one.
    pub servers: Arc<Vec<Server>>,
    /// The client secret of the servers.
    pub secret: String,
    /// The authority's disk, if it has one of its own.
    pub disk: Option<Disk>,
    /// The network of the first verifier, if it has one of its own.
    pub network: Option<Network>,
    /// Where it reaches the authority.
    via: Option<SocketAddr>,
    relay_secret: String,
    /// Where verifiers reach the relay.
    relay: SocketAddr,
    issuer: String,
    address: SocketAddr,
    plan: Plan,
    authority: Slot,
    /// Resident memory as it was sampled, by process.
    pub memory: Mutex<BTreeMap<String, Vec<Sample>>>,
    ended: Mutex<Vec<String>>,
    folder: TempDir,
}

/// The program of this package, which every process is: the one that runs, or, for tests, the one beside it.
pub fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let beside = own.ancestors().skip(1).map(|folder| folder.join("rescind-torture"));
    beside.take(2).find(|path| path.exists()).expect("the rig's program is built")
}

fn at(host: &str) -> SocketAddr {
    format!("{host}:{}", free_port()).parse().unwrap()
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Realm {
    /// What the machine did not let it make.
    pub fn lacking(&self) -> Vec<&'static str> {
        let network = self.network.is_none().then_some("a network of its own for a verifier");
        let disk = self.disk.is_none().then_some("a small disk for the authority");
        network.into_iter().chain(disk).collect()
    }

    /// Starts everything; accounts are made by [`Realm::accounts`].
    pub async fn start(plan: Plan) -> Arc<Self> {
        let (folder, front) = (plan.folder(), local(free_port()));
        let issuer = format!("http://{front}");
        let network = plan.apart.then(Network::make).flatten();
        let server = |number: usize| {
            let address = match &network {
                Some(network) if number == 0 => at(&network.there()),
                _ => local(free_port()),
            };
            let log = folder.path().join(format!("follower-{number}.log"));
            let http = Http::new(&format!("http://{address}"));
            let (link, process, pid) = Default::default();
            Server { http, link, address, process, pid, log }
        };
        let followers = plan.verifiers + usize::from(plan.behind > 0);
        let servers = Arc::new((0..followers).map(server).collect::<Vec<_>>());
        let entrance = TcpListener::bind(local(free_port())).await.unwrap();
        let http = Http::new(&format!("http://{}", entrance.local_addr().unwrap()));
        let (observer, crowd, authority, secret, relay_secret) = Default::default();
        let (memory, ended) = Default::default();
        let (address, relay) = (local(free_port()), local(free_port()));
        let disk = Disk::mount(folder.path().join("disk"));
        let mut realm = Self {
            observer,
            http,
            crowd,
            servers,
            secret,
            disk,
            via: network.as_ref().map(|network| at(&network.here())),
            network,
            relay_secret,
            relay,
            issuer,
            address,
            plan,
            authority,
            memory,
            ended,
            folder,
        };
        realm.start_authority(0, false).await;
        realm.connect(TcpListener::bind(front).await.unwrap(), entrance);
        realm.connect_others().await;
        (realm.secret, realm.relay_secret) = realm.clients().await;
        (0..realm.servers.len()).for_each(|number| realm.start_server(number));
        Arc::new(realm)
    }

    /// Verifiers come by the issuer's address, everybody else by the crowd's.
    fn connect(&self, front: TcpListener, crowd: TcpListener) {
        let link = Arc::clone(&self.crowd);
        tokio::spawn(carry(crowd, self.address, move |_| Arc::clone(&link)));
        let whose = self.whose(front.local_addr().unwrap().port());
        tokio::spawn(carry(front, self.address, whose));
    }

    /// Some come to the relay, and one from its own network.
    async fn connect_others(&self) {
        if self.plan.behind > 0 {
            let front = TcpListener::bind(self.relay).await.unwrap();
            let whose = self.whose(self.relay.port());
            tokio::spawn(carry(front, self.servers[self.verifiers()].address, whose));
        }
        if let Some(via) = self.via {
            let (front, link) = (TcpListener::bind(via).await.unwrap(), &self.servers[0].link);
            let link = Arc::clone(link);
            tokio::spawn(carry(front, self.address, move |_| Arc::clone(&link)));
        }
    }

    /// The secrets of the servers and of the relay.
    async fn clients(&self) -> (String, String) {
        let door = self.door().await.expect("the administrator's socket is there");
        let add = async |client: &str, audiences: Vec<String>, permissions: &[&str]| {
            let body =
                json!({ "client_id": client, "audiences": audiences, "permissions": permissions });
            let made = door.call(Method::POST, "/admin/clients", body).await.unwrap();
            made["client_secret"].as_str().unwrap().to_owned()
        };
        add("sides", (0..SIDES).map(side).collect(), &[]).await;
        let relay = add("relay", vec![], &["feed"]).await;
        (add(AUDIENCE, vec![AUDIENCE.to_owned()], &["feed", "revoke"]).await, relay)
    }

    /// Makes accounts with the password of the tests.
    pub async fn accounts(&self, names: &[String]) {
        let door = self.door().await.expect("the administrator's socket is there");
        for name in names {
            let body = json!({ "username": name, "password": PASSWORD, "roles": ["author"] });
            door.call(Method::POST, "/admin/users", body).await.unwrap();
        }
    }

    /// What tokens say of who issued them.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where the authority listens behind all that stands before it.
    pub fn authority_address(&self) -> SocketAddr {
        self.address
    }

    /// The host by which the authority is asked.
    pub fn host(&self) -> &str {
        self.issuer.trim_start_matches("http://")
    }

    /// The administrator's door, if the authority runs.
    pub async fn door(&self) -> Option<Door> {
        Door::of_running(&self.data()).await.ok().flatten()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("disk/data")
    }

    /// The file of one process' standard error.
    fn log(&self, of: &str) -> PathBuf {
        self.folder.path().join(of)
    }

    fn defect(&self) -> Option<(&str, String)> {
        self.plan.defect.as_ref().map(|point| ("FAILPOINTS", format!("{point}=return")))
    }

    /// Starts the authority, its wall clock off by so many microseconds, and waits until it listens. `accept`: also
    /// if the clock is before what was forgotten, which is a new epoch.
    pub async fn start_authority(&self, wall: i64, accept: bool) {
        let mut command = Command::new(program());
        command.arg("authority");
        command.args(["--issuer", &self.issuer, "--listen", &self.address.to_string()]);
        command.args(["--life", &self.plan.life.to_string()]);
        command.args(["--staleness", &self.plan.staleness.to_string()]);
        command.arg("--data").arg(self.data()).arg("--keys").arg(self.folder.path().join("keys"));
        command.args(["--wall", &wall.to_string()]).envs(self.defect());
        command.args(["--accept-clock", if accept { "yes" } else { "no" }]);
        let started = Running::start(&mut command, &self.log("authority.log"));
        *slot(&self.authority) = Some(started);
        wait_for_port(self.address).await;
    }

    /// Does something to the authority's process, if it runs.
    pub fn authority(&self, act: impl FnOnce(&mut Running)) {
        slot(&self.authority).as_mut().map(act);
    }

    /// Kills the authority.
    pub fn kill_authority(&self) {
        self.stop("the authority", &self.authority);
    }

    /// Kills it, and remembers if it had ended before.
    fn stop(&self, who: &str, slot: &Slot) {
        let process = self::slot(slot).take();
        if process.is_some_and(|mut process| process.has_ended()) {
            self.ended.lock().unwrap().push(format!("{who} has ended by itself"));
        }
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn slot(slot: &Slot) -> std::sync::MutexGuard<'_, Option<Running>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of one of the audiences that are taken back.
pub fn side(number: usize) -> String {
    format!("side-{number}")
}
