//! Whose connection it is. All verifiers know the authority by one address, so the proxy that stands there asks
//! the kernel which process holds the other end. That is slow, and for connections that are kept.

use std::fs;

/// The process among `pids` that holds the connection between these two ports of 127.0.0.1. The one alone does not tell:
/// another connection, also one that is over, may go elsewhere from the same.
pub fn of_connection(from: u16, to: u16, pids: &[u32]) -> Option<u32> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let ends = [from, to].map(|port| format!("0100007F:{port:04X}"));
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|line| line.get(1..3).is_some_and(|at| at == ends))?;
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
    use std::net::SocketAddr;
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    /// The other end, and this one.
    async fn connected(from: u16) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], from))).unwrap();
        let here = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, here)
    }

    fn ends(here: &TcpStream) -> (u16, u16) {
        (here.local_addr().unwrap().port(), here.peer_addr().unwrap().port())
    }

    #[tokio::test]
    async fn a_connection_is_known_by_the_process_that_holds_it() {
        let (_there, here) = connected(0).await;
        let (from, to) = ends(&here);
        let me = std::process::id();
        assert_eq!(of_connection(from, to, &[1, me]), Some(me));
        assert_eq!(of_connection(from, to, &[1]), None);
    }

    /// The kernel lists them in any order, so there are several that are over.
    #[tokio::test]
    async fn another_one_from_the_same_port_that_is_over_is_not_taken_for_it() {
        let (there, here) = connected(0).await;
        let from = ends(&here).0;
        drop((here, there));
        for _ in 0..9 {
            let (there, here) = connected(from).await;
            drop(here);
            drop(there);
        }
        let (_there, here) = connected(from).await;
        let me = std::process::id();
        assert_eq!(of_connection(from, ends(&here).1, &[me]), Some(me));
    }
}
