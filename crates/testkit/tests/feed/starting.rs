//! A verifier that cannot begin says what to do, and nothing secret.

use crate::quick;
use rescind_authority::clients::Permission;
use rescind_testkit::process::free_port;
use rescind_testkit::server::{AUDIENCE, operator};
use rescind_verifier::{Builder, ClientSecret, Verifier};
use std::time::Duration;

/// What it says when it is given up.
async fn said(builder: Builder) -> String {
    builder.build_timeout(Duration::from_secs(3)).build().await.unwrap_err().to_string()
}

fn at(issuer: &str, id: &str, secret: ClientSecret) -> Builder {
    Verifier::builder(issuer, AUDIENCE).client(id, secret)
}

// K08
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_cannot_begin_says_what_to_do() {
    let authority = quick().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "wrong-and-not-to-be-seen\n").unwrap();
    let wrong = ClientSecret::from_file(&file).unwrap();
    let text = said(at(authority.issuer(), AUDIENCE, wrong)).await;
    let place = file.display().to_string();
    for part in ["(401", "client posts-api", &place, "rescind client secret posts-api"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("not-to-be-seen"), "{text}");

    let (audiences, may) = (vec![AUDIENCE.to_owned()], vec![Permission::Introspect]);
    let made = authority.app.authority.add_client("asks", audiences, may, &operator()).await;
    let secret = ClientSecret::new(made.unwrap().expose());
    let text = said(at(authority.issuer(), "asks", secret)).await;
    assert!(text.contains("(403)") && text.contains("--permission feed"), "{text}");

    // Another name of the same machine.
    let other = authority.issuer().replace("127.0.0.1", "localhost");
    let text = said(at(&other, AUDIENCE, ClientSecret::new(&authority.secret))).await;
    assert!(text.contains("rescind serve --issuer"), "{text}");

    let nobody = format!("http://127.0.0.1:{}", free_port());
    let text = said(at(&nobody, AUDIENCE, ClientSecret::new("secret"))).await;
    assert!(text.contains("cannot be reached: see that it runs"), "{text}");
}
