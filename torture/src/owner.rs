//! Whose connection it is. All verifiers know the authority by one address, so the proxy that stands there asks
//! the kernel which process holds the other end. That is slow, and for connections that are kept.

use std::fs;

/// The process among `pids` that holds the socket bound to this port of 127.0.0.1.
pub fn of_port(port: u16, pids: &[u32]) -> Option<u32> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let local = format!("0100007F:{port:04X}");
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|line| line.get(1) == Some(&local.as_str()))?;
    let held = format!("socket:[{}]", line.get(9)?);
    pids.iter().copied().find(|pid| holds(*pid, &held))
}

fn holds(pid: u32, socket: &str) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_is_known_by_the_process_that_holds_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_there, peer) = listener.accept().unwrap();
        let me = std::process::id();
        assert_eq!(of_port(peer.port(), &[1, me]), Some(me));
        assert_eq!(of_port(peer.port(), &[1]), None);
    }
}
