//! The tools of the testkit work on a whole authority.

use rescind_testkit::server::{PASSWORD, TestAuthority};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_a_verifier_in_another_server_knows_them() {
    let authority = TestAuthority::start().await;
    let sub = authority.person("alice").await;
    let verifier = authority.verifier().await;
    let tokens = authority.http().sign_in("alice", PASSWORD).await;
    let principal = verifier.check(tokens["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(principal.subject(), sub);

    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    assert_eq!(browser.get("/whoami").await.json()["user"]["username"], "alice");
}
