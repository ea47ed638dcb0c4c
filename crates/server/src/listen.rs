//! Listening on an address, and what to do where that cannot be.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({error}): {}", advice(.error.kind(), .setting))]
pub struct CannotListen {
    address: SocketAddr,
    setting: &'static str,
    error: io::Error,
}

/// Listens. `setting` is what names the address, for who has to name another.
pub async fn listen(
    address: SocketAddr,
    setting: &'static str,
) -> Result<TcpListener, CannotListen> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| CannotListen { address, setting, error })
}

fn advice(kind: ErrorKind, setting: &str) -> String {
    match kind {
        ErrorKind::AddrInUse => {
            format!("another program listens there. Stop that one, or name another by {setting}")
        }
        ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address. Name one that it has by {setting}")
        }
        ErrorKind::PermissionDenied => format!(
            "a port below 1024 is for root, and for whom systemd gives it by \
             AmbientCapabilities=CAP_NET_BIND_SERVICE. Do that, or name another by {setting}"
        ),
        _ => format!("name another by {setting}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_cannot_be_listened_on_is_named_with_what_to_do() {
        let taken = listen(([127, 0, 0, 1], 0).into(), "--listen").await.unwrap();
        let taken = taken.local_addr().unwrap();
        // 192.0.2.0/24 is nobody's (RFC 5737).
        for (address, hint) in
            [(taken, "Stop that one"), (([192, 0, 2, 1], 0).into(), "has no such")]
        {
            let said = listen(address, "metrics_listen").await.unwrap_err().to_string();
            assert!(said.contains(&address.to_string()) && said.contains(hint), "{said}");
            assert!(said.ends_with("by metrics_listen"), "{said}");
        }
        assert!(advice(ErrorKind::PermissionDenied, "--listen").contains("CAP_NET_BIND_SERVICE"));
    }
}
