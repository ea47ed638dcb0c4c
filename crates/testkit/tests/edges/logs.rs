//! What reaches the log: events with ids, and never what somebody sent or was given to present.

use crate::canaries::{Canaries, breaking, disguises};
use crate::support::{Door, FORM, JSON, log, quick_with};
use http::Method;
use rescind_authority::clients::Permission;
use rescind_testkit::http::{Answer, Headers, encode};
use rescind_testkit::server::operator;
use rescind_testkit::server::{PASSWORD, TestAuthority};
use rescind_wire::b64;
use serde_json::{Value, json};

/// A tour of all routes with a canary in every field, and what came back.
struct Tour {
    canaries: Canaries,
    answers: Vec<(String, Answer)>,
    metrics: String,
}

impl Tour {
    async fn of(authority: &TestAuthority) -> Self {
        let (answers, metrics) = (Vec::new(), String::new());
        let mut tour = Self { canaries: Canaries(Vec::new()), answers, metrics };
        tour.people(authority).await;
        tour.sessions(authority).await;
        tour.oauth(authority).await;
        tour.verifiers(authority).await;
        tour.pages(authority).await;
        tour.administration(authority).await;
        tour.everywhere(authority).await;
        tour.metrics = rescind_server::metrics::text(&authority.app).await.unwrap();
        tour
    }

    fn keep(&mut self, what: &str, answer: Answer) -> Value {
        let body = answer.json();
        self.answers.push((what.to_owned(), answer));
        body
    }

    async fn people(&mut self, authority: &TestAuthority) {
        let http = authority.http();
        let password = self.canaries.plant("Password");
        let name = self.canaries.plant("Name");
        let device = self.canaries.plant("Device");
        for (username, password, device) in [
            (name.clone(), password.clone(), "d".to_owned()),
            ("alice".into(), breaking(&password), "d".into()),
            (breaking(&name), PASSWORD.into(), "d".into()),
            ("alice".into(), PASSWORD.into(), breaking(&device)),
            ("alice".into(), password, device),
        ] {
            for carrier in ["cookie", "token", name.as_str()] {
                let body = json!({
                    "username": username, "password": password, "carrier": carrier, "device": device,
                });
                let answer = http.post_json("/login", &body).await;
                self.keep("POST /login", answer);
            }
        }
    }

    async fn sessions(&mut self, authority: &TestAuthority) {
        let http = authority.http();
        let device = self.canaries.plant("OwnDevice");
        let agent = self.canaries.plant("Agent");
        let mut browser = http.browser();
        let body = json!({
            "username": "alice", "password": PASSWORD, "carrier": "cookie", "device": device,
        });
        let headers = [JSON, ("user-agent", agent.as_str())];
        let answer = browser.send_raw(Method::POST, "/login", &headers, body.to_string()).await;
        assert_eq!(answer.status, 200);
        self.canaries.given("cookie", browser.session_cookie());
        self.canaries.given("CSRF value", &browser.jar["XSRF-TOKEN"]);
        let whoami = browser.get("/whoami").await;
        let id = self.keep("GET /whoami", whoami)["session"]["id"].as_str().unwrap().to_owned();
        let ask = json!({ "audience": "posts-api" });
        let answer = browser.send(Method::POST, "/session/token", Some(ask)).await;
        let token = self.keep("POST /session/token", answer);
        self.canaries.given("page token", token["access_token"].as_str().unwrap());
        let (wrong, new) = (self.canaries.plant("Again"), self.canaries.plant("NewPassword"));
        for (path, body) in [
            ("/reauthenticate", json!({ "password": wrong })),
            ("/reauthenticate", json!({ "password": breaking(&wrong) })),
            ("/password", json!({ "current_password": wrong, "new_password": new })),
            ("/reauthenticate", json!({ "password": PASSWORD })),
        ] {
            let answer = browser.send(Method::POST, path, Some(body)).await;
            self.keep(path, answer);
        }
        self.canaries.given("renewed cookie", browser.session_cookie());
        self.canaries.given("renewed CSRF value", &browser.jar["XSRF-TOKEN"]);
        let rename = json!({ "device": self.canaries.plant("NewName") });
        for (method, path, body) in [
            (Method::GET, "/sessions".to_owned(), None),
            (Method::PATCH, format!("/sessions/{id}"), Some(rename)),
            (Method::DELETE, "/sessions".into(), None),
            (Method::DELETE, format!("/sessions/{}", self.canaries.plant("Path")), None),
            (Method::GET, "/account".into(), None),
        ] {
            let answer = browser.send(method, &path, body).await;
            self.keep("sessions", answer);
        }
        // The spent cookie, long after: theft, with an alarm in the log.
        let spent = format!("rescind-dev={}", browser.session_cookie());
        for _ in 0..2 {
            authority.clock.advance(std::time::Duration::from_secs(16 * 60));
            browser.get("/whoami").await;
            browser.get("/whoami").await;
            self.canaries.given("moved cookie", browser.session_cookie());
        }
        let answer = http.get("/whoami", &[("cookie", &spent)]).await;
        assert_eq!(answer.status, 401);
        self.keep("theft", answer);
        let answer = browser.post("/logout").await;
        self.keep("POST /logout", answer);
    }

    async fn oauth(&mut self, authority: &TestAuthority) {
        let http = authority.http();
        let tokens = http.sign_in("alice", PASSWORD).await;
        let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
        let first = text(&tokens, "refresh_token");
        self.canaries.given("refresh token", &first);
        self.canaries.given("access token", &text(&tokens, "access_token"));
        let key = self.canaries.plant("IdempotencyKey");
        let next = http.refresh(&first, Some(&key)).await;
        let next = self.keep("POST /token", next);
        self.canaries.given("second refresh token", &text(&next, "refresh_token"));
        self.canaries.given("second access token", &text(&next, "access_token"));
        authority.clock.advance(std::time::Duration::from_secs(60));
        let other = self.canaries.plant("OtherKey");
        let answer = http.refresh(&first, Some(&other)).await;
        self.keep("POST /token, spent", answer);
        let planted = self.canaries.plant("Token");
        for form in [
            [("grant_type", "refresh_token"), ("refresh_token", planted.as_str())],
            [("grant_type", planted.as_str()), ("refresh_token", "x")],
            [("client_id", planted.as_str()), ("grant_type", "refresh_token")],
            [("scope", planted.as_str()), ("audience", planted.as_str())],
        ] {
            let secret = format!("Basic {}", b64::encode(format!("posts-api:{planted}")));
            let headers: [Headers; 2] = [&[], &[("authorization", &secret)]];
            for headers in headers {
                let answer = http.post_form("/token", &form, headers).await;
                self.keep("POST /token", answer);
            }
        }
        let bearer = http.sign_in("alice", PASSWORD).await;
        let answer =
            http.send_as(Method::POST, "/logout/everywhere", &text(&bearer, "refresh_token")).await;
        self.keep("POST /logout/everywhere", answer);
    }

    async fn verifiers(&mut self, authority: &TestAuthority) {
        self.canaries.given("client secret", &authority.secret);
        let verifier = authority.verifier().await;
        let tokens = authority.http().sign_in("alice", PASSWORD).await;
        let access = tokens["access_token"].as_str().unwrap();
        self.canaries.given("checked token", access);
        verifier.check(access).unwrap();
        let planted = self.canaries.plant("BadToken");
        for bad in [planted.clone(), format!("a.{planted}.b"), format!("{access}{planted}")] {
            assert!(verifier.check(&bad).is_err());
        }
        let secret = self.canaries.plant("ClientSecret");
        let basic = format!("Basic {}", b64::encode(format!("{planted}:{secret}")));
        let query = format!("/v1/feed?epoch={planted}&from={planted}&instance={planted}");
        for path in ["/v1/snapshot", query.as_str()] {
            let answer = authority.http().get(path, &[("authorization", &basic)]).await;
            self.keep(path, answer);
        }
    }

    async fn pages(&mut self, authority: &TestAuthority) {
        let http = authority.http();
        let mut browser = http.browser();
        let page = browser.get("/signin").await.text();
        let value = page.split("name=\"form_value\" value=\"").nth(1).unwrap();
        let value = value.split('"').next().unwrap().to_owned();
        self.canaries.given("form value", &value);
        self.canaries.given("sign-in cookie", &browser.jar["rescind-dev-sign-in"]);
        let (password, name) = (self.canaries.plant("PagePassword"), "mallory");
        for (password, next) in [(password.as_str(), "/account"), (PASSWORD, password.as_str())] {
            let form = encode(&[
                ("username", name),
                ("password", password),
                ("form_value", &value),
                ("next", next),
            ]);
            let answer = browser.send_raw(Method::POST, "/signin", &[FORM], form).await;
            self.keep("POST /signin", answer);
        }
        let planted = self.canaries.plant("FormField");
        for path in ["logout", "logout-everywhere", "sessions/end", "sessions/end-others"] {
            let path = format!("/account/{path}");
            let form = encode(&[("csrf", &planted), ("session", &planted)]);
            let answer = browser.send_raw(Method::POST, &path, &[FORM], form).await;
            self.keep(&path, answer);
        }
    }

    async fn administration(&mut self, authority: &TestAuthority) {
        let door = Door::to_administration(authority.app.clone()).await;
        let password = self.canaries.plant("AdminPassword");
        for password in [password.clone(), breaking(&password)] {
            let body = json!({ "username": "carol", "password": password, "roles": ["author"] });
            let answer = door.http.post_json("/admin/users", &body).await;
            self.keep("POST /admin/users", answer);
        }
        let client = json!({ "client_id": "c", "audiences": ["c"], "permissions": ["feed"] });
        let answer = door.http.post_json("/admin/clients", &client).await;
        let made = self.keep("POST /admin/clients", answer);
        self.canaries.given("new client secret", made["client_secret"].as_str().unwrap());
        let planted = self.canaries.plant("Revoked");
        for body in
            [json!({ "user": planted }), json!({ "session": planted }), json!({ "x": planted })]
        {
            let answer = door.http.post_json("/admin/revoke", &body).await;
            self.keep("POST /admin/revoke", answer);
        }
        let state = json!({ "state": planted });
        let path = format!("/admin/users/{planted}/state");
        let answer = door.http.post_json(&path, &state).await;
        self.keep("POST /admin/users/…/state", answer);
        for path in ["/admin/users", "/admin/clients", "/healthz", "/readyz"] {
            let answer = door.http.get(path, &[]).await;
            self.keep(path, answer);
        }
    }

    /// Every route with a canary in every header, the query and the body.
    async fn everywhere(&mut self, authority: &TestAuthority) {
        let names = [
            "authorization",
            "cookie",
            "x-xsrf-token",
            "user-agent",
            "referer",
            "origin",
            "host",
            "idempotency-key",
            "x-forwarded-for",
            "accept",
            "x-correlation-id",
            "x-request-id",
            "traceparent",
        ];
        let planted: Vec<(&str, String)> = names
            .iter()
            .map(|name| {
                let mark = self.canaries.plant(&name.replace('-', ""));
                let value = match *name {
                    "authorization" => format!("Bearer {mark}"),
                    "cookie" => format!("rescind-dev={mark}; rescind-dev-sign-in={mark}"),
                    _ => mark,
                };
                (*name, value)
            })
            .collect();
        let (query, body) = (self.canaries.plant("Query"), self.canaries.plant("Body"));
        let json = json!({ "username": body, "audience": body, "device": body }).to_string();
        let form = encode(&[("csrf", &body), ("session", &body), ("refresh_token", &body)]);
        for (method, path) in crate::support::ROUTES {
            let headers: Vec<_> = planted.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let path = format!("{path}?q={query}&next={query}&done={query}");
            for (kind, body) in [(JSON, &json), (FORM, &form)] {
                for headers in [
                    vec![kind],
                    [&headers[..1], &[kind]].concat(),
                    [&headers[1..], &[kind]].concat(),
                ] {
                    let answer =
                        authority.http().send(method.clone(), &path, &headers, body.clone()).await;
                    self.keep(&path, answer);
                }
            }
        }
        let method = Method::from_bytes(self.canaries.plant("METHOD").as_bytes()).unwrap();
        for path in ["/whoami", "/nowhere"] {
            let answer = authority.http().send(method.clone(), path, &[], "").await;
            self.keep("a method of one's own", answer);
        }
        let path = format!("/{query}/{query}?access_token={query}");
        let answer = authority.http().get(&path, &[]).await;
        self.keep("GET /…", answer);
    }
}

async fn toured() -> Tour {
    let authority = quick_with(|config| config.settings.throttle.address.free = 1000).await;
    authority.person("alice").await;
    authority.person("mallory").await;
    let permissions = vec![Permission::Feed];
    authority
        .app
        .authority
        .add_client("quiet", vec!["quiet".into()], permissions, &operator())
        .await
        .unwrap();
    Tour::of(&authority).await
}

// G02 G03 L22
#[tokio::test(flavor = "multi_thread")]
async fn no_log_line_and_no_error_holds_what_was_sent_or_given() {
    let tour = toured().await;
    let text = log().text();
    assert_eq!(tour.canaries.found_in(&text), Vec::<&str>::new());
    assert!(tour.metrics.contains("rescind_requests_total{"), "{}", tour.metrics);
    assert_eq!(tour.canaries.found_in(&tour.metrics), Vec::<&str>::new());
    for (what, answer) in tour.answers.iter().filter(|(_, a)| !a.status.is_success()) {
        let told = format!("{:?} {}", answer.headers, answer.text());
        let mut found = tour.canaries.found_in(&told);
        if what == "POST /signin" {
            // The form is shown again, with its own value and cookie: to whom they were given.
            found.retain(|n| !n.starts_with("form value") && !n.starts_with("sign-in cookie"));
        }
        assert_eq!(found, Vec::<&str>::new(), "{what}: {told}");
    }
    let statuses: std::collections::BTreeSet<u16> =
        tour.answers.iter().map(|(_, a)| a.status.as_u16()).collect();
    for status in [200, 204, 303, 400, 401, 403, 404] {
        assert!(statuses.contains(&status), "the tour meets {status}: {statuses:?}");
    }

    // One event is one line, and each is one that the server meant: no forged one, no control
    // character, and the events that must be there.
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no event: {line}")))
        .collect();
    let has = |event: &str| lines.iter().any(|line| line["event"] == event);
    for event in ["request", "signed_in", "sign_in_failed", "refreshed", "credential_reuse"] {
        assert!(has(event), "{event}");
    }
    assert!(!has("forged"));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
}

// G02 G03
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_is_logged_on_purpose_is_found_in_every_disguise() {
    crate::support::log();
    let mut canaries = Canaries(Vec::new());
    let secret = canaries.plant("OnPurpose");
    assert_eq!(canaries.found_in(&log().text()), Vec::<&str>::new());
    for (n, disguise) in disguises(secret.as_bytes()).into_iter().enumerate() {
        let mut one = Canaries(Vec::new());
        let mark = format!("purpose{n}");
        tracing::info!(event = "planted", mark, value = %format!("before {disguise} after"));
        let line = log().events_with(&mark)[0].to_string();
        one.0.push(("OnPurpose".into(), disguises(secret.as_bytes())));
        assert_eq!(one.found_in(&line), ["OnPurpose"], "{line}");
    }
    for carried in [
        b64::encode(format!("a{secret}b")),
        b64::encode(format!("ab{secret}c")),
        b64::encode(format!("abc{secret}d")),
        format!("{:?}", secret.as_bytes()),
        format!("{:?}", breaking(&secret)),
        secret.to_uppercase(),
    ] {
        assert_eq!(canaries.found_in(&carried), ["OnPurpose"], "{carried}");
    }
    let line = "forged1line";
    tracing::info!(event = "planted", name = breaking(line));
    assert_eq!(
        log().events_with(line).len(),
        1,
        "a name that breaks lines is one event in one line"
    );
}
