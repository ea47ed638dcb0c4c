//! Somebody has a copy of the store's folder.

use http::Method;
use rescind_testkit::accounts::{administer, cookie_session, key, quick, session_of};
use rescind_testkit::server::PASSWORD;
use rescind_wire::b64;
use serde_json::json;
use std::path::Path;

/// Every byte in a folder's files.
fn bytes_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            all.extend(std::fs::read(path).unwrap());
        }
    }
    all
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    assert!(needle.len() >= 8, "too short to mean anything");
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Standard base64 without padding.
fn standard(bytes: &[u8]) -> String {
    b64::encode(bytes).replace('-', "+").replace('_', "/")
}

/// The forms in which these bytes could stand somewhere.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex = hex(bytes);
    let mut forms = vec![bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    forms.extend([b64::encode(bytes).into_bytes(), standard(bytes).into_bytes()]);
    forms
}

/// The 32 bytes at the end of a credential line, without which it opens nothing.
fn tag(line: &str) -> Vec<u8> {
    b64::decode(line.trim_start_matches("rsc_rt_")).unwrap()[22..].to_vec()
}

// S07 R-15 R-20
#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_the_store_hold_nothing_that_opens_anything() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let chosen = "a very secret passphrase";
    let bob = json!({ "username": "bob", "password": chosen });
    administer(&authority, "/admin/users", bob).await.unwrap();

    // A tour: both carriers, moves with and without keys, a spent token, a page's token, a logout.
    let first = http.sign_in("alice", PASSWORD).await;
    let first_token = first["refresh_token"].as_str().unwrap().to_owned();
    let keys = [key("first-move"), key("second-move")];
    let second = http.refresh(&first_token, Some(&keys[0])).await.json();
    let second_token = second["refresh_token"].as_str().unwrap().to_owned();
    let third = http.refresh(&second_token, Some(&keys[1])).await.json();
    let third_token = third["refresh_token"].as_str().unwrap().to_owned();
    let mut browser = http.browser();
    browser.sign_in("bob", chosen).await;
    let cookie = browser.session_cookie().to_owned();
    browser.get("/whoami").await;
    authority.clock.advance(std::time::Duration::from_secs(16 * 60));
    browser.get("/whoami").await;
    let moved = browser.session_cookie().to_owned();
    assert_ne!(moved, cookie);
    let ask = json!({ "audience": "posts-api" });
    let page = browser.send(Method::POST, "/session/token", Some(ask)).await.json();
    let spent = http.sign_in("alice", PASSWORD).await["refresh_token"].clone();
    http.send_as(Method::POST, "/logout", spent.as_str().unwrap()).await;

    let mut secrets: Vec<(&str, Vec<u8>)> = vec![
        ("password", PASSWORD.into()),
        ("password", chosen.into()),
        ("client secret", b64::decode(authority.secret.trim_start_matches("rsc_cs_")).unwrap()),
        ("CSRF value", b64::decode(&browser.jar["XSRF-TOKEN"]).unwrap()),
    ];
    for line in [&first_token, &second_token, &third_token, &cookie, &moved] {
        secrets.push(("line", tag(line)));
        let whole = b64::decode(line.trim_start_matches("rsc_rt_")).unwrap();
        secrets.push(("whole line", whole));
    }
    for key in &keys {
        secrets.push(("Idempotency-Key", key.clone().into_bytes()));
    }
    for tokens in [&first, &second, &third, &page] {
        let access = tokens["access_token"].as_str().unwrap();
        let signature = access.rsplit('.').next().unwrap();
        secrets.push(("access token's signature", b64::decode(signature).unwrap()));
    }

    let (alice, bob) = (session_of(&authority, &first_token), cookie_session(&authority, &moved));
    let running = bytes_of(&authority.config.data);
    let data = authority.config.data.clone();
    let folder = authority.stop().await;
    let stopped = bytes_of(&data);
    for (when, bytes) in [("running", running), ("stopped", stopped)] {
        // The search finds what is there.
        assert!(contains(&bytes, b"$argon2id$v=19$m=64,t=1,p=1$"), "{when}");
        for sid in [alice, bob] {
            assert!(forms(sid.as_bytes()).iter().any(|form| contains(&bytes, form)), "{when}");
        }
        for (what, secret) in &secrets {
            for form in forms(secret) {
                assert!(!contains(&bytes, &form), "{what} while {when}");
            }
        }
    }
    drop(folder);
}

// S07
#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_does_hold_opens_nothing() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let tokens = http.sign_in("alice", PASSWORD).await;
    let token = tokens["refresh_token"].as_str().unwrap().to_owned();
    http.refresh(&token, Some(&key("a-move"))).await;
    let folder = authority.config.data.clone();
    let all = bytes_of(&folder);
    let sid = session_of(&authority, &token);
    // Ids, hashes, and the line without its tag, with each 32 bytes that stand anywhere in the file
    // near the session's row as the tag.
    let mut tried = vec![sid.to_string(), hex(sid.as_bytes())];
    let whole = b64::decode(token.trim_start_matches("rsc_rt_")).unwrap();
    let near = all.windows(16).enumerate().filter(|(_, w)| w == sid.as_bytes()).map(|(at, _)| at);
    for at in near {
        let around = &all[at.saturating_sub(100)..(at + 300).min(all.len())];
        for guess in around.windows(32).step_by(7) {
            for generation in [0, 1] {
                let mut line = whole[..22].to_vec();
                line[21] = generation;
                line.extend_from_slice(guess);
                tried.push(format!("rsc_rt_{}", b64::encode(line)));
            }
        }
    }
    assert!(tried.len() > 50, "the row was found");
    for guess in tried {
        assert_eq!(http.refresh(&guess, None).await.json()["error"], "invalid_grant");
        assert_eq!(http.get_as("/whoami", &guess).await.status, 401);
        let cookie = format!("rescind-dev={}", guess.trim_start_matches("rsc_rt_"));
        assert_eq!(http.get("/whoami", &[("cookie", &cookie)]).await.status, 401);
    }
    assert_eq!(http.refresh(&token, Some(&key("a-move"))).await.status, 200);
}
