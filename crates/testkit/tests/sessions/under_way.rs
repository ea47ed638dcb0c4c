//! Two requests of one session, interleaved by hand where a server may stop: between judging a cookie
//! and writing.

use rescind_authority::line::Carrier;
use rescind_authority::secret::Secret;
use rescind_authority::session::{SessionState, Why};
use rescind_authority::store::{Load, Loaded, Write};
use rescind_testkit::accounts::{cookie_session, ended, quick, row};
use rescind_testkit::server::PASSWORD;

// S04
#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_decided_before_the_end_is_refused_by_the_store_after_it() {
    let authority = quick().await;
    authority.person("alice").await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    let cookie = browser.session_cookie().to_owned();
    let sid = cookie_session(&authority, &cookie);
    let store = authority.app.authority.store();
    let at = authority.app.authority.clock().now().wall;
    // A request reads the session and finds it good; then the logout commits; then it writes.
    assert_eq!(row(&authority, sid).await.unwrap().state, SessionState::Live);
    let gone = authority.app.authority.logout(Carrier::Cookie, &Secret::new(cookie)).await;
    assert!(gone.unwrap().is_some());
    let over = row(&authority, sid).await;
    for write in [
        Write::MoveLine { sid, from: 0, at, move_key: None },
        Write::Seen { sid, generation: 0, at },
        Write::NameSession { sid, device: Some("phone".into()) },
    ] {
        let late = move |_: &Loaded| vec![write];
        assert!(store.transact(Load::session(sid), Box::new(late)).await.is_err());
    }
    let late = move |_: &Loaded| vec![Write::Touch { sid, at: at + 1 }];
    store.transact(Load::session(sid), Box::new(late)).await.unwrap();
    assert_eq!(row(&authority, sid).await, over);
    assert_eq!(ended(&authority, sid).await, Some(Why::SignedOut));
    assert_eq!(browser.get("/whoami").await.status, 401);
}
