//! The servers that follow the log: verifiers, those behind the relay last, and after them the relay itself.

use super::{AUDIENCE, Realm, program, slot};
use crate::draw::Draw;
use crate::owner;
use crate::process::Running;
use crate::proxy::Link;
use http::Method;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Realm {
    /// Finds the link of who comes from a port to this one.
    pub(super) fn whose(&self, to: u16) -> impl Fn(u16) -> Arc<Link> + Send + Sync + 'static {
        let servers = Arc::clone(&self.servers);
        let whose = move |port| -> Option<Arc<Link>> {
            let pids: Vec<u32> = servers.iter().map(|s| s.pid.load(Ordering::SeqCst)).collect();
            let pid = owner::of_connection(port, to, &pids)?;
            let number = pids.iter().position(|known| *known == pid)?;
            Some(Arc::clone(&servers[number].link))
        };
        move |port| whose(port).unwrap_or_default()
    }

    /// Starts a verifier, or the relay.
    pub fn start_server(&self, number: usize) {
        let server = &self.servers[number];
        let mut command = self.command(number);
        if self.is_relay(number) {
            command.args(["relay", "--client", "relay"]);
            command.arg("--data").arg(self.folder.path().join("relay"));
            command.env("RESCIND_CLIENT_SECRET", &self.relay_secret);
        } else {
            command.args(["verifier", "--audience", AUDIENCE, "--client", AUDIENCE]);
            command.env("RESCIND_CLIENT_SECRET", &self.secret);
        }
        if let Some(via) = self.via.filter(|_| number == 0) {
            command.args(["--via", &via.to_string()]);
        }
        if self.is_behind(number) {
            command.args(["--relay", &format!("http://{}", self.relay)]);
        }
        command.args(["--issuer", &self.issuer, "--listen", &server.address.to_string()]);
        command.envs(self.defect());
        let started = Running::start(&mut command, &server.log);
        server.pid.store(started.id(), Ordering::SeqCst);
        *slot(&server.process) = Some(started);
    }

    /// The program, in the network where this server lives.
    fn command(&self, number: usize) -> Command {
        match (&self.network, self.via) {
            (Some(network), Some(_)) if number == 0 => {
                let mut command = network.command();
                command.arg(program());
                command
            }
            _ => Command::new(program()),
        }
    }

    /// How many verifiers there are.
    pub fn verifiers(&self) -> usize {
        self.plan.verifiers
    }

    /// Whether this server is the relay.
    pub fn is_relay(&self, number: usize) -> bool {
        number == self.plan.verifiers
    }

    fn is_behind(&self, number: usize) -> bool {
        !self.is_relay(number) && number + self.plan.behind >= self.plan.verifiers
    }

    /// Which verifiers it meets if something is wrong with this server.
    pub fn meets(&self, number: usize) -> Vec<u8> {
        let met = |verifier: &usize| match self.is_relay(number) {
            true => self.is_behind(*verifier),
            false => *verifier == number,
        };
        (0..self.verifiers()).filter(met).map(|verifier| verifier as u8).collect()
    }

    /// Does something to a server's process, if it runs.
    pub fn server(&self, number: usize, act: impl FnOnce(&mut Running)) {
        slot(&self.servers[number].process).as_mut().map(act);
    }

    /// Kills a verifier, or the relay.
    pub fn kill_server(&self, number: usize) {
        self.stop("a follower", &self.servers[number].process);
    }

    /// A server's standing, from its route `/status`.
    pub async fn is_ready(&self, number: usize) -> bool {
        let asked = self.servers[number].http.attempt(Method::GET, "/status", &[], "");
        let answer = tokio::time::timeout(Duration::from_secs(1), asked).await;
        matches!(answer, Ok(Some(answer)) if answer.json()["ready"] == true)
    }

    /// One of the verifiers.
    pub fn any_server(&self, draw: &Draw) -> usize {
        draw.below(self.verifiers())
    }
}
