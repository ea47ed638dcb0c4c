//! `rescind demo`: a parent with two children. The authority with its pages, and the posts API as a
//! process of its own. Killing one leaves the other; Ctrl-C ends all three.

use super::{asked_to_stop, manage::draw_password, place::own_variables, posts_api};
use crate::admin::client::Door;
use crate::http::DEMO_AUDIENCE;
use crate::keys::write_private;
use crate::run::Config;
use clap::Args;
use http::Method;
use rescind_authority::Settings;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Try everything on a temporary store, which is removed at the end.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind demo
  rescind demo --port 4100 --api-port 3100
  rescind demo --json")]
pub(super) struct DemoArgs {
    /// Port of the authority and the page.
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Port of the posts API.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u16).range(1..))]
    api_port: u16,
    /// Print one line of JSON for scripts instead of words for people.
    #[arg(long)]
    json: bool,
}

struct Stage {
    args: DemoArgs,
    folder: PathBuf,
    people: Vec<(&'static str, String)>,
}

/// The children, as far as they run.
#[derive(Default)]
struct Cast {
    authority: Option<Child>,
    api: Option<Child>,
}

pub(super) async fn run(args: DemoArgs) -> Result<(), String> {
    // Listens before anything is made, so that whenever Ctrl-C comes, all of it is removed again.
    let stop = asked_to_end();
    tokio::pin!(stop);
    // Removed when this function ends, however it ends.
    let folder = tempfile::Builder::new()
        .prefix("rescind-demo-")
        .tempdir()
        .map_err(|error| format!("cannot make a temporary folder: {error}"))?;
    let mut cast = Cast::default();
    let outcome = tokio::select! {
        biased;
        asked = &mut stop => asked,
        outcome = stage(args, folder.path(), &mut cast) => outcome,
    };
    for child in [cast.api, cast.authority].iter_mut().flatten() {
        end(child).await;
    }
    outcome
}

/// Ctrl-C, SIGTERM, or the terminal's end.
async fn asked_to_end() -> Result<(), String> {
    let mut hangup =
        signal(SignalKind::hangup()).map_err(|e| format!("cannot listen for signals: {e}"))?;
    tokio::select! {
        asked = asked_to_stop() => asked,
        _ = hangup.recv() => Ok(()),
    }
}

async fn stage(args: DemoArgs, folder: &Path, cast: &mut Cast) -> Result<(), String> {
    free(&args).await?;
    let program = posts_api::find().await?;
    let mut stage = Stage { args, folder: folder.to_owned(), people: Vec::new() };
    stage.prepare().await?;
    let authority = cast.authority.insert(stage.start_authority()?);
    let api = cast.api.insert(stage.start_api(&program)?);
    stage.play(authority, api).await
}

/// Says which option helps if a port cannot be used.
async fn free(args: &DemoArgs) -> Result<(), String> {
    let DemoArgs { port, api_port, .. } = *args;
    if port == api_port {
        return Err(format!(
            "the authority and the posts API cannot share port {port}: choose another by \
             `rescind demo --api-port {}`",
            another(port)
        ));
    }
    for (port, option) in [(port, "--port"), (api_port, "--api-port")] {
        if let Err(error) = TcpListener::bind(("127.0.0.1", port)).await {
            return Err(format!(
                "port {port} cannot be used ({error}): choose another by `rescind demo {option} {}`",
                another(port)
            ));
        }
    }
    Ok(())
}

/// A port to propose instead.
fn another(port: u16) -> u16 {
    port.checked_add(100).unwrap_or(port - 100)
}

impl Stage {
    fn issuer(&self) -> String {
        format!("http://localhost:{}", self.args.port)
    }

    fn api(&self) -> String {
        format!("http://127.0.0.1:{}", self.args.api_port)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    fn secret_file(&self) -> PathBuf {
        self.folder.join("posts-api.secret")
    }

    /// Makes the store, two people with random passwords, and the API server's client.
    async fn prepare(&mut self) -> Result<(), String> {
        let config = Config::new(Settings::new(self.issuer()), self.data(), self.keys());
        let call = async |path: &'static str, body: Value| {
            let door = Door::find(&config).await.map_err(|error| error.to_string())?;
            door.call(Method::POST, path, body).await.map_err(|error| error.to_string())
        };
        for name in ["alice", "bob"] {
            let password = draw_password();
            let body = json!({ "username": name, "password": password, "roles": ["author"] });
            call("/admin/users", body).await?;
            self.people.push((name, password));
        }
        let body = json!({
            "client_id": "posts-api", "audiences": [DEMO_AUDIENCE], "permissions": ["feed"],
        });
        let made = call("/admin/clients", body).await?;
        let secret = made["client_secret"].as_str().unwrap_or_default();
        write_private(&self.secret_file(), secret.as_bytes())
            .map_err(|error| format!("cannot write into the temporary folder: {error}"))
    }

    fn serve_arguments(&self) -> Vec<String> {
        let text = |path: PathBuf| path.display().to_string();
        [
            ["--data".into(), text(self.data())],
            ["--keys".into(), text(self.keys())],
            ["--listen".into(), format!("127.0.0.1:{}", self.args.port)],
            ["--issuer".into(), self.issuer()],
            ["--demo-api".into(), self.api()],
        ]
        .concat()
    }

    fn start_authority(&self) -> Result<Child, String> {
        let own =
            std::env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
        let mut command = Command::new(own);
        command.arg("serve").args(self.serve_arguments());
        // The demo's realm has settings and a master key of its own.
        for (name, _) in own_variables()? {
            command.env_remove(name);
        }
        command.env_remove("CREDENTIALS_DIRECTORY");
        self.start(command, "authority.log")
    }

    fn start_api(&self, program: &Path) -> Result<Child, String> {
        let mut command = Command::new(program);
        command
            .args(["--listen", &format!("127.0.0.1:{}", self.args.api_port)])
            .args(["--issuer", &self.issuer(), "--origin", &self.issuer()])
            .args(["--audience", DEMO_AUDIENCE, "--client-id", "posts-api"])
            .arg("--secret-file")
            .arg(self.secret_file());
        self.start(command, "posts-api.log")
    }

    fn start(&self, mut command: Command, log: &str) -> Result<Child, String> {
        let failed = |error: std::io::Error| format!("cannot start {log}'s program: {error}");
        let log_file = File::create(self.folder.join(log)).map_err(failed)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file);
        // If this process ends in another way, its children end with it as far as tokio can see to it.
        command.kill_on_drop(true).spawn().map_err(failed)
    }

    async fn play(&self, authority: &mut Child, api: &mut Child) -> Result<(), String> {
        self.wait_ready(authority, api).await?;
        let pids = json!({ "authority": authority.id(), "api": api.id() });
        if self.args.json {
            println!("{}", self.line(pids));
        } else {
            self.explain(&pids);
        }
        let mut authority_runs = true;
        loop {
            let ended = tokio::select! {
                _ = authority.wait(), if authority_runs => None,
                ended = api.wait() => Some(ended),
            };
            // Ctrl-C at a terminal ends the children too: then nothing is said, since `run` goes on first.
            tokio::time::sleep(Duration::from_millis(500)).await;
            if let Some(ended) = ended {
                let status = ended.map_or_else(|e| e.to_string(), |s| s.to_string());
                return Err(format!("the posts API has ended ({status})"));
            }
            authority_runs = false;
            eprintln!(
                "\nThe authority has ended. Start it again on the same store by\n  {}",
                self.serve_line()
            );
        }
    }

    /// Waits until the API answers that it knows the revocations, or one of the children ends.
    async fn wait_ready(&self, authority: &mut Child, api: &mut Child) -> Result<(), String> {
        let deadline = Duration::from_secs(30);
        let ready = async {
            while !ready(self.args.api_port).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ended = tokio::select! {
            waited = tokio::time::timeout(deadline, ready) => {
                if waited.is_ok() {
                    return Ok(());
                }
                "nothing was ready after 30 s"
            }
            _ = authority.wait() => "the authority ended at once",
            _ = api.wait() => "the posts API ended at once",
        };
        let tail = |log: &str| {
            let text = std::fs::read_to_string(self.folder.join(log)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(5)..].join("\n")
        };
        Err(format!("{ended}:\n{}\n{}", tail("authority.log"), tail("posts-api.log")))
    }

    fn line(&self, pids: Value) -> Value {
        let users: Vec<Value> = self
            .people
            .iter()
            .map(|(username, password)| json!({ "username": username, "password": password }))
            .collect();
        json!({
            "authority": self.issuer(),
            "api": self.api(),
            "page": format!("{}/demo", self.issuer()),
            "users": users,
            "pids": pids,
            "data": self.folder,
            "serve": self.serve_line(),
        })
    }

    fn serve_line(&self) -> String {
        let own = std::env::current_exe().unwrap_or_else(|_| "rescind".into());
        let mut words = vec![own.display().to_string(), "serve".to_owned()];
        words.extend(self.serve_arguments());
        words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }

    fn explain(&self, pids: &Value) {
        let (issuer, api) = (self.issuer(), self.api());
        println!("\nRescind is running.\n\n  Page       {issuer}/demo");
        for (name, password) in &self.people {
            println!("  Sign in    {name}  {password}");
        }
        println!("  Posts API  {api}  (process {}, checks tokens by itself)", pids["api"]);
        println!("  Authority  {issuer}  (process {})", pids["authority"]);
        let (name, password) = &self.people[0];
        println!(
            "
What to click
  1. Open the page and sign in: your posts come from the second server.
  2. Sign in again in a private window, open {issuer}/account and end the first session.
  3. Go back to the first window and press Reload: refused, and it says why.

The same by hand
  TOKENS=$(curl -s {issuer}/login -H 'Content-Type: application/json' \\
    -d '{{\"username\":\"{name}\",\"password\":\"{password}\",\"carrier\":\"token\"}}')
  ACCESS_TOKEN=$(printf %s \"$TOKENS\" | sed 's/.*\"access_token\":\"\\([^\"]*\\).*/\\1/')
  REFRESH_TOKEN=$(printf %s \"$TOKENS\" | sed 's/.*\"refresh_token\":\"\\([^\"]*\\).*/\\1/')
  curl -sw '\\n' {api}/posts -H \"Authorization: Bearer $ACCESS_TOKEN\"
  curl -sw '\\n' -X POST {issuer}/logout/everywhere -H \"Authorization: Bearer $REFRESH_TOKEN\"
  curl -siw '\\n' {api}/posts -H \"Authorization: Bearer $ACCESS_TOKEN\"     # 401 invalid_token

Cut the authority off
  kill -9 {}         # the posts go on for 10 s, then 503, never 401
  {}

Logs are in {}. Ctrl-C ends everything and removes the store.",
            pids["authority"],
            self.serve_line(),
            self.folder.display()
        );
    }
}

/// A word as a shell takes it: in quotes if it has to be.
fn shell_word(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/.:=_-".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Whether the API's `/readyz` says 200.
async fn ready(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.ok()?;
        (answer == *b"HTTP/1.1 200").then_some(())
    };
    matches!(tokio::time::timeout(Duration::from_secs(2), ask).await, Ok(Some(())))
}

/// Asks a child to end, and waits until it has.
async fn end(child: &mut Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by the same Ctrl-C already.
        let _ = kill_process(pid, Signal::TERM);
    }
    if tokio::time::timeout(Duration::from_secs(10), child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_the_same_to_a_shell() {
        assert_eq!(shell_word("/a/b-c.d"), "/a/b-c.d");
        assert_eq!(shell_word("/my files/it's"), r"'/my files/it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
