//! Pages of other origins that send requests to the authority, in a browser that is signed in.

use rescind_e2e::browser::sign_in_at;
use rescind_e2e::driver::{Driver, Look};
use rescind_e2e::page::Page;
use rescind_e2e::realm::{Realm, USER};
use rescind_e2e::site::{PLAIN, URLENCODED, form, serve};
use rescind_e2e::tls::Front;
use rescind_e2e::wait::until;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// What an attacker may know: even a password and the id of a session gain nothing.
struct Known<'a> {
    issuer: &'a str,
    alice: &'a str,
    bob: &'a str,
    session: &'a str,
}

/// Every act that a cookie opens, as forms; and those that begin a session.
fn forms(known: &Known<'_>) -> Vec<(&'static str, String)> {
    let Known { issuer, alice, bob, session } = known;
    let text = |id: &'static str, path: &str, value: &Value| {
        // One field whose name and value spell the JSON, with an `=` inside a string.
        let json = value.to_string();
        let start = format!("{},\"x\":\"", json.trim_end_matches('}'));
        (id, form(id, PLAIN, &format!("{issuer}{path}"), &[(&start, "\"}")]))
    };
    let posted = |id: &'static str, path: &str, fields: &[(&str, &str)]| {
        (id, form(id, URLENCODED, &format!("{issuer}{path}"), fields))
    };
    let one = format!("/sessions/{session}");
    vec![
        text("json", "/login", &json!({ "username": "bob", "password": bob, "carrier": "cookie" })),
        text("again", "/reauthenticate", &json!({ "password": alice })),
        text(
            "password",
            "/password",
            &json!({ "current_password": alice, "new_password": "chosen by somebody else" }),
        ),
        text("token", "/session/token", &json!({ "audience": "posts-api" })),
        posted("login", "/login", &[("username", "bob"), ("password", bob)]),
        posted(
            "signin",
            "/signin",
            &[("username", "bob"), ("password", bob), ("form_value", "x"), ("next", "/account")],
        ),
        posted("logout", "/logout", &[("csrf", "x")]),
        posted("everywhere", "/logout/everywhere", &[]),
        posted("leave", "/account/logout", &[("csrf", "x")]),
        posted("leave-everywhere", "/account/logout-everywhere", &[("csrf", "x")]),
        posted("end", "/account/sessions/end", &[("csrf", "x"), ("session", session)]),
        posted("others", "/account/sessions/end-others", &[("csrf", "x")]),
        posted("delete", &one, &[("_method", "DELETE"), ("csrf", "x")]),
    ]
}

struct Attack {
    realm: Realm,
    page: Page,
    forms: Vec<(&'static str, String)>,
    /// Origins of the attacker's page: one of the authority's own site, and one of another.
    origins: [String; 2],
    _driver: Driver,
}

impl Attack {
    /// Plain HTTP on this machine: the same host by another port shares the cookies.
    async fn on_loopback() -> Self {
        let mut attack = Self::prepare(Realm::start(&[]).await).await;
        let port = serve(attack.html(), Vec::new()).await;
        attack.origins = ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{port}"));
        attack
    }

    /// As in production: a sibling domain is of the same site.
    async fn behind_tls() -> Self {
        let mut attack = Self::prepare(Realm::start_behind_tls().await).await;
        let (front, port) = (Front::bind().await, serve(attack.html(), Vec::new()).await);
        let names = ["blog.example.test", "www.other.test"];
        attack.origins = names.map(|name| format!("https://{name}:{}", front.port));
        front.carry_to(SocketAddr::from(([127, 0, 0, 1], port)));
        attack
    }

    /// Alice is signed in here and elsewhere.
    async fn prepare(realm: Realm) -> Self {
        let bob = realm.person("bob");
        let elsewhere = realm.http().sign_in(USER, &realm.password).await;
        let session = elsewhere["session"]["id"].as_str().unwrap();
        let issuer = realm.issuer.as_str();
        let known = Known { issuer, alice: &realm.password, bob: &bob, session };
        let (forms, driver) = (forms(&known), Driver::start());
        let page = driver.browser(Look::DESKTOP).await;
        sign_in_at(&page, &realm.issuer, USER, &realm.password).await;
        Self { realm, page, forms, origins: Default::default(), _driver: driver }
    }

    fn html(&self) -> String {
        self.forms.iter().map(|(_, html)| html.as_str()).collect()
    }

    /// Sends one of the forms; gives what the browser then shows.
    async fn send(&self, origin: &str, id: &str) -> String {
        self.page.open(origin).await;
        self.page.click(&format!("#{id}")).await;
        until("the form's answer as a page (a 204 shows none)", async || {
            self.page.address().await.starts_with(&self.realm.issuer).then_some(())
        })
        .await;
        self.page.text().await
    }

    /// Alice, and nobody else, is still signed in, here and elsewhere, by her old password.
    async fn nothing_happened(&self, what: &str) {
        self.page.open(&format!("{}/account", self.realm.issuer)).await;
        let text = self.page.text().await;
        assert!(text.contains(&format!("Signed in as {USER}")), "{what}: {text}");
        assert!(text.contains("End all others"), "{what}: {text}");
    }

    async fn forms_do_nothing(&self) {
        for origin in &self.origins {
            for (id, _) in &self.forms {
                let shown = self.send(origin, id).await;
                // From another site no cookie comes along; the answer must not take it away either.
                assert!(
                    ["401", "403", "405", "415"].iter().any(|status| shown.contains(status)),
                    "{id} from {origin} shows: {shown}"
                );
                self.nothing_happened(&format!("{id} from {origin}")).await;
            }
        }
        self.realm.http().sign_in(USER, &self.realm.password).await;
    }
}

// X01 X04 X06 X08 X09
#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_port_or_host_name_signs_nobody_in_or_out() {
    Attack::on_loopback().await.forms_do_nothing().await;
}

// X01 X04 X06 X08 X09
#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_a_sibling_domain_or_another_site_signs_nobody_in_or_out() {
    Attack::behind_tls().await.forms_do_nothing().await;
}

/// Asks for this in each mode, with cookies; gives what could be read, or that it was refused.
fn fetches(issuer: &str, body: &Value) -> String {
    format!(
        "if (!(await fetch('/')).ok) throw 'a page reads its own origin';
        const asked = [
            ['GET', '/whoami'], ['GET', '/sessions'], ['GET', '/account'], ['POST', '/logout'],
            ['POST', '/account/logout-everywhere'], ['POST', '/session/token', 'application/json'],
            ['POST', '/password', 'application/json'], ['POST', '/password', 'text/plain'],
            ['DELETE', '/sessions'],
        ];
        const told = [];
        for (const [method, path, type] of asked) for (const mode of ['cors', 'no-cors']) {{
            const headers = type ? {{ 'content-type': type, 'x-xsrf-token': 'x' }} : {{}};
            const body = method === 'POST' ? '{body}' : undefined;
            const options = {{ method, mode, headers, body, credentials: 'include' }};
            const answer = await fetch('{issuer}' + path, options).catch(() => null);
            if (answer) told.push([method, path, mode, answer.type, await answer.text()]);
        }}
        return told;"
    )
}

// X04 X10 X12
#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_another_origin_reads_nothing_and_changes_nothing() {
    for attack in [Attack::on_loopback().await, Attack::behind_tls().await] {
        let alice = &attack.realm.password;
        let change =
            json!({ "current_password": alice, "new_password": "chosen by somebody else" });
        let script = fetches(&attack.realm.issuer, &change);
        for origin in &attack.origins {
            attack.page.open(origin).await;
            let told = attack.page.asynchronously(&script).await;
            assert_eq!(told, json!([]), "{origin} has got an answer");
            attack.nothing_happened(&format!("fetch from {origin}")).await;
        }
        attack.realm.http().sign_in(USER, alice).await;
    }
}
