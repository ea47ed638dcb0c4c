//! `rescind serve` on a store of its own, as an operator runs it, and API servers behind it.

use crate::demo::rescind;
use crate::program;
use crate::tls::Front;
use crate::wait::until;
use rescind_testkit::evidence;
use rescind_testkit::http::Http;
use rescind_testkit::process::{Process, free_port};
use rescind_wire::b64;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The audience of the API servers.
pub const AUDIENCE: &str = "posts-api";
/// The only account.
pub const USER: &str = "alice";

/// A running authority with an account and a client. Dropping it kills it.
pub struct Realm {
    // Ends before its folder goes: then its log is kept.
    process: Process,
    folder: TempDir,
    address: SocketAddr,
    /// The issuer.
    pub issuer: String,
    /// The account's password.
    pub password: String,
    /// The client's secret.
    pub secret: String,
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn last_word(said: &str) -> String {
    said.split_whitespace().last().expect("it says something").to_owned()
}

impl Realm {
    /// Starts one with these options, with an account and a client for [`AUDIENCE`].
    pub async fn start(options: &[&str]) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        Self::start_as(address, format!("http://{address}"), options).await
    }

    /// The same behind TLS, at a name that has siblings: as in production, cookies included.
    pub async fn start_behind_tls() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let front = Front::bind().await;
        let issuer = format!("https://auth.example.test:{}", front.port);
        front.carry_to(address);
        Self::start_as(address, issuer, &["--trusted-proxy", "127.0.0.1"]).await
    }

    async fn start_as(address: SocketAddr, issuer: String, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
        let listen = address.to_string();
        let place = ["serve", "--data", text(&data), "--keys", text(&keys)];
        // Tests without a browser come by the address.
        let hosts = format!("hosts={address}");
        let own = ["--issuer", &issuer, "--listen", &listen, "--log", "info", "--set", &hosts];
        let arguments = [&place[..], &own, options].concat();
        let binary = program("E2E_RESCIND");
        let log = folder.path().join("serve.log");
        let process = Process::start(text(&binary), &arguments, &[], &log);
        let (password, secret) = Default::default();
        let mut realm = Self { folder, process, address, issuer, password, secret };
        realm.serving().await;
        realm.password = realm.person(USER);
        realm.secret = last_word(&realm.client(AUDIENCE));
        evidence::secret(&realm.password);
        evidence::secret(&realm.secret);
        realm
    }

    /// Waits until it says who it is: an open port alone could be somebody else's.
    async fn serving(&mut self) {
        let (http, path) = (self.http(), "/.well-known/oauth-authorization-server");
        until("the authority serves", async || {
            assert!(!self.process.has_ended(), "it has ended: {}", self.log());
            let answer = http.attempt(http::Method::GET, path, &[], "").await?;
            (answer.json()["issuer"] == self.issuer.as_str()).then_some(())
        })
        .await;
    }

    fn place(&self, of: &str) -> PathBuf {
        self.folder.path().join(of)
    }

    /// Runs a command against it; gives what it prints.
    ///
    /// # Panics
    /// If it fails.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let (data, keys) = (self.place("data"), self.place("keys"));
        let place = ["--data", text(&data), "--keys", text(&keys)];
        let output = rescind(&[arguments, &place].concat()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}{}", self.log());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Registers a client that answers for the audience of its name.
    pub fn client(&self, name: &str) -> String {
        self.cli(&["client", "add", name, "--audience", name, "--permission", "feed"])
    }

    /// Makes another account; gives its password.
    pub fn person(&self, name: &str) -> String {
        last_word(&self.cli(&["user", "add", name]))
    }

    /// A client of its HTTP.
    pub fn http(&self) -> Http {
        Http::new(&format!("http://{}", self.address))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place("serve.log")).unwrap_or_default()
    }

    /// The id of the key that signs access tokens now.
    pub fn active_kid(&self) -> String {
        let listed: Value = serde_json::from_str(&self.cli(&["keys", "list", "--json"])).unwrap();
        let signs = |key: &&Value| key["purpose"] == "token" && key["state"] == "active";
        let key = listed.as_array().unwrap().iter().find(signs).expect("an active key");
        key["kid"].as_str().unwrap().to_owned()
    }
}

/// The posts API as a process. Dropping it kills it.
pub struct Api {
    process: Process,
    port: u16,
}

impl Api {
    /// Starts one behind this realm, and waits until it judges tokens.
    pub async fn start(realm: &Realm) -> Self {
        let port = free_port();
        let api = Self { process: Self::launch(realm, port), port };
        api.ready().await;
        api
    }

    fn launch(realm: &Realm, port: u16) -> Process {
        let (binary, listen) = (program("POSTS_API_BIN"), format!("127.0.0.1:{port}"));
        let arguments = ["--issuer", &realm.issuer, "--listen", &listen, "--audience", AUDIENCE];
        let secret = ("RESCIND_CLIENT_SECRET", realm.secret.as_str());
        let log = realm.place(&format!("api-{port}.log"));
        Process::start(text(&binary), &arguments, &[secret], &log)
    }

    async fn ready(&self) {
        let http = self.http();
        until("the API server is ready", async || {
            let answer = http.attempt(http::Method::GET, "/readyz", &[], "").await?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// Kills it (`SIGKILL`).
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was, and waits until it judges tokens.
    pub async fn restart(&mut self, realm: &Realm) {
        self.process = Self::launch(realm, self.port);
        self.ready().await;
    }

    /// A client of its HTTP.
    pub fn http(&self) -> Http {
        Http::new(&format!("http://127.0.0.1:{}", self.port))
    }
}

/// Header and claims of a token, unverified.
pub fn read(token: &str) -> [Value; 2] {
    let mut parts = token.split('.');
    [(); 2].map(|()| serde_json::from_slice(&b64::decode(parts.next().unwrap()).unwrap()).unwrap())
}

/// The id of the key that has signed the token.
pub fn kid(token: &str) -> String {
    read(token)[0]["kid"].as_str().unwrap().to_owned()
}
