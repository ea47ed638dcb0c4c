//! A store that an older program has written (`tests/data`): this one opens it, and what held holds.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

use http::Method;
use rescind_authority::Settings;
use rescind_authority::audit::{Action, Search};
use rescind_authority::clients::Permission;
use rescind_server::app::App;
use rescind_server::run::{Config, World, open, run};
use rescind_server::store::sqlite::restore::Restore;
use rescind_server::store::sqlite::{FILE_NAME, peek};
use rescind_testkit::clock::{ManualClock, SeededEntropy};
use rescind_testkit::http::{Http, basic};
use rescind_testkit::server::{AUDIENCE, PASSWORD, operator};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The folders of before, and what was handed out.
struct Before {
    folder: TempDir,
    story: Value,
}

impl Before {
    fn of_version_1() -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/version_1");
        let folder = tempfile::tempdir().unwrap();
        for (name, to) in [
            ("rescind.db", "data/rescind.db"),
            ("keys/master", "keys/master.key"),
            ("keys/marker.json", "keys/marker.json"),
            ("keys/token.p8", "keys/token.p8"),
            ("keys/feed.p8", "keys/feed.p8"),
        ] {
            let to = folder.path().join(to);
            let parent = to.parent().unwrap();
            std::fs::create_dir_all(parent).unwrap();
            std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o700)).unwrap();
            std::fs::copy(from.join(name), &to).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let story = std::fs::read(from.join("story.json")).unwrap();
        Self { folder, story: serde_json::from_slice(&story).unwrap() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn access(&self, of: &str) -> &str {
        self.story[of]["access"].as_str().unwrap()
    }

    fn refresh(&self, of: &str) -> String {
        format!("rsc_rt_{}", self.story[of]["refresh_without_prefix"].as_str().unwrap())
    }

    /// This program on it, a minute later: its tokens are still good by their dates.
    async fn serve(&self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings = Settings::new("http://localhost:4000".to_owned());
        let mut config = Config::new(settings, self.at("data"), self.at("keys"));
        config.hosts = vec![address.to_string()];
        let at = (self.story["at"].as_u64().unwrap() + 60) * 1_000_000;
        let clock = Arc::new(ManualClock::new(at));
        let world = World { clock, entropy: Arc::new(SeededEntropy::new(4)) };
        let app = open(&config, &world).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = app.clone();
        let task =
            tokio::spawn(async move { run(&config, serving, listener, stopped).await.unwrap() });
        Running { app, http: Http::new(&format!("http://{address}")), stop, task }
    }
}

struct Running {
    app: App,
    http: Http,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
    }

    /// Whether the access token is taken, as another server is told.
    async fn active(&self, secret: &str, token: &str) -> bool {
        let login = basic("asks", secret);
        let more = [("authorization", login.as_str())];
        let answer = self.http.post_form("/introspect", &[("token", token)], &more).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["active"].as_bool().unwrap()
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_an_older_program_opens_and_what_held_holds() {
    let before = Before::of_version_1();
    assert_eq!(peek::look(&before.at("data").join(FILE_NAME)).unwrap().version, 1);
    let running = before.serve().await;
    running.http.sign_in("alice", PASSWORD).await;
    let (audiences, may) = (vec![AUDIENCE.to_owned()], vec![Permission::Introspect]);
    let made = running.app.authority.add_client("asks", audiences, may, &operator()).await;
    let secret = made.unwrap().expose().to_owned();
    assert!(running.active(&secret, before.access("kept")).await, "what was signed is understood");
    assert!(!running.active(&secret, before.access("ended")).await, "what was revoked stays so");
    let ended = running.http.refresh(&before.refresh("ended"), None).await;
    assert_eq!((ended.status.as_u16(), &ended.json()["error"]), (400, &"invalid_grant".into()));
    let kept = running.http.refresh(&before.refresh("kept"), None).await;
    assert_eq!(kept.status, 200, "{}", kept.text());
    let line = kept.json()["refresh_token"].as_str().unwrap().to_owned();
    let login = basic(AUDIENCE, before.story["client_secret"].as_str().unwrap());
    let snapshot = running.http.get("/v1/snapshot", &[("authorization", &login)]).await;
    assert_eq!(snapshot.status, 200, "the server of before goes on: {}", snapshot.text());
    let opened = Search { action: Some(Action::EpochOpened), ..Search::default() };
    let opened = running.app.authority.store().search(opened, 9).await.unwrap();
    assert!(opened.is_empty(), "an upgrade is no rollback");
    running.stop().await;

    let looked = peek::look(&before.at("data").join(FILE_NAME)).unwrap();
    assert_eq!(looked.version, looked.known);
    let running = before.serve().await;
    let out = running.http.send_as(Method::POST, "/logout", &line).await;
    assert_eq!(out.status, 204, "and so it does at the next start");
    running.stop().await;
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_an_older_program_is_put_in_place_and_everybody_signs_in_again() {
    let before = Before::of_version_1();
    let database = before.at("data").join(FILE_NAME);
    let file = before.at("backup.db");
    std::fs::copy(&database, &file).unwrap();
    let kept = Restore::prepare(&database, &file).unwrap().put(".before").unwrap();
    assert_eq!(kept, Some(before.at("data").join("rescind.db.before")));
    let running = before.serve().await;
    assert_eq!(running.http.refresh(&before.refresh("kept"), None).await.status, 400);
    running.http.sign_in("alice", PASSWORD).await;
    running.stop().await;
}
