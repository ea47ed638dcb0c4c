//! Somebody has a copy of the store and the source code, and not the master key. Everything that the copy
//! holds is tried as every kind of credential, at every route that takes one.

use crate::{Device, PASSWORD, quick, ripen, rotate, text};
use http::Method;
use rescind_authority::line::{Carrier, Line, LineKey};
use rescind_testkit::accounts::{administer, key, session_of};
use rescind_testkit::http::{Http, basic};
use rescind_testkit::server::TestAuthority;
use rescind_verifier::Verifier;
use rescind_wire::b64;
use rescind_wire::id::Sid;
use rescind_wire::jwk::SigningKey;
use rescind_wire::jws::Alg;
use rescind_wire::token::{Claims, sign};
use rusqlite::Connection;
use rusqlite::types::Value as Cell;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

/// A realm that has been used: both carriers, moves, spent tokens, keys of every kind and state.
async fn lived_in() -> (TestAuthority, Device, Claims) {
    let authority = quick().await;
    let body = json!({ "client_id": "games", "audiences": ["games"],
        "permissions": ["feed", "introspect", "revoke"] });
    administer(&authority, "/admin/clients", body).await.unwrap();
    administer(&authority, "/admin/keys/share", json!({ "audience": "games" })).await.unwrap();
    administer(&authority, "/admin/keys/share", json!({ "audience": "games" })).await.unwrap();
    let verifier = authority.verifier().await;
    let mut device = Device::sign_in(&authority).await;
    let claims = verifier.check(&device.access).unwrap().claims().clone();
    let moved = authority.http().refresh(&device.refresh, Some(&key("a-move"))).await.json();
    device.refresh = text(&moved, "refresh_token");
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    browser.get("/whoami").await;
    ripen(&authority);
    for purpose in ["token", "feed", "line", "csrf"] {
        rotate(&authority, purpose).await;
    }
    (authority, device, claims)
}

/// Every cell of every table, as bytes and as text.
fn cells(data: &Path) -> (BTreeSet<Vec<u8>>, BTreeSet<String>) {
    let conn = Connection::open(data.join("rescind.db")).unwrap();
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut names = conn.prepare(names).unwrap();
    let tables: Vec<String> =
        names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(tables.len() >= 9, "{tables:?}");
    let (mut bytes, mut texts) = (BTreeSet::new(), BTreeSet::new());
    for table in tables {
        let mut rows = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                match row.get(column).unwrap() {
                    Cell::Blob(blob) => {
                        texts.insert(b64::encode(&blob));
                        texts.insert(blob.iter().map(|b| format!("{b:02x}")).collect());
                        bytes.insert(blob);
                    }
                    Cell::Text(text) => {
                        bytes.insert(text.clone().into_bytes());
                        texts.extend(text.split(['$', '"', ',', '[', ']']).map(str::to_owned));
                        texts.insert(text);
                    }
                    Cell::Integer(number) => drop(texts.insert(number.to_string())),
                    _ => {}
                }
            }
        }
    }
    texts.remove("");
    (bytes, texts)
}

/// 32 bytes that could be a key: each such cell, each part of a longer one, and its hash.
fn key_material(bytes: &BTreeSet<Vec<u8>>) -> BTreeSet<[u8; 32]> {
    let mut found = BTreeSet::new();
    for cell in bytes {
        found.insert(rescind_wire::sha256(&[cell]));
        found.extend(cell.windows(32).map(|w| <[u8; 32]>::try_from(w).unwrap()));
    }
    found
}

async fn try_as_text(http: &Http, guess: &str) {
    for line in [guess.to_owned(), format!("rsc_rt_{guess}")] {
        if !line.bytes().all(|b| b.is_ascii_graphic() && b != b';' && b != b',') {
            continue;
        }
        let answer = http.refresh(&line, None).await;
        assert_eq!(answer.json()["error"], "invalid_grant", "{line}");
        let answer = http.get_as("/whoami", &line).await;
        assert!([400, 401].contains(&answer.status.as_u16()), "{line}");
        let cookie = format!("rescind-dev={line}");
        assert_eq!(http.get("/whoami", &[("cookie", &cookie)]).await.status, 401, "{line}");
    }
    let login = json!({ "username": "alice", "password": guess, "carrier": "token" });
    // Each guess from an address of its own would be refused the same; here they are throttled, too.
    let answer = http.post_json("/login", &login).await;
    assert!([400, 401, 429].contains(&answer.status.as_u16()), "{guess}: {}", answer.text());
}

async fn try_as_client(http: &Http, guess: &str) {
    for secret in [guess.to_owned(), format!("rsc_cs_{guess}")] {
        let basic = basic("posts-api", &secret);
        let more = [("authorization", basic.as_str())];
        for path in ["/revoke", "/introspect", "/token"] {
            let form = [("token", "x"), ("grant_type", "refresh_token"), ("refresh_token", "x")];
            let answer = http.post_form(path, &form, &more).await;
            assert!([400, 401].contains(&answer.status.as_u16()), "{path} {secret}");
            assert_ne!(answer.json()["error"], "invalid_grant", "{path}: the secret was taken");
        }
        assert_eq!(http.get("/v1/snapshot", &more).await.status, 401, "{secret}");
        let json = [more[0], ("content-type", "application/json")];
        assert_eq!(http.send(Method::POST, "/v1/head", &json, "{}").await.status, 401);
    }
}

/// Lines written with this key for a session of the dump.
async fn try_as_line_key(http: &Http, key: &[u8; 32], sid: Sid) {
    for (id, carrier) in [(1, Carrier::Token), (2, Carrier::Token), (2, Carrier::Cookie)] {
        for generation in [0, 1] {
            let line = LineKey::new(id, key).seal(Line { carrier, sid, generation });
            let answer = match carrier {
                Carrier::Token => http.get_as("/whoami", line.expose()).await,
                Carrier::Cookie => {
                    let cookie = format!("rescind-dev={}", line.expose());
                    http.get("/whoami", &[("cookie", &cookie)]).await
                }
            };
            assert_eq!(answer.status, 401);
        }
    }
}

/// Tokens signed with whatever these bytes are as a private key, under every id that the dump names.
fn try_as_signing_key(verifier: &Verifier, bytes: &[u8], claims: &Claims) -> usize {
    let mut made = 0;
    for alg in [Alg::Es256, Alg::Ed25519, Alg::EdDsa, Alg::Rs256, Alg::Hs256] {
        let Ok(key) = SigningKey::from_secret(alg, bytes) else { continue };
        made += 1;
        assert!(verifier.check(&sign(claims, &key).unwrap()).is_err(), "{alg:?}");
    }
    made
}

// S07 K09
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_store_without_the_master_key_opens_nothing_at_any_route() {
    let (authority, device, claims) = lived_in().await;
    let http = authority.http();
    let verifier = authority
        .verifier_builder()
        .algorithms(&[Alg::Es256, Alg::Ed25519, Alg::Rs256])
        .build()
        .await
        .unwrap();
    let sid = session_of(&authority, &device.refresh);
    let (bytes, texts) = cells(&authority.config.data);
    let kids = authority.app.authority.stored_keys().await.unwrap();
    assert!(kids.keys.iter().all(|k| texts.contains(&k.kid)), "the dump is whole");
    assert!(bytes.contains(sid.as_bytes().as_slice()));

    for guess in &texts {
        try_as_text(&http, guess).await;
        try_as_client(&http, guess).await;
    }
    let material = key_material(&bytes);
    assert!(material.len() > 500, "{}", material.len());
    for guess in &material {
        try_as_line_key(&http, guess, sid).await;
        // A seed of Ed25519, in the form in which a private key is read.
        let prefix = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        let made = try_as_signing_key(&verifier, &[&prefix[..], guess].concat(), &claims);
        assert_eq!(made, 2, "a seed is always one");
    }
    for cell in &bytes {
        assert_eq!(try_as_signing_key(&verifier, cell, &claims), 0, "no private key lies open");
        for part in cell.windows(64) {
            try_as_signing_key(&verifier, part, &claims);
        }
    }
    assert_eq!(device.whoami(&authority).await, 200, "nothing was harmed by trying");
}
