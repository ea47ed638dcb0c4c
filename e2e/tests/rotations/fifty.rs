//! Fifty keys, one after another, while tokens are issued and used.

use super::fleet::{Fleet, Load, Session};
use rescind_e2e::wait::{Stopwatch, say, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const ROTATIONS: usize = 50;
const SESSIONS: usize = 6;
/// Between two rounds of a session: the load is steady, not the most that this machine can do.
const PACE: Duration = Duration::from_millis(50);
/// Two seconds for each rotation, and as much again for a slow machine.
const LIMIT: Duration = Duration::from_secs(300);

/// Refreshes and asks until it is over; always with the session's first token as well.
async fn work(mut session: Session, load: Arc<Load>, over: Arc<AtomicBool>) {
    let first = session.access.clone();
    while !over.load(Ordering::Relaxed) {
        load.round(&mut session, &first).await;
        tokio::time::sleep(PACE).await;
    }
}

/// Kills one API server, and starts it again after two more rotations.
async fn restart(fleet: &mut Fleet, load: &Load) {
    let mut asked = load.restarted.write().await;
    fleet.restarted.kill();
    *asked = None;
    drop(asked);
    for _ in 0..2 {
        fleet.rotate().await;
    }
    fleet.restarted.restart(&fleet.realm).await;
    *load.restarted.write().await = Some(fleet.restarted.http());
}

async fn rotate_fifty_times(fleet: &mut Fleet, load: &Load) {
    for _ in 0..ROTATIONS / 2 {
        fleet.rotate().await;
    }
    restart(fleet, load).await;
    for _ in ROTATIONS / 2 + 2..ROTATIONS {
        fleet.rotate().await;
    }
    until("the last key signs", async || (load.kids() > ROTATIONS).then_some(())).await;
}

// K05 R-11
#[tokio::test(flavor = "multi_thread")]
async fn fifty_rotations_under_load_fail_no_request() {
    let mut fleet = Fleet::start().await;
    let (load, over) = (Arc::new(Load::on(&fleet)), Arc::new(AtomicBool::new(false)));
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let session = Session::open(&fleet.realm).await;
        sessions.push(tokio::spawn(work(session, Arc::clone(&load), Arc::clone(&over))));
    }
    let watch = Stopwatch::new();
    let in_time = tokio::time::timeout(LIMIT, rotate_fifty_times(&mut fleet, &load)).await;
    over.store(true, Ordering::Relaxed);
    for session in sessions {
        session.await.unwrap();
    }
    in_time.expect("fifty rotations end in time");

    let (requests, failed, kids) = (load.requests(), load.failed(), load.kids());
    let figures = fleet.figures().await;
    say(&format!(
        "{ROTATIONS} rotations in {:.0} s under load: {} failed requests of {requests}, tokens of {kids} keys",
        watch.elapsed().as_secs_f64(),
        failed.len(),
    ));
    say(&format!("jose with a key set cached for max-age: {figures}"));
    assert!(failed.is_empty(), "{:#?}\n{}", &failed[..failed.len().min(20)], fleet.realm.log());
    assert_eq!(kids, ROTATIONS + 1);
    assert_eq!(figures["max_age"], 1);
    assert_eq!(figures["early"], 0, "only age causes a fetch");
    assert_eq!(figures["unknown_refused"], 100, "an unknown key causes none");
    assert_eq!(figures["lacking"], 0, "every set holds the key of the newest token");
    assert!(figures["least_lead_ms"].as_u64() > Some(0), "each key was published before its use");
    assert!(figures["fetches"].as_u64() >= Some(ROTATIONS as u64));
}
