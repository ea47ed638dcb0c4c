//! A client that is removed, or whose secret is renewed, loses the feed that it has open.

use crate::realm::{FILES, POSTS, Realm, basic};
use bytes::{Bytes, BytesMut};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rescind_testkit::server::operator;
use rescind_wire::frame::{Frame, MAX_FRAME, next_frame, open};
use serde_json::{Value, json};
use std::time::Duration;

/// Ends a test that waits in vain.
const LIMIT: Duration = Duration::from_secs(30);

/// An open feed, or the status that refused it.
async fn follow(realm: &Realm, id: &str, secret: &str) -> Result<Incoming, u16> {
    let head = realm.authority.app.authority.store().head().await.unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let query = format!("epoch={}&from={}&instance=AAAAAAAAAAAAAAAAAAAAAA", head.epoch, head.pos);
    let request = Request::get(format!("{}/v1/feed?{query}", realm.authority.issuer()))
        .header("authorization", basic(id, secret))
        .body(Full::default())
        .unwrap();
    let response = client.request(request).await.unwrap();
    match response.status().as_u16() {
        200 => Ok(response.into_body()),
        status => Err(status),
    }
}

/// Reads until the stream ends; it ends cleanly, not in the middle of a frame.
async fn assert_ends(mut feed: Incoming) {
    let mut rest = BytesMut::new();
    let end = async {
        while let Some(part) = feed.frame().await {
            if let Ok(data) = part.unwrap().into_data() {
                rest.extend_from_slice(&data);
            }
        }
    };
    tokio::time::timeout(LIMIT, end).await.expect("the feed ends");
    while let Some(length) = next_frame(&rest, MAX_FRAME).unwrap() {
        let _ = rest.split_to(length);
    }
    assert!(rest.is_empty());
}

/// Takes something back, and reads until its entry comes.
async fn assert_goes_on(realm: &Realm, feed: &mut Incoming) {
    realm.revoke(json!({ "client": "first-party" })).await;
    let pos = realm.authority.app.authority.store().head().await.unwrap().pos;
    let keyring = realm.authority.app.authority.keyring();
    let mut buffer = BytesMut::new();
    let come = async {
        loop {
            while let Some(length) = next_frame(&buffer, MAX_FRAME).unwrap() {
                let sealed = buffer.split_to(length);
                let frame = open(&sealed, realm.authority.issuer(), keyring.feed_public());
                if matches!(frame.unwrap(), Frame::Delta { position, .. } if position.pos == pos) {
                    return;
                }
            }
            let part = feed.frame().await.expect("the feed goes on").unwrap();
            if let Ok(data) = part.into_data() {
                buffer.extend_from_slice(&data);
            }
        }
    };
    tokio::time::timeout(LIMIT, come).await.expect("the entry comes");
}

/// What the client of the files may ask for beside the feed.
async fn status_of(realm: &Realm, secret: &str) -> u16 {
    let credentials = basic(FILES, secret);
    let http = realm.authority.http();
    http.get("/v1/snapshot", &[("authorization", &credentials)]).await.status.as_u16()
}

/// A secret for the files that works.
async fn renewed(realm: &Realm) -> String {
    let path = format!("/admin/clients/{FILES}/secret");
    let made: Value = realm.administer(Method::POST, &path, json!({})).await;
    made["client_secret"].as_str().unwrap().to_owned()
}

// P02
#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_new_secret_loses_the_feed_that_the_old_one_opened() {
    let realm = Realm::start().await;
    let old = renewed(&realm).await;
    let open = follow(&realm, FILES, &old).await.unwrap();
    let mut posts = follow(&realm, POSTS, &realm.authority.secret).await.unwrap();

    let new = renewed(&realm).await;
    assert_ends(open).await;
    assert_eq!(follow(&realm, FILES, &old).await.err(), Some(401));
    assert_eq!(status_of(&realm, &old).await, 401);
    assert_eq!(status_of(&realm, &new).await, 200);
    let mut files = follow(&realm, FILES, &new).await.unwrap();
    assert_goes_on(&realm, &mut posts).await;
    assert_goes_on(&realm, &mut files).await;
}

// P02
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_client_loses_its_feed_and_another_ones_goes_on() {
    let realm = Realm::start().await;
    let secret = renewed(&realm).await;
    let open = follow(&realm, FILES, &secret).await.unwrap();
    let mut posts = follow(&realm, POSTS, &realm.authority.secret).await.unwrap();

    let authority = &realm.authority.app.authority;
    authority.remove_client(FILES, operator()).await.unwrap();
    assert_ends(open).await;
    assert_eq!(follow(&realm, FILES, &secret).await.err(), Some(401));
    assert_eq!(status_of(&realm, &secret).await, 401);
    assert_goes_on(&realm, &mut posts).await;
}
