//! The standard libraries of other languages verify our tokens, from nothing but the metadata document and
//! the key set; and our own verifier does.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

use http::Method;
use rescind_e2e::clients::Library;
use rescind_e2e::realm::{AUDIENCE, Realm, USER, read};
use rescind_testkit::http::Http;
use rescind_verifier::{Alg, ClientSecret, Verifier};
use rescind_wire::b64;
use serde_json::json;

/// The audience that shares a secret with the authority.
const SHARED: &str = "games-api";

/// Signs in for one audience; gives the access token.
async fn sign_in(realm: &Realm, audience: &str) -> String {
    let body = json!({
        "username": USER, "password": realm.password, "carrier": "token", "audience": [audience],
    });
    let answer = realm.http().post_json("/login", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// The same token with one byte of its subject changed, so that the payload is still JSON.
fn changed(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let mut payload = b64::decode(parts[1]).unwrap();
    let mark = b"\"sub\":\"";
    let at = payload.windows(mark.len()).position(|part| part == mark).unwrap() + mark.len();
    payload[at] = if payload[at] == b'A' { b'B' } else { b'A' };
    let token = format!("{}.{}.{}", parts[0], b64::encode(&payload), parts[2]);
    assert!(read(&token)[1]["sub"].is_string());
    token
}

/// What both libraries must say of a good token, a changed one, and a good one for another audience.
fn judged_by_libraries(realm: &Realm, algorithm: &str, secret: Option<&str>, token: (&str, &str)) {
    let (token, audience) = token;
    assert_eq!(read(token)[0]["alg"], algorithm);
    let mut asked = json!({
        "issuer": realm.issuer,
        "algorithm": algorithm,
        "tokens": [
            { "token": token, "audience": audience },
            { "token": changed(token), "audience": audience },
            { "token": token, "audience": "another-api" },
        ],
    });
    if let Some(secret) = secret {
        asked["secret"] = secret.into();
    }
    for library in Library::ALL {
        let (signature, other) = match library {
            Library::Jose => {
                ("ERR_JWS_SIGNATURE_VERIFICATION_FAILED", "ERR_JWT_CLAIM_VALIDATION_FAILED")
            }
            Library::PyJwt => ("InvalidSignatureError", "InvalidAudienceError"),
        };
        let expected =
            ["accepted".to_owned(), format!("refused {signature}"), format!("refused {other}")];
        assert_eq!(library.verify(&asked), expected, "{library:?}");
    }
}

async fn judged_by_our_verifier(realm: &Realm, algorithm: &str, token: &str) {
    let verifier = Verifier::builder(&realm.issuer, AUDIENCE)
        .client(AUDIENCE, ClientSecret::new(realm.secret.clone()))
        .algorithms(&[Alg::from_name(algorithm).unwrap()])
        .build()
        .await
        .unwrap();
    assert!(verifier.check(token).is_ok());
    assert!(verifier.check(&changed(token)).is_err());
}

async fn verified_everywhere(algorithm: &str) {
    let realm = Realm::start(&["--set", &format!("tokens.alg={algorithm}")]).await;
    let token = sign_in(&realm, AUDIENCE).await;
    judged_by_libraries(&realm, algorithm, None, (&token, AUDIENCE));
    judged_by_our_verifier(&realm, algorithm, &token).await;
}

// R-9 R-12
#[tokio::test(flavor = "multi_thread")]
async fn jose_pyjwt_and_our_verifier_accept_es256_tokens_and_refuse_a_changed_one() {
    verified_everywhere("ES256").await;
}

// R-9 R-12
#[tokio::test(flavor = "multi_thread")]
async fn jose_pyjwt_and_our_verifier_accept_ed25519_tokens_and_refuse_a_changed_one() {
    verified_everywhere("Ed25519").await;
}

// R-9 R-12
#[tokio::test(flavor = "multi_thread")]
async fn jose_pyjwt_and_our_verifier_accept_eddsa_tokens_and_refuse_a_changed_one() {
    verified_everywhere("EdDSA").await;
}

// R-9 R-12
#[tokio::test(flavor = "multi_thread")]
async fn jose_pyjwt_and_our_verifier_accept_rs256_tokens_and_refuse_a_changed_one() {
    verified_everywhere("RS256").await;
}

/// The text of the published key set.
async fn key_set(http: &Http) -> String {
    http.send(Method::GET, "/.well-known/jwks.json", &[], "").await.text()
}

// R-9 R-12
#[tokio::test(flavor = "multi_thread")]
async fn jose_and_pyjwt_accept_hs256_tokens_with_the_shared_secret_and_refuse_a_changed_one() {
    let realm = Realm::start(&[]).await;
    realm.client(SHARED);
    let said = realm.cli(&["keys", "share", SHARED, "--yes"]);
    let secret = said.split_whitespace().last().unwrap();
    let token = sign_in(&realm, SHARED).await;
    judged_by_libraries(&realm, "HS256", Some(secret), (&token, SHARED));
    let kid = read(&token)[0]["kid"].as_str().unwrap().to_owned();
    assert!(!key_set(&realm.http()).await.contains(&kid), "a secret is in no key set");
    // Whoever holds the secret signs for itself alone: the other audience's tokens stay public-key ones.
    assert_eq!(read(&sign_in(&realm, AUDIENCE).await)[0]["alg"], "ES256");
}
