//! A revocation that waits for the fleet: once it has returned, nobody accepts what was taken back, whatever
//! had become of each verifier.

mod limits;

use crate::proxy::{FEED, HEAD, Proxy, SNAPSHOT};
use crate::{Device, S, SECOND, behind_proxy, cheap, is_revoked, is_stale};
use futures_util::future::join_all;
use http::Method;
use rescind_testkit::server::{PASSWORD, TestAuthority, until};
use rescind_verifier::Verifier;
use rescind_wire::frame::{Frame, open};
use serde_json::Value;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// An authority that has run for longer than S: nobody can be following who is not known.
async fn settled() -> (TestAuthority, Proxy) {
    let (authority, proxy) = behind_proxy().await;
    authority.clock.advance(S + SECOND);
    (authority, proxy)
}

/// From now on no verifier hears anything.
fn cut_off(proxy: &Proxy) {
    for path in [FEED, HEAD, SNAPSHOT] {
        proxy.down(path);
    }
}

/// Waits until a verifier is known, with everything that is committed.
async fn known(authority: &TestAuthority, many: usize) {
    let head = authority.app.authority.store().head().await.unwrap();
    until("all verifiers are known at the head", || {
        let seen = authority.app.feed.fleet().seen(head.position());
        seen.iter().filter(|v| v.epoch_ok && v.applied == head.pos).count() == many
    })
    .await;
}

/// Begins to sign out everywhere, and waits in another task until nobody accepts it.
fn ending(device: &Device) -> JoinHandle<Value> {
    let (http, refresh) = (device.http.clone(), device.refresh.clone());
    tokio::spawn(async move {
        let path = "/logout/everywhere?wait=fleet";
        let answer = http.send_as(Method::POST, path, &refresh).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["enforced"].clone()
    })
}

/// Waits until it is committed, and the call that did it waits for somebody.
async fn committed(authority: &TestAuthority, pos: u64) {
    until("the entry is published", || authority.app.feed.position().pos >= pos).await;
    until("a call waits", || authority.app.feed.fleet().waiting() == 1).await;
}

async fn next_pos(authority: &TestAuthority) -> u64 {
    authority.app.authority.store().head().await.unwrap().pos + 1
}

//
#[tokio::test(flavor = "multi_thread")]
async fn with_all_connected_every_verifier_refuses_when_the_call_returns() {
    let (authority, proxy) = settled().await;
    let verifiers = join_all((0..3).map(|_| authority.verifier())).await;
    for round in 0..20 {
        let device = Device::sign_in(&authority).await;
        known(&authority, 3).await;
        assert!(verifiers.iter().all(|v| v.check(&device.access).is_ok()), "round {round}");
        let enforced = ending(&device).await.unwrap();
        for verifier in &verifiers {
            let judged = verifier.check(&device.access);
            assert!(is_revoked(&judged), "round {round}: {judged:?}");
        }
        assert_eq!((&enforced["on"], &enforced["of"]), (&3.into(), &3.into()), "{enforced}");
        assert_eq!(enforced["waited_out"], false);
        assert!(enforced["doubt"].is_null() && enforced["slowest_ms"].is_u64(), "{enforced}");
        assert_eq!(enforced["laggards"], serde_json::json!([]));
    }
    asked_right_behind_the_entry(&authority, &proxy);
}

/// Each wish for an acknowledgement stands in the feed when its entry has gone by.
fn asked_right_behind_the_entry(authority: &TestAuthority, proxy: &Proxy) {
    let keys = authority.app.authority.keyring();
    let frames = proxy.frames(FEED).into_iter();
    let frames =
        frames.map(|sealed| open(&sealed, authority.issuer(), keys.feed_public()).unwrap());
    let (mut asks, mut newest) = (0, 0);
    for frame in frames {
        match frame {
            Frame::Delta { position, .. } => newest = newest.max(position.pos),
            Frame::Ask { pos } => {
                assert!(pos <= newest, "asked for {pos} before it came");
                asks += 1;
            }
            _ => {}
        }
    }
    assert!(asks > 0, "nobody was asked");
}

/// What of a verifier is cut off so that it learns nothing new.
async fn waits_until_its_lease_is_over(
    authority: &TestAuthority,
    device: &Device,
    verifier: Option<&Verifier>,
) -> Value {
    authority.clock.advance(S - SECOND);
    let pos = next_pos(authority).await;
    let call = ending(device);
    committed(authority, pos).await;
    if let Some(verifier) = verifier {
        assert!(verifier.check(&device.access).is_ok(), "its lease goes on");
    }
    assert!(!call.is_finished(), "somebody may accept it still");
    authority.clock.advance(2 * SECOND);
    let enforced = call.await.unwrap();
    if let Some(verifier) = verifier {
        let judged = verifier.check(&device.access);
        assert!(is_stale(&judged), "{judged:?}");
    }
    assert_eq!((&enforced["on"], &enforced["of"]), (&0.into(), &1.into()), "{enforced}");
    assert_eq!(enforced["waited_out"], true);
    assert_eq!(enforced["laggards"][0]["client_id"], "posts-api");
    enforced
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_is_cut_off_is_waited_out_and_named() {
    let (authority, proxy) = settled().await;
    let verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    known(&authority, 1).await;
    cut_off(&proxy);
    let enforced = waits_until_its_lease_is_over(&authority, &device, Some(&verifier)).await;
    assert_eq!(enforced["laggards"][0]["silent"], true);
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_whose_feed_stalls_is_waited_out_although_it_asks_for_the_head() {
    let (authority, proxy) = settled().await;
    let verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    known(&authority, 1).await;
    proxy.change(FEED, |_| Vec::new());
    proxy.down(SNAPSHOT);
    let pos = next_pos(&authority).await;
    let call = ending(&device);
    committed(&authority, pos).await;
    let asked = proxy.asked(HEAD);
    until("it asks on", || proxy.asked(HEAD) > asked + 1).await;
    assert!(!call.is_finished(), "to ask is not to have applied");
    assert!(verifier.check(&device.access).is_ok(), "and it accepts");
    authority.clock.advance(S + SECOND);
    let enforced = call.await.unwrap();
    assert!(verifier.check(&device.access).is_err());
    assert_eq!(enforced["laggards"][0]["silent"], false, "{enforced}");
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_has_vanished_is_waited_out() {
    let (authority, _proxy) = settled().await;
    let verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    known(&authority, 1).await;
    drop(verifier);
    until("its feed is closed", || authority.app.feed.followers() == 0).await;
    waits_until_its_lease_is_over(&authority, &device, None).await;
    let gone = authority.app.feed.fleet().seen(authority.app.feed.position());
    assert!(gone.is_empty(), "then it is forgotten");
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_has_said_goodbye_refuses_everything_and_is_not_waited_for() {
    let (authority, proxy) = settled().await;
    let (stays, goes) = (authority.verifier().await, authority.verifier().await);
    let device = Device::sign_in(&authority).await;
    known(&authority, 2).await;
    let (clone, principal) = (goes.clone(), goes.check(&device.access).unwrap());
    let ended = tokio::spawn(async move { principal.ended().await });
    goes.leave().await;
    ended.await.unwrap();
    // The authority goes on and would give it heads: the next one has been answered when it ends.
    assert_eq!(known_there(&authority), 1, "`rescind fleet` knows the other alone");
    let enforced = ending(&device).await.unwrap();
    assert_eq!((&enforced["on"], &enforced["of"]), (&1.into(), &1.into()), "{enforced}");
    assert_eq!((&enforced["waited_out"], &enforced["doubt"]), (&false.into(), &Value::Null));
    assert!(is_revoked(&stays.check(&device.access)));
    let (good, asked) = (Device::sign_in(&authority).await, proxy.asked(HEAD));
    assert!(stays.check(&good.access).is_ok());
    for verifier in [&goes, &clone] {
        for token in [&good.access, &device.access] {
            assert!(is_stale(&verifier.check(token)));
            assert!(is_stale(&verifier.check_online(token).await));
        }
    }
    // Twice is as good as once.
    clone.leave().await;
    until("the other one asks on", || proxy.asked(HEAD) > asked + 2).await;
    assert!(is_stale(&goes.check(&good.access)), "for good");
    assert_eq!(known_there(&authority), 1);
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_that_nobody_heard_is_waited_out() {
    let (authority, proxy) = settled().await;
    let verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    known(&authority, 1).await;
    cut_off(&proxy);
    verifier.leave().await;
    assert!(is_stale(&verifier.check(&device.access)), "it refuses all the same");
    waits_until_its_lease_is_over(&authority, &device, None).await;
}

/// How many verifiers the authority knows.
fn known_there(authority: &TestAuthority) -> usize {
    authority.app.feed.fleet().seen(authority.app.feed.position()).len()
}

//
#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_whoever_may_have_followed_before_is_waited_out() {
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    authority.caught_up(&verifier).await;
    cut_off(&proxy);
    let authority = authority.restart().await;
    authority.clock.advance(S - SECOND);
    let call = ending(&device);
    until("a call waits", || authority.app.feed.fleet().waiting() == 1).await;
    assert!(verifier.check(&device.access).is_ok(), "nobody knows of it, and it accepts");
    assert!(!call.is_finished());
    authority.clock.advance(2 * SECOND);
    let enforced = call.await.unwrap();
    assert!(is_stale(&verifier.check(&device.access)));
    assert_eq!(enforced["doubt"], "restarted", "{enforced}");
    assert_eq!((&enforced["of"], &enforced["waited_out"]), (&0.into(), &true.into()));
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_stops_nothing() {
    let (authority, proxy) = settled().await;
    let _verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    known(&authority, 1).await;
    cut_off(&proxy);
    let pos = next_pos(&authority).await;
    // Straight to the authority: who leaves the proxy does not leave the authority.
    let mut caller = TcpStream::connect(authority.address).await.unwrap();
    let host = authority.issuer().trim_start_matches("http://");
    let request = format!(
        "POST /logout/everywhere?wait=fleet HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
         content-length: 0\r\n\r\n",
        device.refresh
    );
    caller.write_all(request.as_bytes()).await.unwrap();
    committed(&authority, pos).await;
    drop(caller);
    assert_eq!(device.whoami().await, 401);
    authority.clock.advance(S + SECOND);
    until("the wait is over", || authority.app.feed.fleet().waiting() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_anything_else_is_refused_before_anything_is_done() {
    let authority = TestAuthority::start_with(cheap).await;
    authority.person("alice").await;
    let device = Device::sign_in(&authority).await;
    for query in ["wait=", "wait=all", "wait=fleet&wait=fleet"] {
        let path = format!("/logout/everywhere?{query}");
        let answer = device.http.send_as(Method::POST, &path, &device.refresh).await;
        assert_eq!(answer.status, 400, "{query}");
    }
    assert_eq!(device.whoami().await, 200);
}

//
#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_end_a_session_can_wait() {
    let (authority, _proxy) = settled().await;
    let verifier = authority.verifier().await;
    for way in ["/logout", "/sessions", "/sessions/{id}"] {
        let (present, other) =
            (Device::sign_in(&authority).await, Device::sign_in(&authority).await);
        known(&authority, 1).await;
        let (method, path) = match way {
            "/logout" => (Method::POST, way.to_owned()),
            _ => (Method::DELETE, way.replace("{id}", &other.sid().to_string())),
        };
        let path = format!("{path}?wait=fleet");
        let answer = present.http.send_as(method, &path, &present.refresh).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let ended = if way == "/logout" { &present } else { &other };
        assert!(is_revoked(&verifier.check(&ended.access)), "{path}");
        assert_eq!(answer.json()["enforced"]["on"], 1, "{path}");
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn the_authority_sees_how_far_each_verifier_is() {
    let (authority, proxy) = settled().await;
    let verifier = authority.verifier().await;
    known(&authority, 1).await;
    let seen = || authority.app.feed.fleet().seen(authority.app.feed.position());
    assert!(!seen()[0].lags());
    proxy.change(FEED, |_| Vec::new());
    proxy.down(SNAPSHOT);
    crate::revoke_nobodys(&authority, 1).await;
    until("it is behind", || seen()[0].lag == 1).await;
    until("and knows it", || verifier.status().lag == 1).await;
    authority.clock.advance(Duration::from_secs(4));
    until("it asks on", || seen().first().is_some_and(|v| v.lags() && v.lag == 1)).await;
    assert!(seen()[0].staleness >= Duration::from_secs(4));
    proxy.pass(FEED);
    proxy.pass(SNAPSHOT);
    proxy.down(FEED);
    proxy.pass(FEED);
    until("it is there again", || !seen()[0].lags() && seen()[0].lag == 0).await;
    assert_eq!(verifier.status().digest, Some(authority.app.feed.position().digest));
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_revoked_and_acknowledged_while_somebody_follows() {
    let authority = TestAuthority::start_with(|config| {
        cheap(config);
        config.canary = Some(Duration::from_millis(20));
    })
    .await;
    authority.clock.advance(S + SECOND);
    let before = authority.app.authority.store().head().await.unwrap();
    let verifier = authority.verifier().await;
    until("several canaries", || verifier.status().applied >= before.pos + 3).await;
    let records = authority.app.authority.store().records(None, 10).await.unwrap();
    assert!(records.iter().all(|record| record.action.name() != "revoked"), "none is recorded");
}

/// What a command prints, run as a process beside the running authority.
async fn command(authority: &TestAuthority, args: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rescind-under-test"));
    command.args(args).arg("--data").arg(&authority.config.data);
    command.arg("--keys").arg(&authority.config.keys);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

//
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_on_how_many_servers_it_ended() {
    let (authority, _proxy) = settled().await;
    let verifiers = join_all((0..2).map(|_| authority.verifier())).await;
    let device = Device::sign_in(&authority).await;
    known(&authority, 2).await;
    let table = command(&authority, &["fleet"]).await;
    assert!(table.starts_with("CLIENT") && table.matches("posts-api").count() == 2, "{table}");
    let said = command(&authority, &["user", "ban", "alice", "--wait", "fleet"]).await;
    assert!(said.contains("ended on 2 of 2 servers, slowest "), "{said}");
    assert!(verifiers.iter().all(|v| is_revoked(&v.check(&device.access))));
    let sid = device.sid().to_string();
    let said = command(&authority, &["session", "end", &sid, "--wait", "fleet", "--json"]).await;
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(answer["enforced"]["on"], 2, "{said}");
}

//
#[tokio::test(flavor = "multi_thread")]
async fn the_account_page_says_on_how_many_servers_it_ended() {
    let (authority, proxy) = settled().await;
    let verifier = authority.verifier().await;
    let mut browser = authority.http().browser();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (on, says) in [(1, "Ended on 1 of 1 server."), (0, "Ended on 0 of 1 server; the others")] {
        let device = Device::sign_in(&authority).await;
        let signed_in = browser.sign_in("alice", PASSWORD).await;
        let csrf = signed_in.json()["csrf_token"].as_str().unwrap().to_owned();
        if on == 0 {
            cut_off(&proxy);
        }
        let path = "/account/sessions/end-others";
        let answer = browser.send_raw(Method::POST, path, &form, format!("csrf={csrf}")).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        assert_eq!(is_revoked(&verifier.check(&device.access)), on == 1);
        let page = browser.get(answer.header("location")).await.text();
        assert!(page.contains(says), "{page}");
    }
}
