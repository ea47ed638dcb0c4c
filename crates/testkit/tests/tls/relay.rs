//! Relays that speak TLS on both sides: as clients of an authority and of each other, and as servers.

use crate::realm::{Realm, Signer, put};
use rescind_authority::clients::Permission;
use rescind_server::tls::Files;
use rescind_testkit::http::Http;
use rescind_testkit::process::{Process, free_port};
use rescind_testkit::server::operator;
use rescind_wire::revocation::Target;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rescind-under-test");

/// Relays of one realm, each a process that trusts who signed its certificates, or nobody.
struct Relays<'a> {
    realm: &'a Realm,
    folder: TempDir,
    secret: String,
    trusted: PathBuf,
}

struct Relay {
    _process: Process,
    url: String,
    status: Http,
    log: PathBuf,
}

impl<'a> Relays<'a> {
    async fn of(realm: &'a Realm) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trusted = folder.path().join("trusted.pem");
        put(&trusted, &realm.signer.pem(), 0o644);
        let (may, operator) = (vec![Permission::Feed], operator());
        let made = realm.authority.app.authority.add_client("relay", vec![], may, &operator);
        let secret = made.await.unwrap().expose().to_owned();
        Self { realm, folder, secret, trusted }
    }

    fn start(&self, name: &str, from: Option<&Relay>, trusted: &Path) -> Relay {
        let (port, status) = (free_port(), format!("127.0.0.1:{}", free_port()));
        let own = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let pair = Files { certificate: own.join("cert.pem"), key: own.join("key.pem") };
        self.realm.signer.write(&pair, "localhost");
        let (url, listen) = (format!("https://localhost:{port}"), format!("127.0.0.1:{port}"));
        let text = |path: PathBuf| path.display().to_string();
        let (data, log) = (text(own.join("data")), own.join(format!("{name}.log")));
        let (certificate, key) = (text(pair.certificate), text(pair.key));
        let mut arguments = vec!["relay", "--issuer", self.realm.authority.issuer()];
        arguments.extend(["--client", "relay", "--data", &data, "--url", &url]);
        arguments.extend(["--listen", &listen, "--status-listen", &status]);
        arguments.extend(["--tls-certificate", &certificate, "--tls-key", &key]);
        arguments.extend(from.iter().flat_map(|from| ["--from", from.url.as_str()]));
        let trusted = text(trusted.to_owned());
        let env = [("RESCIND_CLIENT_SECRET", self.secret.as_str()), ("SSL_CERT_FILE", &trusted)];
        let _process = Process::start(PROGRAM, &arguments, &env, &log);
        Relay { _process, url, status: Http::new(&format!("http://{status}")), log }
    }
}

impl Relay {
    /// Waits until it stands as is wanted.
    async fn until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let look = async {
            loop {
                let answer = self.status.attempt(http::Method::GET, "/metrics", &[], "").await;
                if answer.is_some_and(|answer| holds(&answer.text())) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), look).await;
        assert!(in_time.is_ok(), "never came: {what}: {}", self.said());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

// H01 P03
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_behind_a_relay_follows_over_tls_and_one_that_trusts_nobody_does_not() {
    let realm = Realm::start(|_| {}).await;
    let relays = Relays::of(&realm).await;
    let near = relays.start("near", None, &relays.trusted);
    let ready = |metrics: &str| metrics.contains("\nrescind_ready 1");
    near.until("the first is ready", ready).await;
    let far = relays.start("far", Some(&near), &relays.trusted);
    far.until("the second is ready", ready).await;
    let target = Target::Client("nobody".to_owned());
    let pos = realm.authority.app.authority.revoke(target, operator()).await.unwrap().pos;
    let there = format!("\nrescind_relay_position {pos}\n");
    far.until("the entry", |metrics| metrics.contains(&there)).await;

    // The same with the certificate of somebody else.
    let other = relays.folder.path().join("other.pem");
    put(&other, &Signer::new().pem(), 0o644);
    let stranger = relays.start("stranger", Some(&near), &other);
    let refuses = |_: &str| stranger.said().contains("certificate is not accepted");
    stranger.until("it says what is wrong", refuses).await;
    stranger.until("it is not ready", |metrics| metrics.contains("\nrescind_ready 0")).await;
}
