//! What followers may cost: one that does not read is cut off, and there is a last place.

use crate::hand::{Follower, INSTANCE, basic};
use crate::{SECOND, quick, revoke_nobodys};
use futures_util::StreamExt as _;
use rescind_authority::clients::{Client, Permission};
use rescind_authority::store::{Load, Write};
use rescind_server::feed::FeedHub;
use rescind_server::serve::{self, Front, Limits};
use rescind_testkit::http::Answer;
use rescind_testkit::server::{TestAuthority, operator};
use rescind_wire::id::{Epoch, Jti};
use rescind_wire::revocation::Target;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Entries of one commit.
const MANY: u64 = 5_000;

/// Takes back, in one commit, as many tokens that nobody has.
async fn revoke_many(authority: &TestAuthority, round: u64) {
    let target =
        |n: u64| Target::Token(Jti::from_bytes(u128::from(round * MANY + n).to_be_bytes()));
    let writes = (0..MANY).map(move |n| Write::Revoke(target(n))).collect();
    let store = authority.app.authority.store();
    store.transact(Load::default(), Box::new(|_| writes)).await.unwrap();
}

/// The same authority on another port, where whoever does not read is given up sooner.
async fn impatient(authority: &TestAuthority) -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = watch::channel(false);
    let limits = Limits { write: Duration::from_millis(300), ..Limits::default() };
    let app = authority.app.clone().with(|app| app.hosts = [address.clone()].into());
    let router = rescind_server::http::router(app);
    tokio::spawn(serve::tcp(listener, router, limits, Front::default(), stopped));
    (address, stop)
}

// P08
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_does_not_read_is_cut_off_and_the_others_get_everything() {
    let authority = quick().await;
    let (address, _stop) = impatient(&authority).await;
    let epoch = authority.app.authority.store().head().await.unwrap().epoch;
    let mut slow = TcpStream::connect(&address).await.unwrap();
    let credentials = basic("posts-api", &authority.secret);
    let ask = format!(
        "GET /v1/feed?epoch={epoch}&from=0&instance={INSTANCE} HTTP/1.1\r\nhost: {address}\r\n\
         authorization: {credentials}\r\n\r\n"
    );
    slow.write_all(ask.as_bytes()).await.unwrap();
    let mut begun = [0; 15];
    slow.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");

    let mut quick = Follower::from_the_beginning(&authority).await;
    // More than the buffers between hold: 20 MB.
    let rounds = 120;
    for round in 0..rounds {
        revoke_many(&authority, round).await;
        quick.take_until((round + 1) * MANY).await;
    }
    assert_eq!(quick.pos, rounds * MANY);
    // What lies in the buffers can still be read, and then the end comes before the last entry.
    let rest = async {
        let (mut part, mut read) = (vec![0; 1 << 16], 0);
        loop {
            match slow.read(&mut part).await {
                Ok(0) | Err(_) => break read,
                Ok(n) => read += n,
            }
        }
    };
    let read = tokio::time::timeout(30 * SECOND, rest).await.expect("it is not cut off");
    assert!(read < (rounds * MANY) as usize * 33, "{read} bytes were kept for it");
}

/// More clients that may follow, beside the one that is there.
async fn clients(authority: &TestAuthority, more: usize) -> Vec<Client> {
    for n in 0..more {
        let (id, audiences) = (format!("more-{n}"), vec!["posts-api".to_owned()]);
        let feed = vec![Permission::Feed];
        authority.app.authority.add_client(&id, audiences, feed, &operator()).await.unwrap();
    }
    let mut all = authority.app.authority.store().clients().await.unwrap();
    all.sort_by_key(|client| client.client_id != "posts-api");
    all
}

async fn ask(authority: &TestAuthority, path: &str) -> Answer {
    let credentials = basic("posts-api", &authority.secret);
    authority.http().get(path, &[("authorization", &credentials)]).await
}

// P09
#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_last_place_and_it_is_free_again_when_somebody_leaves() {
    let authority = quick().await;
    let clients = clients(&authority, 5).await;
    let epoch = Epoch::from_bytes([1; 16]);
    let path = format!("/v1/feed?epoch={epoch}&from=0&instance={INSTANCE}");
    let mut followers = Vec::new();
    for (n, client) in clients.iter().enumerate() {
        let follow = || authority.app.feed.follow(client, epoch, 0);
        let own: Vec<_> = std::iter::from_fn(follow).take(10_000).collect();
        // One takes its own, and leaves the others theirs; for the sixth there is none left.
        assert_eq!(own.len(), if n < 5 { 1_000 } else { 0 });
        followers.push(own);
    }
    let full = ask(&authority, &path).await;
    assert_eq!(full.status, 503);
    assert_eq!(full.header("retry-after"), "5");
    followers[4].pop();
    assert_eq!(ask(&authority, &path).await.status, 503, "one place, but not for this client");
    followers[0].pop();
    let free = ask(&authority, &path).await;
    assert_eq!(free.status, 200, "and is told to start afresh, for its epoch is unknown");
}

// P09
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_no_snapshot_keeps_none_from_the_others() {
    let authority = quick().await;
    revoke_nobodys(&authority, 1).await;
    let clients = clients(&authority, 1).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(authority.app.feed.snapshot(&clients[0]).await.unwrap().unwrap());
    }
    let refused = ask(&authority, "/v1/snapshot").await;
    assert_eq!(refused.status, 503, "a ninth to the same client waits for its turn in vain");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(authority.app.feed.snapshot(&clients[1]).await.unwrap().is_some());
    held.pop();
    // What was sent has given its place back.
    for _ in 0..20 {
        let taken = ask(&authority, "/v1/snapshot").await;
        assert_eq!(taken.status, 200);
        assert_eq!(taken.header("content-length"), taken.body.len().to_string());
    }
}

// P09
#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_many_batches_under_way_keeps_none_from_the_others() {
    let authority = quick().await;
    let others = clients(&authority, 1).await;
    let batch = async || {
        let credentials = basic("posts-api", &authority.secret);
        let headers =
            [("authorization", credentials.as_str()), ("content-type", "application/json")];
        authority.http().send(http::Method::POST, "/v1/heads", &headers, "[]").await
    };
    let own = || authority.app.feed.batch(&others[0]);
    let mut held: Vec<_> = std::iter::from_fn(own).take(100).collect();
    assert_eq!(held.len(), 8);
    let refused = batch().await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert!(authority.app.feed.batch(&others[1]).is_some());
    held.pop();
    for _ in 0..20 {
        assert_eq!(batch().await.status, 200, "what was answered has given its place back");
    }
}

// P01
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_the_feed_has_not_heard_of_yet_follows_and_one_that_is_gone_does_not() {
    let test = quick().await;
    let authority = &test.app.authority;
    revoke_nobodys(&test, 1).await;
    // One that nobody keeps up to date: as another process would have it until its next beat.
    let hub = FeedHub::new(authority.clone(), crate::S).await.unwrap();
    let (audiences, feed) = (vec!["late".to_owned()], vec![Permission::Feed]);
    authority.add_client("late", audiences, feed, &operator()).await.unwrap();
    let clients = authority.store().clients().await.unwrap();
    let late = clients.iter().find(|c| c.client_id == "late").unwrap();
    let epoch = authority.store().head().await.unwrap().epoch;
    let mut frames = Box::pin(hub.follow(late, epoch, 0).unwrap());
    assert!(frames.next().await.is_some(), "it was cut off");
    authority.remove_client("late", operator()).await.unwrap();
    let mut frames = Box::pin(hub.follow(late, epoch, 0).unwrap());
    assert!(frames.next().await.is_none(), "it follows without being a client");
}
