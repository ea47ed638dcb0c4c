//! How it ends: not ready before the listener closes; and by itself if a part of it has ended.

use crate::support::{Metrics, Watched, over_socket, watched, watched_with};
use rescind_server::run::{StartError, World, open, run};
use rescind_testkit::clock::SeededEntropy;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_ready_any_more_before_its_listener_closes() {
    let Watched { authority, _alone } =
        watched_with(|config| config.drain_delay = Duration::from_secs(3)).await;
    let (http, data) = (authority.http(), authority.config.data.clone());
    let address = http.address().to_owned();
    assert_eq!(http.get("/readyz", &[]).await.status, 200);
    let stopping = tokio::spawn(authority.stop());
    // The verdict of just now does not count any more.
    while http.get("/readyz", &[]).await.status != 503 {
        tokio::task::yield_now().await;
    }
    assert!(over_socket(&data, "/readyz").await.1.contains("draining"));
    TcpStream::connect(&address).await.expect("whoever comes now is still served");
    assert_eq!(http.get("/signin", &[]).await.status, 200);
    stopping.await.unwrap();
    assert!(TcpStream::connect(&address).await.is_err());
}

// G06
#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_has_ended_raises_an_alarm_and_ends_the_process() {
    let Watched { authority, _alone } = watched().await;
    let before = Metrics::of(&authority).await;
    let (config, clock) = (authority.config.clone(), Arc::clone(&authority.clock));
    let _folder = authority.stop().await;
    let world = World { clock, entropy: Arc::new(SeededEntropy::new(2)) };
    let app = open(&config, &world).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_stop, stopped) = watch::channel(false);
    // The feed's first beat.
    fail::cfg("store::before_read", "1*panic->off").unwrap();
    let ended = run(&config, app.clone(), listener, stopped).await;
    assert!(matches!(ended, Err(StartError::PartEnded)));
    let text = rescind_server::metrics::text(&app).await.unwrap();
    let alarm = "rescind_alarms_total{kind=\"part_ended\"}";
    assert_eq!(Metrics::read(&text).value(alarm), before.value(alarm) + 1.0);
}
