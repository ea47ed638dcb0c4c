//! Ctrl-C.

use rescind_e2e::demo::{Demo, exists};
use rustix::process::{Signal, kill_process, kill_process_group};
use std::net::TcpListener;

async fn leaves_nothing(mut demo: Demo) {
    let children = [demo.pid("authority"), demo.pid("api")];
    let (folder, ports) = (demo.folder(), [demo.port, demo.api_port]);
    let (status, rest) = demo.ended().await;
    assert!(status.success(), "{status}");
    assert_eq!((rest.as_str(), demo.errors().as_str()), ("", ""), "nothing more is said");
    assert!(!children.into_iter().any(exists));
    assert!(!folder.exists());
    for port in ports {
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_all_three_and_leaves_nothing() {
    // As `kill -INT` sends it, to the parent alone.
    let demo = Demo::start();
    assert!(demo.folder().is_dir());
    kill_process(demo.parent(), Signal::INT).unwrap();
    leaves_nothing(demo).await;
    // As a terminal sends it, to all three at once.
    for signal in [Signal::INT, Signal::HUP, Signal::TERM] {
        let demo = Demo::start();
        kill_process_group(demo.parent(), signal).unwrap();
        leaves_nothing(demo).await;
    }
}
