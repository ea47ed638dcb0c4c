//! Certificates that change, and those that cannot be used.

use crate::realm::{Realm, Signer, files, put, until_shown};
use rescind_server::tls::Certificates;
use rescind_testkit::clock::ManualClock;
use rescind_testkit::server::AUDIENCE;
use rescind_verifier::{ClientSecret, Verifier};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_never() {
    let realm = Realm::start(|_| {}).await;
    assert_eq!(realm.shown().await, realm.first);
    let mut open = realm.http1().await;
    // A broken certificate, then a good one: when the good one is shown, the broken one was passed over.
    put(
        &realm.files.certificate,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        0o644,
    );
    assert_eq!(realm.shown().await, realm.first);
    let second = realm.signer.write(&realm.files, "localhost");
    until_shown(&realm, &second).await;
    let answer = open.send_request(realm.get("/.well-known/jwks.json")).await.unwrap();
    assert_eq!(answer.status(), 200, "what was open goes on");
}

#[test]
fn a_pair_that_cannot_be_used_is_refused_with_what_to_do() {
    let (folder, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    let files = files(&folder);
    let open =
        |issuer: &str| Certificates::open(files.clone(), issuer, Arc::new(ManualClock::default()));
    let refused = |issuer: &str| open(issuer).unwrap_err().to_string();
    let issuer = "https://auth.example.com:8443";
    assert!(refused(issuer).contains("key.pem"), "missing");

    signer.write(&files, "auth.example.com");
    open(issuer).unwrap();
    assert!(refused("https://example.com").contains("is not for example.com"));

    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(issuer).contains("chmod o-rwx"));
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();

    let key = std::fs::read_to_string(&files.key).unwrap();
    signer.write(&files, "auth.example.com");
    put(&files.key, &key, 0o600);
    assert!(refused(issuer).contains("cannot be used together"), "the key of another certificate");

    let canary = "canary-that-is-no-key";
    put(&files.key, canary, 0o600);
    let said = refused(issuer);
    assert!(said.contains("no private key in PEM") && !said.contains(canary), "{said}");
    put(&files.certificate, "", 0o644);
    assert!(refused(issuer).contains("no certificate"));
}

// K08
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_trusts_nobody_who_signed_the_certificate_says_what_to_do() {
    let realm = Realm::start(|_| {}).await;
    let verifier = Verifier::builder(realm.authority.issuer(), AUDIENCE)
        .client(AUDIENCE, ClientSecret::new("secret"))
        .build_timeout(Duration::from_secs(3));
    let said = verifier.build().await.unwrap_err().to_string();
    for part in ["certificate is not accepted", "SSL_CERT_FILE"] {
        assert!(said.contains(part), "{said}");
    }
}
