//! A store and its keys in a temporary folder, and the processes that run on it one after another.

use http::Method;
use rescind_authority::Settings;
use rescind_authority::clock::Clock as _;
use rescind_server::clock::SystemClock;
use rescind_server::run::{Config, World, open, run};
use rescind_server::store::sqlite::FILE_NAME;
use rescind_testkit::clock::{ManualClock, SeededEntropy};
use rescind_testkit::http::{Answer, Http, encode};
use rescind_testkit::process::{Process, free_port, wait_for_port};
use rescind_testkit::server::{AUDIENCE, PASSWORD};
use rescind_verifier::{ClientSecret, Verifier};
use serde_json::Value;
use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rescind-under-test");

/// Durable, and nobody was told.
pub(crate) const AFTER: &str = "store::after_commit=return";
/// Everything is written but the commit.
pub(crate) const BEFORE: &str = "store::before_commit=return(abort)";

/// A realm with the account `alice`.
pub(crate) struct Realm {
    folder: TempDir,
    address: SocketAddr,
    secret: String,
}

impl Realm {
    /// Nothing but a place for one.
    pub(crate) fn empty() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        Self { folder: tempfile::tempdir().unwrap(), address, secret: String::new() }
    }

    pub(crate) fn new() -> Self {
        let mut realm = Self::empty();
        realm.person("alice");
        let args = ["client", "add", AUDIENCE, "--audience", AUDIENCE, "--permission", "feed"];
        let said = String::from_utf8(realm.command(&args, &[], "").stdout).unwrap();
        realm.secret = said.trim().rsplit(' ').next().unwrap().to_owned();
        realm
    }

    /// Makes an account with [`PASSWORD`].
    pub(crate) fn person(&self, name: &str) {
        let made = self.command(&["user", "add", name, "--password-stdin"], &[], PASSWORD);
        assert!(made.status.success(), "{made:?}");
    }

    /// A file of this name, beside the folders.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs one command, which must succeed, and gives its JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let done = self.command(&[args, &["--json"]].concat(), &[], "");
        assert!(done.status.success(), "{args:?}: {done:?}");
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// What all processes of the realm have logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.at("log")).unwrap_or_default()
    }

    /// The epochs that were opened, by the record: why.
    pub(crate) fn epochs_opened(&self) -> Vec<String> {
        let found = self.json(&["audit", "list", "--action", "epoch_opened"]);
        found.as_array().unwrap().iter().map(|record| text(record, "reason")).collect()
    }

    fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn place(&self) -> Vec<String> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        [
            ["--data".to_owned(), text(self.data())],
            ["--keys".to_owned(), text(self.keys())],
            ["--issuer".to_owned(), self.issuer()],
        ]
        .concat()
    }

    /// Runs one command of the command line to its end.
    pub(crate) fn command(&self, args: &[&str], env: &[(&str, &str)], input: &str) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(args).args(self.place()).envs(env.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Starts the authority and waits until it listens. `failpoints` may be empty.
    pub(crate) async fn start(&self, failpoints: &str) -> Process {
        let process = self.spawn(failpoints);
        wait_for_port(self.address).await;
        process
    }

    /// Starts the authority.
    pub(crate) fn spawn(&self, failpoints: &str) -> Process {
        let (listen, place) = (self.address.to_string(), self.place());
        let mut args = vec!["serve", "--listen", &listen];
        args.extend(place.iter().map(String::as_str));
        let log = self.folder.path().join("log");
        // A canary in a slow run is an entry that no test has asked for.
        let env = [("FAILPOINTS", failpoints), ("RESCIND_FEED_CANARY", "0s")];
        Process::start(PROGRAM, &args, &env, &log)
    }

    /// Runs the authority in this process on the same store, its clock `later` than now, for as long as
    /// `story` takes.
    pub(crate) async fn later(&self, later: Duration, story: impl Future<Output = ()>) {
        let config = Config::new(Settings::new(self.issuer()), self.data(), self.keys());
        let wall = SystemClock::default().now().wall + u64::try_from(later.as_micros()).unwrap();
        let clock = Arc::new(ManualClock::new(wall));
        let world = World { clock, entropy: Arc::new(SeededEntropy::new(7)) };
        let app = open(&config, &world).await.unwrap();
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(async move { run(&config, app, listener, stopped).await });
        story.await;
        stop.send(true).unwrap();
        serving.await.unwrap().unwrap();
    }

    /// The database, whose process is gone, is whole.
    pub(crate) fn is_sound(&self) {
        let database = rusqlite::Connection::open(self.data().join(FILE_NAME)).unwrap();
        let said = database.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        assert_eq!(said.unwrap(), "ok");
        let mut broken = database.prepare("PRAGMA foreign_key_check").unwrap();
        assert!(!broken.exists([]).unwrap(), "a row without the one that it belongs to");
    }

    /// Waits until the marker, outside the store, has the compromised key.
    pub(crate) async fn remembers(&self, kid: &str) {
        let written = async {
            while !std::fs::read_to_string(self.keys().join("marker.json")).unwrap().contains(kid) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), written).await.expect("it is remembered");
    }

    /// A client of whatever process runs now. Each process needs a client of its own.
    pub(crate) fn http(&self) -> Http {
        Http::new(&self.issuer())
    }

    /// A verifier of another server, which follows the realm from process to process.
    pub(crate) async fn verifier(&self) -> Verifier {
        let client = ClientSecret::new(self.secret.clone());
        Verifier::builder(self.issuer(), AUDIENCE).client(AUDIENCE, client).build().await.unwrap()
    }
}

/// Signs alice in; gives access and refresh token.
pub(crate) async fn sign_in(http: &Http) -> (String, String) {
    let tokens = http.sign_in("alice", PASSWORD).await;
    (text(&tokens, "access_token"), text(&tokens, "refresh_token"))
}

/// A member of an answer.
pub(crate) fn text(json: &Value, member: &str) -> String {
    json[member].as_str().unwrap_or_else(|| panic!("no {member} in {json}")).to_owned()
}

/// Refreshes; `None` if the process dies over it.
pub(crate) async fn try_refresh(http: &Http, token: &str, key: Option<&str>) -> Option<Answer> {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    http.attempt(Method::POST, "/token", &headers, encode(&form)).await
}

/// Refreshes, and must succeed; gives the successor.
pub(crate) async fn refreshed(http: &Http, token: &str, key: Option<&str>) -> String {
    let answer = http.refresh(token, key).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    text(&answer.json(), "refresh_token")
}

/// The refresh token opens nothing any more.
pub(crate) async fn is_dead(http: &Http, token: &str) {
    let answer = http.refresh(token, None).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &"invalid_grant".into()));
    assert_eq!(http.get_as("/whoami", token).await.status, 401);
}

/// The process has died by itself.
pub(crate) async fn died(mut process: Process) {
    let gone = async {
        while !process.has_ended() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("it was to die");
}

/// Waits until the verifier refuses the token as revoked.
pub(crate) async fn is_refused(verifier: &Verifier, token: &str) {
    let refused = async {
        while !matches!(verifier.check(token), Err(rescind_verifier::Refusal::Revoked)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused).await.expect("it was revoked");
}
