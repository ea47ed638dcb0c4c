//! Chromium, started by the WebDriver protocol (W3C). What is done in its window is in [`crate::page`].

use crate::page::Page;
use crate::program;
use http::Method;
use rescind_testkit::http::Http;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

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

    /// The same, so many CSS pixels wide.
    pub const fn of_width(self, width: u32) -> Self {
        Self { width, ..self }
    }

    /// The window, as the browser's own protocol takes it.
    pub(crate) fn metrics(self) -> Value {
        json!({
            "width": self.width, "height": self.height, "deviceScaleFactor": self.scale,
            "mobile": self.mobile,
        })
    }

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
            // Names of other machines, all on this one: a parent, its subdomains, and strangers.
            "--host-resolver-rules=MAP *.test 127.0.0.1",
            // The certificates of `crate::tls` are nobody's.
            "--ignore-certificate-errors",
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
        Page::new(self.http.clone(), session, profile)
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
pub(crate) async fn command(
    http: &Http,
    method: Method,
    path: &str,
    body: Value,
) -> Result<Value, String> {
    let headers = [("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = http.send(method, path, &headers, body).await;
    let mut json = answer.json();
    match answer.status.is_success() {
        true => Ok(json["value"].take()),
        false => Err(format!("{path}: {} {}", json["value"]["error"], json["value"]["message"])),
    }
}
