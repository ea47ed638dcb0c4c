//! Chromium by the WebDriver protocol (W3C): the few commands that the tests need.

use crate::program;
use crate::wait::until;
use http::Method;
use rescind_testkit::http::Http;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The member that names an element (WebDriver §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running chromedriver. Its browsers end with it.
pub struct Driver {
    child: Child,
    http: Http,
}

/// What the browser is like.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    width: u32,
    height: u32,
    scale: u32,
    mobile: bool,
    script: bool,
}

impl Look {
    /// A window on a desk.
    pub const DESKTOP: Self =
        Self { width: 1280, height: 800, scale: 1, mobile: false, script: true };
    /// A telephone.
    pub const PHONE: Self = Self { width: 390, height: 844, scale: 2, mobile: true, script: true };

    /// The same without JavaScript.
    pub const fn without_script(self) -> Self {
        Self { script: false, ..self }
    }
}

impl Driver {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let mut command = Command::new(program("CHROMEDRIVER"));
        command.arg("--port=0").stdin(Stdio::null()).stderr(Stdio::null());
        // A group of its own, so that its browsers can be ended with it.
        let mut child = command.stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        std::thread::spawn(move || lines.for_each(drop));
        let port = port.expect("chromedriver says its port");
        Self { child, http: Http::new(&format!("http://127.0.0.1:{port}")) }
    }

    /// A browser with a fresh profile.
    pub async fn browser(&self, look: Look) -> Page {
        let profile = tempfile::tempdir().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &folder,
        ];
        let script = if look.script { 1 } else { 2 };
        let options = json!({
            "binary": program("CHROMIUM"),
            "args": arguments,
            "prefs": { "profile.managed_default_content_settings.javascript": script },
            "mobileEmulation": { "deviceMetrics": {
                "width": look.width, "height": look.height, "pixelRatio": look.scale,
                "touch": false, "mobile": look.mobile,
            } },
        });
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let body = json!({ "capabilities": { "alwaysMatch": wanted } });
        let made = command(&self.http, Method::POST, "/session", body).await.unwrap();
        let session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        Page { http: self.http.clone(), session, _profile: profile }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = kill_process_group(group.expect("a process id"), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// One command; the answer's value, or the error's name and message.
async fn command(http: &Http, method: Method, path: &str, body: Value) -> Result<Value, String> {
    let headers = [("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = http.send(method, path, &headers, body).await;
    let mut json = answer.json();
    match answer.status.is_success() {
        true => Ok(json["value"].take()),
        false => Err(format!("{path}: {} {}", json["value"]["error"], json["value"]["message"])),
    }
}

/// A browser's window.
pub struct Page {
    http: Http,
    session: String,
    _profile: TempDir,
}

impl Page {
    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, String> {
        command(&self.http, method, &format!("{}{path}", self.session), body).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.ask(Method::POST, path, body).await.unwrap()
    }

    /// Goes to an address.
    pub async fn open(&self, address: &str) {
        self.post("/url", json!({ "url": address })).await;
    }

    /// Where it is.
    pub async fn address(&self) -> String {
        self.ask(Method::GET, "/url", Value::Null).await.unwrap().as_str().unwrap().to_owned()
    }

    /// Presses the browser's back button.
    pub async fn back(&self) {
        self.post("/back", json!({})).await;
    }

    /// Runs a script in the page; gives what it returns.
    pub async fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    async fn element(&self, css: &str) -> Option<String> {
        let body = json!({ "using": "css selector", "value": css });
        let found = self.ask(Method::POST, "/element", body).await.ok()?;
        Some(found[ELEMENT].as_str()?.to_owned())
    }

    /// Waits for an element; gives its path.
    async fn find(&self, css: &str) -> String {
        let found = until(css, async || self.element(css).await).await;
        format!("/element/{found}")
    }

    /// Clicks an element.
    pub async fn click(&self, css: &str) {
        let element = self.find(css).await;
        self.post(&format!("{element}/click"), json!({})).await;
    }

    /// Types into an element.
    pub async fn fill(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.post(&format!("{element}/value"), json!({ "text": text })).await;
    }

    /// Presses keys, wherever the focus is.
    pub async fn keys(&self, text: &str) {
        let press = |key: char| {
            let of = |kind: &str| json!({ "type": kind, "value": key.to_string() });
            [of("keyDown"), of("keyUp")]
        };
        let actions: Vec<Value> = text.chars().flat_map(press).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// The visible text of an element; none while it is not there.
    pub async fn try_text(&self, css: &str) -> Option<String> {
        let element = self.element(css).await?;
        let text = self.ask(Method::GET, &format!("/element/{element}/text"), Value::Null).await;
        Some(text.ok()?.as_str()?.to_owned())
    }

    /// The visible text of the page.
    pub async fn text(&self) -> String {
        until("a body", async || self.try_text("body").await).await
    }

    /// Waits until the element's text contains this; gives the text.
    pub async fn wait_for(&self, css: &str, part: &str) -> String {
        let what = format!("{part:?} in {css}");
        until(&what, async || self.try_text(css).await.filter(|text| text.contains(part))).await
    }

    /// Waits until it is at an address that ends so.
    pub async fn arrives_at(&self, end: &str) {
        let what = format!("the page {end}");
        until(&what, async || self.address().await.ends_with(end).then_some(())).await;
    }

    /// The cookies that it would send from here, `HttpOnly` ones included.
    pub async fn cookies(&self) -> Vec<Value> {
        self.ask(Method::GET, "/cookie", Value::Null).await.unwrap().as_array().unwrap().clone()
    }

    /// Keeps a picture in `target/e2e/`.
    pub async fn picture(&self, name: &str) {
        let text = self.ask(Method::GET, "/screenshot", Value::Null).await.unwrap();
        // The program lies in target/release.
        let folder = program("E2E_RESCIND").parent().unwrap().with_file_name("e2e");
        std::fs::create_dir_all(&folder).unwrap();
        let bytes = rescind_wire::b64::decode_standard(text.as_str().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }
}
