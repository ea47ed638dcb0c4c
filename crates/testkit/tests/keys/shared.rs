//! HS256: a secret that one audience shares.

use crate::{Device, PASSWORD, all, compromise, header, published, quick, rotate, signer, text};
use rescind_authority::keys::{KeyState, Purpose};
use rescind_server::admin::client::CallError;
use rescind_testkit::accounts::administer;
use rescind_testkit::http::basic;
use rescind_testkit::server::TestAuthority;
use rescind_wire::b64;
use rescind_wire::jwk::{KeySet, SharedKey, SigningKey};
use rescind_wire::jws::Alg;
use rescind_wire::token::{Claims, Expected, sign, verify};
use serde_json::{Value, json};

struct Games {
    authority: TestAuthority,
    basic: String,
}

impl Games {
    async fn start() -> Self {
        let authority = quick().await;
        let body = json!({
            "client_id": "games", "audiences": ["games"], "permissions": ["introspect", "revoke"],
        });
        let made = administer(&authority, "/admin/clients", body).await.unwrap();
        let basic = basic("games", &text(&made, "client_secret"));
        Self { authority, basic }
    }

    async fn share(&self) -> Value {
        let body = json!({ "audience": "games" });
        administer(&self.authority, "/admin/keys/share", body).await.unwrap()
    }

    async fn sign_in(&self, audiences: &[&str]) -> Result<Device, u16> {
        let body = json!({
            "username": "alice", "password": PASSWORD, "carrier": "token", "audience": audiences,
        });
        let answer = self.authority.http().post_json("/login", &body).await;
        match answer.status.as_u16() {
            200 => Ok(Device::of(&answer.json())),
            other => Err(other),
        }
    }

    fn verified(&self, token: &str, secrets: &[&[u8]]) -> bool {
        let shared = secrets.iter().map(|secret| SharedKey::new(secret).unwrap());
        let expected = Expected {
            issuer: self.authority.issuer().into(),
            audience: "games".into(),
            max_lifetime: 3600,
        };
        verify(token, &KeySet::new([], shared), &expected).is_ok()
    }

    async fn introspect(&self, token: &str) -> Value {
        let more = [("authorization", self.basic.as_str())];
        let form = [("token", token)];
        self.authority.http().post_form("/introspect", &form, &more).await.json()
    }
}

fn secret(shared: &Value) -> Vec<u8> {
    b64::decode(text(shared, "secret")).unwrap()
}

// R-9 K01
#[tokio::test(flavor = "multi_thread")]
async fn a_shared_secret_signs_for_its_audience_alone_and_is_never_published() {
    let games = Games::start().await;
    let before = games.sign_in(&["games"]).await.unwrap();
    assert_eq!(header(&before.access)["alg"], "ES256");
    let secret = secret(&games.share().await);
    assert_eq!(secret.len(), 64);
    let device = games.sign_in(&["games"]).await.unwrap();
    assert_eq!(header(&device.access)["alg"], "HS256");
    assert!(games.verified(&device.access, &[&secret]));
    assert_eq!(games.introspect(&device.access).await["active"], true);

    // Together with others it is refused, and among all it is not.
    assert_eq!(games.sign_in(&["games", "posts-api"]).await.err(), Some(400));
    let all = games.sign_in(&[]).await.unwrap();
    let verifier = games.authority.verifier().await;
    assert_eq!(verifier.check(&all.access).unwrap().audience(), ["posts-api"]);
    assert!(verifier.check(&device.access).is_err());

    let keys = published(&games.authority).await;
    assert!(!keys.contains(&signer(&device.access)));
    let listed = administer_list(&games.authority).await;
    assert!(!listed.contains(&b64::encode(&secret)) && !listed.contains("\"k\""));
}

async fn administer_list(authority: &TestAuthority) -> String {
    use rescind_server::admin::client::Door;
    let door = Door::find(&authority.config).await.unwrap();
    door.call(http::Method::GET, "/admin/keys", Value::Null).await.unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_secret_is_used_only_once_its_server_has_it() {
    let games = Games::start().await;
    let first = secret(&games.share().await);
    let rotate_shared = json!({ "purpose": "shared", "audience": "games" });
    let nothing = administer(&games.authority, "/admin/keys/rotate", rotate_shared.clone()).await;
    assert!(matches!(nothing, Err(CallError::Refused(_))), "{nothing:?}");
    let made = games.share().await;
    assert_eq!(made["state"], "next");
    let second = secret(&made);
    let old = games.sign_in(&["games"]).await.unwrap().access;
    assert!(games.verified(&old, &[&first]) && !games.verified(&old, &[&second]));
    administer(&games.authority, "/admin/keys/rotate", rotate_shared).await.unwrap();
    let new = games.sign_in(&["games"]).await.unwrap().access;
    assert!(games.verified(&new, &[&second]) && !games.verified(&new, &[&first]));
    for token in [&old, &new] {
        assert_eq!(games.introspect(token).await["active"], true);
    }
    // Without a successor its tokens are signed by the realm's key again.
    let kind = Purpose::Shared("games".into());
    let active = all(&games.authority, &kind, KeyState::Active).await.remove(0).kid;
    compromise(&games.authority, &active).await;
    assert_eq!(games.introspect(&new).await["active"], false);
    let now = games.sign_in(&["games"]).await.unwrap().access;
    assert_eq!(header(&now)["alg"], "ES256");
    rotate(&games.authority, "csrf").await;
}

// T03 K11
#[tokio::test(flavor = "multi_thread")]
async fn whoever_shares_a_secret_can_forge_for_itself_and_for_nobody_else() {
    let games = Games::start().await;
    let secret = secret(&games.share().await);
    let key = SigningKey::from_secret(Alg::Hs256, &secret).unwrap();
    let verifier = games.authority.verifier().await;
    let posts = games.sign_in(&["posts-api"]).await.unwrap();
    let honest = verifier.check(&posts.access).unwrap().claims().clone();
    for aud in [vec!["posts-api".to_owned()], vec!["games".into(), "posts-api".into()]] {
        let forged = sign(&Claims { aud, ..honest.clone() }, &key).unwrap();
        assert!(verifier.check(&forged).is_err());
        assert_eq!(games.introspect(&forged).await, json!({ "active": false }));
        // Nor does it take back the token whose id it has heard of.
        let form = [("token", forged.as_str())];
        let more = [("authorization", games.basic.as_str())];
        let answer = games.authority.http().post_form("/revoke", &form, &more).await;
        assert_eq!(answer.status, 200);
        games.authority.caught_up(&verifier).await;
        assert!(verifier.check(&posts.access).is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_that_nobody_answers_for_gets_no_secret() {
    let games = Games::start().await;
    let body = json!({ "audience": "nobody" });
    let refused = administer(&games.authority, "/admin/keys/share", body).await;
    assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
}

// V03
#[tokio::test(flavor = "multi_thread")]
async fn whoever_shares_a_secret_cannot_fill_the_log_and_the_record() {
    let games = Games::start().await;
    let secret = secret(&games.share().await);
    let key = SigningKey::from_secret(Alg::Hs256, &secret).unwrap();
    let device = games.sign_in(&["games"]).await.unwrap();
    let rules = &games.authority.app.authority;
    let keyring = rules.keyring();
    let body = b64::decode(device.access.split('.').nth(1).unwrap()).unwrap();
    let members: Value = serde_json::from_slice(&body).unwrap();
    let id = |name: &str| members[name].as_str().unwrap();
    let claims = Claims {
        iss: games.authority.issuer().into(),
        sub: id("sub").parse().unwrap(),
        aud: vec!["games".into()],
        exp: members["exp"].as_u64().unwrap(),
        iat: members["iat"].as_u64().unwrap(),
        nbf: None,
        jti: id("jti").parse().unwrap(),
        sid: id("sid").parse().unwrap(),
        client_id: "first-party".into(),
        scope: String::new(),
        roles: Vec::new(),
        auth_time: members["auth_time"].as_u64().unwrap(),
        amr: Vec::new(),
        rv: members["rv"].as_u64().unwrap(),
    };
    drop(keyring);
    let before = rules.store().head().await.unwrap().pos;
    let http = games.authority.http();
    for n in 0..20u8 {
        let jti = rescind_wire::id::Jti::from_bytes([n; 16]);
        let forged = sign(&Claims { jti, ..claims.clone() }, &key).unwrap();
        let form = [("token", forged.as_str()), ("client_id", "first-party")];
        let answer = http.post_form("/revoke", &form, &[]).await;
        assert_eq!(answer.json()["error"], "unsupported_token_type");
        // Nor by its own server, for a session that is not there.
        let sid = rescind_wire::id::Sid::from_bytes([n; 16]);
        let forged = sign(&Claims { jti, sid, ..claims.clone() }, &key).unwrap();
        let more = [("authorization", games.basic.as_str())];
        let answer = http.post_form("/revoke", &[("token", forged.as_str())], &more).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(rules.store().head().await.unwrap().pos, before);
    let more = [("authorization", games.basic.as_str())];
    let form = [("token", device.access.as_str())];
    assert_eq!(http.post_form("/revoke", &form, &more).await.status, 200);
    assert_eq!(games.introspect(&device.access).await["active"], false, "its server may");
}

async fn remove(authority: &TestAuthority, client: &str) -> Result<Value, CallError> {
    use rescind_server::admin::client::Door;
    let door = Door::find(&authority.config).await.unwrap();
    door.call(http::Method::DELETE, &format!("/admin/clients/{client}"), json!({})).await
}

// K06
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_servers_secret_signs_nothing_for_who_stays_or_comes_after_it() {
    let games = Games::start().await;
    let authority = &games.authority;
    let body =
        json!({ "client_id": "lobby", "audiences": ["games"], "permissions": ["introspect"] });
    let made = administer(authority, "/admin/clients", body).await.unwrap();
    let lobby = Games { basic: basic("lobby", &text(&made, "client_secret")), ..games };
    let authority = &lobby.authority;
    // One that has had its time, one in use, one that waits: the server was given each of them.
    let (old, active) = (lobby.share().await, lobby.share().await);
    let before = lobby.sign_in(&["games"]).await.unwrap().access;
    let body = json!({ "purpose": "shared", "audience": "games" });
    administer(authority, "/admin/keys/rotate", body).await.unwrap();
    let next = lobby.share().await;
    assert_eq!(lobby.introspect(&before).await["active"], true);

    remove(authority, "games").await.unwrap();
    let marker = std::fs::read_to_string(authority.config.keys.join("marker.json")).unwrap();
    let stored = authority.app.authority.stored_keys().await.unwrap();
    for shared in [&old, &active, &next] {
        let kid = text(shared, "kid");
        assert_eq!(stored.find(&kid).map(|key| key.state), Some(KeyState::Compromised));
        assert!(marker.contains(&kid), "before it is answered");
    }
    assert_eq!(lobby.introspect(&before).await["active"], false, "nor does what it forges count");
    let device = lobby.sign_in(&["games"]).await.unwrap();
    assert_eq!(header(&device.access)["alg"], "ES256");
    let fresh = lobby.share().await;
    assert_eq!(fresh["state"], "active");
    let device = lobby.sign_in(&["games"]).await.unwrap();
    assert!(lobby.verified(&device.access, &[&secret(&fresh)]));
    // The last one of the audience takes its secret with it as well.
    remove(authority, "lobby").await.unwrap();
    let stored = authority.app.authority.stored_keys().await.unwrap();
    assert_eq!(stored.find(&text(&fresh, "kid")).map(|key| key.state), Some(KeyState::Compromised));
}

// K06
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_servers_secret_that_the_marker_cannot_keep_is_not_answered_as_done() {
    let games = Games::start().await;
    let kid = text(&games.share().await, "kid");
    let keys = games.authority.config.keys.clone();
    let marker = keys.join("marker.json");
    std::fs::rename(&marker, keys.join("aside")).unwrap();
    std::fs::create_dir(&marker).unwrap();
    let refused = remove(&games.authority, "games").await.unwrap_err();
    assert!(refused.to_string().contains("marker.json"), "{refused}");
    std::fs::remove_dir(&marker).unwrap();
    std::fs::rename(keys.join("aside"), &marker).unwrap();
    let again = remove(&games.authority, "games").await.unwrap_err();
    assert!(again.to_string().contains("No client"), "{again}");
    assert!(std::fs::read_to_string(&marker).unwrap().contains(&kid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_removed_leaves_the_secrets_of_other_audiences() {
    let games = Games::start().await;
    games.share().await;
    let body = json!({ "client_id": "shop", "audiences": ["shop"], "permissions": [] });
    administer(&games.authority, "/admin/clients", body).await.unwrap();
    remove(&games.authority, "shop").await.unwrap();
    let device = games.sign_in(&["games"]).await.unwrap();
    assert_eq!(header(&device.access)["alg"], "HS256");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_for_a_shared_secrets_audience_alone_refreshes_without_naming_it() {
    let games = Games::start().await;
    games.share().await;
    let mut device = games.sign_in(&["games"]).await.unwrap();
    assert_eq!(device.go_on(&games.authority).await, 200);
    assert_eq!(header(&device.access)["alg"], "HS256");
}
