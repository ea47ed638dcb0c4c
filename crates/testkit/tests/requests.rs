//! `examples/requests.http`: every request of it is sent, from top to bottom, and every public route is in it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

use http::Method;
use http::header::{AUTHORIZATION, COOKIE};
use rescind_authority::Settings;
use rescind_authority::clients::Permission;
use rescind_authority::name::Name;
use rescind_authority::password::Password;
use rescind_server::app::App;
use rescind_server::run::{Config, World, open, run};
use rescind_testkit::http::{Answer, Browser, Http, basic};
use rescind_testkit::server::{AUDIENCE, PASSWORD, operator};
use rescind_verifier::ClientSecret;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One request of the file.
#[derive(Debug, Default)]
struct Written {
    name: Option<String>,
    comes_back: Option<u16>,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// The file: its variables, and its requests.
fn read(text: &str) -> (BTreeMap<String, String>, Vec<Written>) {
    let (head, rest) = text.split_once("\n###").unwrap();
    let variables = head.lines().filter_map(|line| line.strip_prefix('@')?.split_once(" = "));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (variables, rest.split("\n###").map(request).collect())
}

fn request(text: &str) -> Written {
    let mut written = Written::default();
    // The first line is the title.
    let mut lines = text.lines().skip(1);
    for line in lines.by_ref() {
        if let Some(name) = line.strip_prefix("# @name ") {
            written.name = Some(name.to_owned());
        } else if let Some(status) = line.strip_prefix("# -> ") {
            written.comes_back = Some(status.parse().unwrap());
        } else if let Some((method, url)) = line.split_once(' ').filter(|_| !line.starts_with('#'))
        {
            (written.method, written.url) = (method.to_owned(), url.to_owned());
            break;
        }
    }
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        written.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    written.body = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
    written
}

/// Fills in `{{name}}` and `{{name.response.body.$.a.b}}`.
fn filled(
    text: &str,
    variables: &BTreeMap<String, String>,
    answers: &BTreeMap<String, Answer>,
) -> String {
    let Some((before, rest)) = text.split_once("{{") else { return text.to_owned() };
    let (name, after) = rest.split_once("}}").unwrap();
    let value = match name.split_once(".response.body.$.") {
        None => filled(&variables[name], variables, answers),
        Some((of, path)) => {
            let body = answers[of].json();
            let value = path.split('.').fold(&body, |value, step| &value[step]);
            assert_ne!(*value, Value::Null, "{name}");
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        }
    };
    format!("{before}{value}{}", filled(after, variables, answers))
}

/// An authority on the clock of this machine, as it runs for people: the posts API brings its own.
struct Authority {
    app: App,
    issuer: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Authority {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
        let config = Config::new(Settings::new(issuer.clone()), data, keys);
        let app = open(&config, &World::system()).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = app.clone();
        let task = tokio::spawn(async move {
            run(&config, serving, listener, stopped).await.unwrap();
        });
        Self { app, issuer, stop, task, _folder: folder }
    }
}

/// The posts API beside the authority; gives its URL.
async fn posts_api(issuer: &str, secret: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = posts_api::Config {
        issuer: issuer.to_owned(),
        audience: AUDIENCE.to_owned(),
        client_id: "asker".to_owned(),
        secret: ClientSecret::new(secret),
        origin: issuer.parse().unwrap(),
    };
    tokio::spawn(async move {
        posts_api::run(config, listener, std::future::pending()).await.unwrap();
    });
    let http = Http::new(&url);
    let ready = async {
        while http.get("/readyz", &[]).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), ready).await.expect("it is not ready");
    url
}

/// The routes of a source file that answer in public.
fn routes() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src/http");
    let source = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    let public = source.split_once("pub fn admin_router").unwrap().0;
    let route = |text: &str| text.strip_prefix('"')?.split('"').next().map(str::to_owned);
    public.split(".route(").skip(1).filter_map(|text| route(text.trim_start())).collect()
}

/// A path as its route: what was filled in is a parameter.
fn route_of(url: &str) -> Option<String> {
    let path = url.strip_prefix("{{authority}}")?.split('?').next()?;
    let parts = path.split('/').map(|part| match part.starts_with("{{") || part.len() == 22 {
        true => "{id}",
        false => part,
    });
    Some(parts.collect::<Vec<_>>().join("/"))
}

//
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_file_is_answered_as_it_says() {
    let authority = Authority::start().await;
    let permissions = vec![Permission::Feed, Permission::Introspect, Permission::Revoke];
    let own = &authority.app.authority;
    let (name, password) = (Name::new("alice").unwrap(), Password::chosen(PASSWORD).unwrap());
    own.add_account(name, &password, Vec::new(), &operator()).await.unwrap();
    let made = own.add_client("asker", vec![AUDIENCE.to_owned()], permissions, &operator()).await;
    let secret = made.unwrap().expose().to_owned();

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/requests.http");
    let (mut variables, requests) = read(&std::fs::read_to_string(path).unwrap());
    let api = posts_api(&authority.issuer, &secret).await;
    let given = [
        ("authority", authority.issuer.as_str()),
        ("api", &api),
        ("password", PASSWORD),
        ("client", "asker"),
        ("secret", &secret),
    ];
    for (name, value) in given {
        assert!(variables.insert(name.to_owned(), value.to_owned()).is_some(), "{name}");
    }
    let mut editor = Http::new(&authority.issuer).browser();
    let mut answers = BTreeMap::new();
    for written in &requests {
        let answer = send(&mut editor, written, &variables, &answers).await;
        let text = answer.text();
        assert_eq!(Some(answer.status.as_u16()), written.comes_back, "{written:?}: {text}");
        if let Some(name) = &written.name {
            answers.insert(name.clone(), answer);
        }
    }
    let asked: BTreeSet<String> = requests.iter().filter_map(|r| route_of(&r.url)).collect();
    let missing: Vec<_> = routes().difference(&asked).cloned().collect();
    assert!(missing.is_empty(), "no request for {missing:?}");
    authority.stop.send(true).unwrap();
    authority.task.await.unwrap();
}

/// Sends it as an editor does: with the cookies of before, and nothing that a browser adds.
async fn send(
    editor: &mut Browser,
    written: &Written,
    variables: &BTreeMap<String, String>,
    answers: &BTreeMap<String, Answer>,
) -> Answer {
    let fill = |text: &str| filled(text, variables, answers);
    let url = fill(&written.url);
    let (base, path) = match url.match_indices('/').nth(2) {
        Some((at, _)) => url.split_at(at),
        None => panic!("{url}"),
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in &written.headers {
        let value = fill(value);
        let words: Vec<&str> = value.split(' ').collect();
        let value = match words.as_slice() {
            ["Basic", id, secret] if name == AUTHORIZATION.as_str() => basic(id, secret),
            _ => value,
        };
        headers.push((name.clone(), value));
    }
    let jar: Vec<String> =
        editor.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !jar.is_empty() && written.url.starts_with("{{authority}}") {
        headers.push((COOKIE.as_str().to_owned(), jar.join("; ")));
    }
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let method: Method = written.method.parse().unwrap();
    let answer = Http::new(base).send(method, path, &headers, fill(&written.body)).await;
    editor.keep_cookies(&answer);
    answer
}
