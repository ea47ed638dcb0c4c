//! A program that somebody else's software makes up, beside ours: started on the servers' core, stopped with its
//! handle. `cargo xtask bench` puts together what they need, from `bench/peers`.

use crate::Outcome;
use crate::bench::Bench;
use crate::load::{Load, Requests};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often it is looked whether Redis answers, and how often at most.
const LOOKS: (Duration, usize) = (Duration::from_millis(20), 500);

/// A running server of somebody else's.
pub(crate) struct Peer {
    child: Child,
    /// Its requests, if it has made what its clients hold.
    requests: Option<Requests>,
    url: String,
    /// What else works for it.
    beside: Vec<u32>,
}

impl Peer {
    /// A program of `bench/peers/node`.
    pub(crate) fn node(bench: &Bench, asked: Asked, arguments: &[&str]) -> Outcome<Self> {
        let mut program = Command::new("node");
        let folder = beside_the_program("../peers/node")?;
        program.current_dir(folder).env("NODE_ENV", "production").args(arguments);
        Self::start(bench, asked, program)
    }

    /// The program of `bench/peers/rust`.
    pub(crate) fn rust(bench: &Bench, asked: Asked, arguments: &[&str]) -> Outcome<Self> {
        let mut program = Command::new(beside_the_program("../peers/rescind-bench-peers")?);
        program.args(arguments);
        Self::start(bench, asked, program)
    }

    /// Starts it, and waits for the line that says where it listens and what its clients send. It ends when its
    /// standard input does, so it never outlives this program.
    fn start(bench: &Bench, asked: Asked, mut program: Command) -> Outcome<Self> {
        program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let name = format!("{program:?}");
        let mut child = spawn(bench, program)?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let mut peer = Self { child, requests: None, url: String::new(), beside: Vec::new() };
        let told: Value =
            serde_json::from_str(&line).map_err(|_| format!("{name} ended: {line}"))?;
        let values = told["values"].as_array().ok_or("no values")?;
        let values = values.iter().filter_map(|value| Some(value.as_str()?.to_owned()));
        peer.url = format!("http://127.0.0.1:{}", told["port"]);
        if let Some((path, header)) = asked {
            let requests = Requests::new(bench, path, header, values.collect())?;
            let answer = bench.clients.block_on(requests.answer(&peer.url))?;
            if answer.text() == "null" {
                return Err(format!("{name} knows nobody").into());
            }
            peer.requests = Some(requests);
        }
        Ok(peer)
    }

    /// Redis works for it: what that costs is its own.
    pub(crate) fn with(mut self, redis: &Redis) -> Self {
        self.beside.push(redis.child.id());
        self
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// One measurement with its own requests.
    pub(crate) fn load(&self) -> Outcome<Load> {
        self.load_of(self.requests.as_ref().ok_or("it has no requests of its own")?)
    }

    /// One measurement with these.
    pub(crate) fn load_of(&self, requests: &Requests) -> Outcome<Load> {
        let processes: Vec<u32> =
            std::iter::once(self.child.id()).chain(self.beside.iter().copied()).collect();
        requests.load(&self.url, &processes)
    }
}

/// What its clients ask for: the path, and the header whose values it tells.
pub(crate) type Asked = Option<(&'static str, &'static str)>;

impl Drop for Peer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A Redis without any persistence, on a free port.
pub(crate) struct Redis {
    child: Child,
    /// Where it listens.
    pub(crate) port: u16,
}

impl Redis {
    pub(crate) fn start(bench: &Bench) -> Outcome<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        // It has no standard input to end with: the kernel tells it that this program has ended.
        let mut program = Command::new("setpriv");
        program.args(["--pdeathsig", "KILL", "redis-server", "--bind", "127.0.0.1"]);
        program.args(["--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
        program.current_dir(bench.folder()).stdin(Stdio::null()).stdout(Stdio::null());
        let redis = Self { child: spawn(bench, program)?, port };
        for _ in 0..LOOKS.1 {
            if pong(port).is_ok() {
                return Ok(redis);
            }
            std::thread::sleep(LOOKS.0);
        }
        Err("redis-server does not answer".into())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn pong(port: u16) -> Outcome {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    if &answer == b"+PONG\r\n" { Ok(()) } else { Err("not Redis".into()) }
}

/// Starts a program by a thread of the servers' side, on whose core it stays.
fn spawn(bench: &Bench, mut program: Command) -> Outcome<Child> {
    bench.on_servers(async move {
        let started = program.spawn();
        started.map_err(|error| format!("{program:?} does not start: {error}").into())
    })
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

/// A file that lies beside this program.
pub(crate) fn beside_the_program(name: &str) -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    let path = program.parent().ok_or("the program has no folder")?.join(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is missing: `cargo xtask bench` makes it", path.display()).into())
    }
}
