//! The processes and how they are connected. One authority stands behind the proxy, which has the issuer's
//! address; each verifier reaches it by a link of its own, everybody else by the link of the crowd. A relay, once
//! there is one, stands between some verifiers and the proxy: it is one more process with one more link.

mod watch;

use crate::draw::Draw;
use crate::history::Observer;
use crate::owner;
use crate::process::Running;
use crate::proxy::{Link, carry};
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
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
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
    /// S, in seconds.
    pub staleness: u64,
    /// Life of access tokens, in seconds.
    pub life: u64,
    /// The fail point of a planted defect.
    pub defect: Option<String>,
    /// Whether the folder of stores and logs stays when all is over.
    pub keep: bool,
}

impl Plan {
    /// One for tests of a few processes.
    pub fn small(verifiers: usize) -> Self {
        Self { verifiers, staleness: 3, life: 300, defect: None, keep: false }
    }

    fn folder(&self) -> TempDir {
        tempfile::Builder::new().prefix("torture-").disable_cleanup(self.keep).tempdir().unwrap()
    }
}

/// A process that may be gone at the moment.
type Slot = Mutex<Option<Running>>;

/// An application's server.
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
    /// The application's servers.
    pub servers: Arc<Vec<Server>>,
    /// The client secret of the servers.
    pub secret: String,
    issuer: String,
    address: SocketAddr,
    plan: Plan,
    authority: Slot,
    /// Resident memory as it was sampled, by process.
    pub memory: Mutex<BTreeMap<String, Vec<u64>>>,
    ended: Mutex<Vec<String>>,
    folder: TempDir,
}

/// A program of this package, beside the one that runs.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let beside = own.ancestors().skip(1).map(|folder| folder.join(name));
    beside.take(2).find(|path| path.exists()).expect("the rig's programs are built")
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Realm {
    /// Starts everything; accounts are made by [`Realm::accounts`].
    pub async fn start(plan: Plan) -> Arc<Self> {
        let (folder, front) = (plan.folder(), local(free_port()));
        let issuer = format!("http://{front}");
        let server = |number: usize| {
            let address = local(free_port());
            let log = folder.path().join(format!("verifier-{number}.log"));
            let http = Http::new(&format!("http://{address}"));
            let (link, process, pid) = Default::default();
            Server { http, link, address, process, pid, log }
        };
        let servers = Arc::new((0..plan.verifiers).map(server).collect::<Vec<_>>());
        let entrance = TcpListener::bind(local(free_port())).await.unwrap();
        let http = Http::new(&format!("http://{}", entrance.local_addr().unwrap()));
        let (observer, crowd, authority, secret) = Default::default();
        let (memory, ended) = Default::default();
        let address = local(free_port());
        let mut realm = Self {
            observer,
            http,
            crowd,
            servers,
            secret,
            issuer,
            address,
            plan,
            authority,
            memory,
            ended,
            folder,
        };
        realm.start_authority(0).await;
        realm.connect(TcpListener::bind(front).await.unwrap(), entrance);
        realm.secret = realm.clients().await;
        (0..realm.servers.len()).for_each(|number| realm.start_server(number));
        Arc::new(realm)
    }

    /// Verifiers come by the issuer's address, everybody else by the crowd's.
    fn connect(&self, front: TcpListener, crowd: TcpListener) {
        let link = Arc::clone(&self.crowd);
        tokio::spawn(carry(crowd, self.address, move |_| Arc::clone(&link)));
        let servers = Arc::clone(&self.servers);
        let whose = move |port| -> Option<Arc<Link>> {
            let pids: Vec<u32> = servers.iter().map(|s| s.pid.load(Ordering::SeqCst)).collect();
            let pid = owner::of_port(port, &pids)?;
            let number = pids.iter().position(|known| *known == pid)?;
            Some(Arc::clone(&servers[number].link))
        };
        let whose = move |port| whose(port).unwrap_or_default();
        tokio::spawn(carry(front, self.address, whose));
    }

    async fn clients(&self) -> String {
        let door = self.door().await.expect("the administrator's socket is there");
        let add = async |client: &str, audiences: Vec<String>, permissions: &[&str]| {
            let body =
                json!({ "client_id": client, "audiences": audiences, "permissions": permissions });
            let made = door.call(Method::POST, "/admin/clients", body).await.unwrap();
            made["client_secret"].as_str().unwrap().to_owned()
        };
        add("sides", (0..SIDES).map(side).collect(), &[]).await;
        add(AUDIENCE, vec![AUDIENCE.to_owned()], &["feed", "revoke"]).await
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
        self.folder.path().join("data")
    }

    /// The file of one process' standard error.
    fn log(&self, of: &str) -> PathBuf {
        self.folder.path().join(of)
    }

    fn defect(&self) -> Option<(&str, String)> {
        self.plan.defect.as_ref().map(|point| ("FAILPOINTS", format!("{point}=return")))
    }

    /// Starts the authority, its wall clock off by so many microseconds, and waits until it listens.
    pub async fn start_authority(&self, wall: i64) {
        let mut command = Command::new(program("torture-authority"));
        command.args(["--issuer", &self.issuer, "--listen", &self.address.to_string()]);
        command.args(["--life", &self.plan.life.to_string()]);
        command.args(["--staleness", &self.plan.staleness.to_string()]);
        command.arg("--data").arg(self.data()).arg("--keys").arg(self.folder.path().join("keys"));
        command.args(["--wall", &wall.to_string()]).envs(self.defect());
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

    /// Starts a verifier.
    pub fn start_server(&self, number: usize) {
        let server = &self.servers[number];
        let mut command = Command::new(program("torture-verifier"));
        command.args(["--issuer", &self.issuer, "--listen", &server.address.to_string()]);
        command.args(["--audience", AUDIENCE, "--client", AUDIENCE]);
        command.env("RESCIND_CLIENT_SECRET", &self.secret).envs(self.defect());
        let started = Running::start(&mut command, &server.log);
        server.pid.store(started.id(), Ordering::SeqCst);
        *slot(&server.process) = Some(started);
    }

    /// Does something to a verifier's process, if it runs.
    pub fn server(&self, number: usize, act: impl FnOnce(&mut Running)) {
        slot(&self.servers[number].process).as_mut().map(act);
    }

    /// Kills a verifier.
    pub fn kill_server(&self, number: usize) {
        self.stop("a verifier", &self.servers[number].process);
    }

    /// Kills it, and remembers if it had ended before.
    fn stop(&self, who: &str, slot: &Slot) {
        let process = self::slot(slot).take();
        if process.is_some_and(|mut process| process.has_ended()) {
            self.ended.lock().unwrap().push(format!("{who} has ended by itself"));
        }
    }

    /// A server's standing, from its route `/status`.
    pub async fn is_ready(&self, number: usize) -> bool {
        let asked = self.servers[number].http.attempt(Method::GET, "/status", &[], "");
        let answer = tokio::time::timeout(Duration::from_secs(1), asked).await;
        matches!(answer, Ok(Some(answer)) if answer.json()["ready"] == true)
    }

    /// One of the verifiers.
    pub fn any_server(&self, draw: &Draw) -> usize {
        draw.below(self.servers.len())
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
