//! A network namespace with two lines to this one: by the first the authority is reached, by the second the
//! verifier that lives there. The first can be taken down. Needs the rights to make one.

use std::process::Command;

/// One that exists until it is dropped.
#[derive(Debug)]
pub struct Network {
    name: String,
    block: u32,
}

fn ip(words: &str) -> bool {
    Command::new("ip").args(words.split(' ')).output().is_ok_and(|said| said.status.success())
}

impl Network {
    /// Makes one, if that is allowed here.
    pub fn make() -> Option<Self> {
        let id = std::process::id();
        let network = Self { name: format!("rescind{id}"), block: id % 250 };
        if !ip(&format!("netns add {}", network.name)) {
            return None;
        }
        let Self { name, block } = &network;
        assert!(ip(&format!("-n {name} link set lo up")));
        for (line, net) in [("a", 98), ("b", 99)] {
            let (here, there) = (format!("rsc{block}{line}"), format!("rsi{block}{line}"));
            assert!(ip(&format!("link add {here} type veth peer name {there} netns {name}")));
            assert!(ip(&format!("addr add 10.{net}.{block}.1/30 dev {here}")));
            assert!(ip(&format!("-n {name} addr add 10.{net}.{block}.2/30 dev {there}")));
            assert!(ip(&format!("link set {here} up")));
            assert!(ip(&format!("-n {name} link set {there} up")));
        }
        Some(network)
    }

    /// What begins a command that runs in there.
    pub fn command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        command
    }

    /// The address by which the authority is reached from there.
    pub fn here(&self) -> String {
        format!("10.98.{}.1", self.block)
    }

    /// The address of who lives there, which stays reachable.
    pub fn there(&self) -> String {
        format!("10.99.{}.2", self.block)
    }

    /// Takes the line to the authority down, or up again.
    pub fn line(&self, up: bool) {
        let to = if up { "up" } else { "down" };
        assert!(ip(&format!("link set rsc{}a {to}", self.block)));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.name));
        for line in ["a", "b"] {
            ip(&format!("link del rsc{}{line}", self.block));
        }
    }
}
