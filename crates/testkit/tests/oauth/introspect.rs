//! An API server asks about a token.

use crate::{World, error, refuses_other_forms};
use rescind_authority::name::Name;
use rescind_testkit::server::operator;
use rescind_wire::revocation::Target;
use rescind_wire::token::sign;
use serde_json::{Value, json};

fn inactive() -> Value {
    json!({ "active": false })
}

// I01
#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_without_proof_and_permission() {
    let world = World::start().await;
    let tokens = world.sign_in(None).await;
    let form = [("token", tokens.access.as_str())];
    for more in [&[][..], &[("client_id", "first-party")], &[("client_id", "posts-back")]] {
        let form = [&form[..], more].concat();
        let answer = world.post("/introspect", &form, None).await;
        assert_eq!(error(&answer), (401, "invalid_client".into()));
        assert!(!answer.text().contains("active"));
    }
    let answer = world.post("/introspect", &form, Some(&world.plain)).await;
    assert_eq!(error(&answer), (403, "unauthorized_client".into()));
}

// I03 I07
#[tokio::test(flavor = "multi_thread")]
async fn a_living_token_is_told_to_its_audience_and_nothing_of_the_others() {
    let world = World::start().await;
    let tokens = world.sign_in(None).await;
    let claims = world.verifier.check(&tokens.access).unwrap().claims().clone();
    assert_eq!(claims.aud, ["files-api", "posts-api"]);
    let told = world.introspect(&tokens.access, &world.posts).await;
    let expected = json!({
        "active": true, "token_type": "Bearer", "iss": claims.iss, "sub": claims.sub,
        "aud": ["posts-api"], "client_id": "first-party", "exp": claims.exp, "iat": claims.iat,
        "jti": claims.jti, "sid": claims.sid, "scope": "", "roles": ["author"],
        "auth_time": claims.auth_time, "amr": ["pwd"],
    });
    assert_eq!(told, expected, "no name, no address, no log time");
    let told = world.introspect(&tokens.access, &world.files).await;
    assert_eq!(told["aud"], json!(["files-api"]));
}

// I02 I04
#[tokio::test(flavor = "multi_thread")]
async fn of_every_other_token_exactly_nothing_is_told() {
    let world = World::start().await;
    let other = World::start().await;
    let narrow = world.sign_in(Some("posts-api")).await;
    let foreign = other.sign_in(None).await;
    let keyring = world.authority.app.authority.keyring();
    let honest = world.verifier.check(&narrow.access).unwrap().claims().clone();
    let made = |change: fn(&mut rescind_wire::token::Claims)| {
        let mut claims = honest.clone();
        change(&mut claims);
        sign(&claims, keyring.token_key()).unwrap()
    };
    let future = made(|c| (c.iat, c.exp) = (c.iat + 1000, c.exp + 1000));
    let not_yet = made(|c| c.nbf = Some(c.iat + 1000));
    let expired = made(|c| c.exp = c.iat);
    let ahead = made(|c| c.rv += 1_000_000_000);
    let no_session = made(|c| c.sid = rescind_wire::id::Sid::from_bytes([9; 16]));
    let other_sub = made(|c| c.sub = rescind_wire::id::Sub::from_bytes([9; 16]));
    let other_client = made(|c| c.client_id = "posts-back".into());
    let other_issuer = made(|c| c.iss = "https://else.example".into());
    for token in [
        "",
        "x",
        "a.b.c",
        &narrow.refresh,
        &foreign.access,
        &future,
        &not_yet,
        &expired,
        &ahead,
        &no_session,
        &other_sub,
        &other_client,
        &other_issuer,
    ] {
        assert_eq!(world.introspect(token, &world.posts).await, inactive(), "{token}");
    }
    assert_eq!(world.introspect(&narrow.access, &world.files).await, inactive(), "not for it");
    assert_eq!(world.introspect(&narrow.access, &world.posts).await["active"], true);
}

// I03 I06 S09
#[tokio::test(flavor = "multi_thread")]
async fn whatever_kills_a_token_shows_in_the_next_answer() {
    let world = World::start().await;
    let rules = &world.authority.app.authority;
    let name = || Name::new("alice").unwrap();
    for way in [
        "session",
        "token",
        "account",
        "client",
        "audience",
        "everything",
        "roles",
        "suspended",
        "key",
        "deleted",
    ] {
        let tokens = world.sign_in(None).await;
        let claims = world.verifier.check(&tokens.access).unwrap().claims().clone();
        assert_eq!(world.introspect(&tokens.access, &world.posts).await["active"], true, "{way}");
        let target = match way {
            "session" => Some(Target::Session(claims.sid)),
            "token" => Some(Target::Token(claims.jti)),
            "account" => Some(Target::Subject(claims.sub)),
            "client" => Some(Target::Client("first-party".into())),
            "audience" => Some(Target::Audience("files-api".into())),
            "everything" => Some(Target::Everything),
            _ => None,
        };
        use rescind_authority::account::AccountState::{Active, Suspended};
        match (way, target) {
            (_, Some(target)) => drop(rules.revoke(target, operator()).await.unwrap()),
            ("roles", _) => drop(rules.set_roles(name(), vec![], operator()).await.unwrap()),
            ("suspended", _) => {
                rules.set_account_state(name(), Suspended, operator()).await.unwrap();
                assert_eq!(world.introspect(&tokens.access, &world.posts).await, inactive());
                rules.set_account_state(name(), Active, operator()).await.unwrap();
            }
            ("key", _) => {
                let kid = rules.keyring().token_key().kid().to_owned();
                rules.retire_key(&kid, true, operator()).await.unwrap();
            }
            _ => drop(rules.delete_account(name(), operator()).await.unwrap()),
        }
        assert_eq!(world.introspect(&tokens.access, &world.posts).await, inactive(), "{way}");
        world.authority.caught_up(&world.verifier).await;
    }
}

// I05
#[tokio::test(flavor = "multi_thread")]
async fn a_token_to_ask_about_comes_in_a_form_and_nowhere_else() {
    let world = World::start().await;
    let tokens = world.sign_in(None).await;
    refuses_other_forms(&world, "/introspect", &tokens.access).await;
}
