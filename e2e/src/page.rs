//! A browser's window: the few WebDriver commands that the tests need.

use crate::driver::{Look, command};
use crate::program;
use crate::wait::until;
use http::Method;
use rescind_testkit::http::Http;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The member that names an element (WebDriver §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A tab to come back to.
pub struct Tab(Value);

/// A browser's window.
pub struct Page {
    http: Http,
    session: String,
    _profile: TempDir,
}

impl Page {
    pub(crate) const fn new(http: Http, session: String, profile: TempDir) -> Self {
        Self { http, session, _profile: profile }
    }

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

    /// A command of the browser's own protocol (Chrome DevTools).
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// Gives the window the size of this look.
    pub async fn resize(&self, look: Look) {
        self.devtools("Emulation.setDeviceMetricsOverride", look.metrics()).await;
    }

    /// Opens another tab of the same browser and goes on there; gives what brings back to this one.
    pub async fn new_tab(&self) -> Tab {
        let left = self.ask(Method::GET, "/window", Value::Null).await.unwrap();
        let opened = self.post("/window/new", json!({ "type": "tab" })).await;
        self.post("/window", json!({ "handle": opened["handle"] })).await;
        Tab(left)
    }

    /// Goes on in this tab.
    pub async fn switch_to(&self, tab: &Tab) {
        self.post("/window", json!({ "handle": tab.0 })).await;
    }

    /// Goes on inside the frame of that number, or in the whole page.
    pub async fn enter_frame(&self, number: Option<u8>) {
        self.post("/frame", json!({ "id": number })).await;
    }

    /// Runs a script in the page; gives what it returns.
    pub async fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Runs the body of an asynchronous function in the page; gives what it returns, in the end.
    pub async fn asynchronously(&self, body: &str) -> Value {
        let script = format!(
            "const done = arguments[0]; (async () => {{ {body} }})().then(done, e => done(String(e)))"
        );
        self.post("/execute/async", json!({ "script": script, "args": [] })).await
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

    /// Waits until this expression is true in the page.
    pub async fn holds(&self, expression: &str) {
        let script = format!("return {expression}");
        until(expression, async || (self.script(&script).await == true).then_some(())).await;
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

    /// Keeps a picture of the whole page in `target/e2e/`.
    pub async fn picture(&self, name: &str) {
        let size = "const { scrollWidth: width, scrollHeight: height } = document.documentElement;
            return { x: 0, y: 0, width, height, scale: 1 }";
        let clip = self.script(size).await;
        let wanted = json!({ "captureBeyondViewport": true, "clip": clip });
        let taken = self.devtools("Page.captureScreenshot", wanted).await;
        // The program lies in target/release.
        let folder = program("E2E_RESCIND").parent().unwrap().with_file_name("e2e");
        std::fs::create_dir_all(&folder).unwrap();
        let bytes = rescind_wire::b64::decode_standard(taken["data"].as_str().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }
}
