//! Refusals: other clients, more rights than were given, and sessions that are over, whatever ended them.

use crate::{DAY, GRACE, Story, TICK, is_invalid_grant, refresh_token};
use http::Method;
use rescind_authority::session::SessionState;
use rescind_testkit::accounts::{administer, essence};
use rescind_testkit::server::PASSWORD;
use rescind_wire::b64;
use serde_json::{Value, json};

fn basic(id: &str, secret: &str) -> String {
    let text = b64::encode(format!("{id}:{secret}")).replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    format!("Basic {text}{padding}")
}

// R07
#[tokio::test(flavor = "multi_thread")]
async fn another_clients_refresh_token_is_refused_and_not_used_up() {
    let story = Story::begin().await;
    let before = story.session().await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", story.first.as_str())];
    let named = |id| [form[0], form[1], ("client_id", id)];
    let post = async |form: &[(&str, &str)], authorization: Option<&str>| {
        let headers: Vec<_> = authorization.map(|a| ("authorization", a)).into_iter().collect();
        story.http.post_form("/token", form, &headers).await
    };
    // A confidential client that proves itself: the token is not its own.
    let own = basic("posts-api", &story.authority.secret);
    is_invalid_grant(&post(&form, Some(&own)).await);
    is_invalid_grant(&post(&named("posts-api"), Some(&own)).await);
    // One that does not prove itself is no client at all.
    for (form, authorization) in [
        (named("posts-api").to_vec(), None),
        (named("unknown").to_vec(), None),
        (form.to_vec(), Some(basic("posts-api", "rsc_cs_wrong"))),
        (form.to_vec(), Some(basic("first-party", ""))),
        (form.to_vec(), Some(basic("unknown", "x"))),
        (named("first-party").to_vec(), Some(own.clone())),
    ] {
        let answer = post(&form, authorization.as_deref()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (401, &"invalid_client".into())
        );
        assert!(answer.header("www-authenticate").starts_with("Basic"));
    }
    assert_eq!(story.session().await, before, "not used up, and nobody taken for a thief");
    assert_eq!(post(&named("first-party"), None).await.status, 200);
}

// R07
#[tokio::test(flavor = "multi_thread")]
async fn a_spent_token_in_another_clients_hands_ends_nothing() {
    let story = Story::begin().await;
    let next = story.refresh(&story.first, None).await;
    story.advance(GRACE + TICK);
    let own = basic("posts-api", &story.authority.secret);
    let form = [("grant_type", "refresh_token"), ("refresh_token", story.first.as_str())];
    is_invalid_grant(&story.http.post_form("/token", &form, &[("authorization", &own)]).await);
    assert_eq!(story.session().await.state, SessionState::Live);
    story.refresh(&next, None).await;
}

// R08
#[tokio::test(flavor = "multi_thread")]
async fn more_scope_or_another_audience_is_refused_and_nothing_moves() {
    let story = Story::begin().await;
    let verifier = story.authority.verifier().await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", story.first.as_str())];
    let before = story.session().await;
    for (field, value, error) in [
        ("scope", "admin", "invalid_scope"),
        ("scope", "openid offline_access", "invalid_scope"),
        ("audience", "payments-api", "invalid_target"),
        ("resource", "https://payments.example.com", "invalid_target"),
        ("audience", story.authority.issuer(), "invalid_target"),
        ("audience", "first-party", "invalid_target"),
        ("audience", "posts-api payments-api", "invalid_target"),
    ] {
        let answer = story.http.post_form("/token", &[form[0], form[1], (field, value)], &[]).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (400, &error.into()),
            "{value}"
        );
        assert!(answer.json()["access_token"].is_null());
    }
    assert_eq!(story.session().await, before);

    // With a second API server a token for one of them is for one of them.
    let new = json!({ "client_id": "files-api", "audiences": ["files-api"], "permissions": [] });
    administer(&story.authority, "/admin/clients", new).await.unwrap();
    let narrowed = [form[0], form[1], ("audience", "files-api")];
    let answer = story.http.post_form("/token", &narrowed, &[]).await.json();
    assert_eq!(answer["audience"], json!(["files-api"]));
    let access = answer["access_token"].as_str().unwrap();
    assert!(verifier.check(access).is_err(), "it is not for posts-api");
    // An empty scope is what was granted.
    let token = refresh_token(&answer);
    let same =
        [form[0], ("refresh_token", token.as_str()), ("scope", ""), ("audience", "posts-api")];
    let answer = story.http.post_form("/token", &same, &[]).await.json();
    let principal = verifier.check(answer["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(principal.audience(), ["posts-api"]);
    assert_eq!(principal.scopes().count(), 0);
}

/// Ends the session of a story's first token, or the token itself.
type End =
    (&'static str, for<'a> fn(&'a Story) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>);

const ENDS: [End; 11] = [
    ("logout", |s| {
        Box::pin(async {
            assert_eq!(s.http.send_as(Method::POST, "/logout", &s.first).await.status, 204);
        })
    }),
    ("logout everywhere", |s| {
        Box::pin(async {
            assert_eq!(
                s.http.send_as(Method::POST, "/logout/everywhere", &s.first).await.status,
                200
            );
        })
    }),
    ("ended from another session", |s| {
        Box::pin(async {
            let other = refresh_token(&s.http.sign_in("alice", PASSWORD).await);
            assert_eq!(s.http.send_as(Method::DELETE, "/sessions", &other).await.status, 200);
        })
    }),
    ("suspended", |s| {
        Box::pin(async {
            let state = json!({ "state": "suspended" });
            administer(&s.authority, "/admin/users/alice/state", state).await.unwrap();
        })
    }),
    ("suspended and opened again", |s| {
        Box::pin(async {
            for state in ["suspended", "active"] {
                let state = json!({ "state": state });
                administer(&s.authority, "/admin/users/alice/state", state).await.unwrap();
            }
        })
    }),
    ("account revoked", |s| {
        Box::pin(async {
            administer(&s.authority, "/admin/revoke", json!({ "user": "alice" })).await.unwrap();
        })
    }),
    ("session revoked", |s| {
        Box::pin(async {
            let sid = s.session().await.sid;
            administer(&s.authority, "/admin/revoke", json!({ "session": sid })).await.unwrap();
        })
    }),
    ("theft", |s| {
        Box::pin(async {
            s.refresh(&s.first, None).await;
            s.advance(GRACE + TICK);
            s.is_refused(&s.first, None).await;
        })
    }),
    ("password changed", |s| {
        Box::pin(async {
            let other = refresh_token(&s.http.sign_in("alice", PASSWORD).await);
            let new = json!({ "current_password": PASSWORD, "new_password": "another sentence" });
            post_as(s, "/password", &other, new).await;
        })
    }),
    ("replaced by a new session", |s| {
        Box::pin(async {
            post_as(s, "/reauthenticate", &s.first, json!({ "password": PASSWORD })).await;
        })
    }),
    ("expired", |s| Box::pin(async { s.advance(14 * DAY) })),
];

async fn post_as(story: &Story, path: &str, token: &str, body: Value) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = story.http.send(Method::POST, path, &headers, body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

// R10 R-19
#[tokio::test(flavor = "multi_thread")]
async fn whatever_ended_the_session_a_refresh_fails_in_the_same_words() {
    let story = Story::begin().await;
    let expected = essence(&story.http.refresh("rsc_rt_never-given-out", None).await);
    assert_eq!(expected.0, 400);
    for (how, end) in ENDS {
        let story = Story::begin().await;
        end(&story).await;
        let at = rescind_testkit::accounts::pos(&story.authority).await;
        for key in [None, Some(rescind_testkit::accounts::key("a-key"))] {
            let answer = story.http.refresh(&story.first, key.as_deref()).await;
            assert_eq!(essence(&answer), expected, "{how}");
        }
        assert_eq!(rescind_testkit::accounts::pos(&story.authority).await, at, "{how}: no alarm");
        let answer = story.http.get_as("/whoami", &story.first).await;
        assert_eq!(answer.status, 401, "{how}");
    }
}
