//! Every page in every state, at a desk and on a telephone, light and dark: what axe-core says of it, and
//! whether it fits. Pictures of all of them are in `target/e2e/`.

use rescind_e2e::axe::violations;
use rescind_e2e::browser::{END, LOG_OUT, RELOAD, sign_in_here};
use rescind_e2e::demo::Demo;
use rescind_e2e::driver::{Driver, Look};
use rescind_e2e::page::Page;
use rescind_e2e::realm::Realm;
use serde_json::{Value, json};

/// As long as people have them, without a place to break.
const NAME: &str =
    "maximiliane-alexandra.von-und-zu-hohenstein-wittgenstein@buergermeisteramt.example.com";

const LESS_MOTION: (&str, &str) = ("prefers-reduced-motion", "reduce");

/// What does not fit across the window, by tag and class.
const TOO_WIDE: &str = "
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('body *')]
        .filter((element) => element.getBoundingClientRect().right > width)
        .map((element) => `${element.localName}.${element.className}`);";

/// One browser on its way through the pages.
struct Tour {
    page: Page,
    look: Look,
    kind: &'static str,
    /// Widths at which the page must fit as well, in CSS pixels: what is left at a desk at twice and four
    /// times the size, and a small telephone.
    narrower: &'static [u32],
    found: Vec<String>,
}

impl Tour {
    /// Judges the page that is shown now.
    async fn stop(&mut self, name: &str) {
        let name = format!("{name}-{}", self.kind);
        for scheme in ["light", "dark"] {
            // Without motion, or the colours would still be on their way from the other scheme.
            self.prefer(&[("prefers-color-scheme", scheme), LESS_MOTION]).await;
            let wrong = violations(&self.page).await;
            self.found.extend(wrong.iter().map(|line| format!("{name} {scheme}: {line}")));
            self.page.picture(&format!("{name}-{scheme}")).await;
        }
        self.fits(&name).await;
        for width in self.narrower {
            self.page.resize(self.look.of_width(*width)).await;
            self.fits(&format!("{name} at {width} pixels")).await;
        }
        self.page.resize(self.look).await;
        self.enlarge("200%").await;
        self.fits(&format!("{name} in large letters")).await;
        self.enlarge("").await;
    }

    async fn prefer(&self, features: &[(&str, &str)]) {
        let all = features.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        let features = json!({ "features": all.collect::<Vec<_>>() });
        self.page.devtools("Emulation.setEmulatedMedia", features).await;
    }

    async fn enlarge(&self, size: &str) {
        let script = format!("document.documentElement.style.fontSize = '{size}'");
        self.page.script(&script).await;
    }

    async fn fits(&mut self, what: &str) {
        let wide = self.page.script(TOO_WIDE).await;
        if wide != json!([]) {
            self.found.push(format!("{what} is too wide: {wide}"));
        }
    }
}

/// More sessions of this person, on devices whose names are as bad as names get.
async fn fill(realm: &Realm, password: &str) {
    let agents = [
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1",
        "AReallyLongAgentOfSomeProgramThatHasNoBlankAnywhereInItsName/1.0",
        "",
    ];
    let wide = "W".repeat(60);
    let devices = [None, Some("הטלפון של ליאור"), Some(wide.as_str()), Some("Küche & Bad <hell>")];
    for device in devices {
        for (number, agent) in agents.iter().enumerate() {
            let body = json!({
                "username": NAME, "password": password, "carrier": "token", "device": device,
            });
            let address = format!("2001:db8:85a3:8d3:1319:8a2e:370:{number:x}734");
            let headers = [
                ("content-type", "application/json"),
                ("user-agent", *agent),
                ("x-forwarded-for", address.as_str()),
            ];
            let body = body.to_string();
            let answer = realm.http().send(http::Method::POST, "/login", &headers, body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
}

async fn sign_in_and_account(tour: &mut Tour) {
    let realm = Realm::start(&["--trusted-proxy", "127.0.0.1"]).await;
    let password = realm.person(NAME);
    realm.cli(&["user", "roles", NAME, "--role", "editor", "--role", &"owner-".repeat(10)]);
    tour.page.open(&realm.issuer).await;
    tour.stop("sign-in").await;
    sign_in_here(&tour.page, NAME, "not the password").await;
    tour.page.wait_for("[role=alert]", "Name or password is wrong").await;
    tour.stop("sign-in-wrong").await;
    tour.page.fill("#password", &password).await;
    tour.page.click("main form button").await;
    tour.page.wait_for("h1", "Your account").await;
    tour.stop("account-new").await;

    fill(&realm, &password).await;
    tour.page.open(&realm.issuer).await;
    tour.page.wait_for("main", "End all others").await;
    tour.page.wait_for(".cards li:first-child", "This one").await;
    tour.stop("account-many").await;
    tour.page.click(END).await;
    tour.page.wait_for(".notice", "That session is over").await;
    tour.stop("account-ended").await;

    let session = format!("document.querySelector(\"{END}\").form.elements");
    tour.page.script(&format!("{session}.session.value = 'gone'")).await;
    tour.page.click(END).await;
    tour.page.wait_for("main", "Status 404").await;
    tour.stop("message-not-found").await;
    tour.page.click("main a").await;
    tour.page.script(&format!("{session}.csrf.value = 'old'")).await;
    tour.page.click(END).await;
    tour.page.wait_for("main", "Status 403").await;
    tour.stop("message-old-form").await;

    tour.page.open(&format!("{}/account", realm.issuer)).await;
    tour.page.click(LOG_OUT).await;
    tour.page.wait_for(".notice", "You are signed out.").await;
    tour.stop("signed-out").await;
    let body = json!({ "username": NAME, "password": "not the password", "carrier": "token" });
    while realm.http().post_json("/login", &body).await.status != 429 {}
    sign_in_here(&tour.page, NAME, "not the password").await;
    // The wait may be over before the browser is there; each failure makes the next one longer.
    while !tour.page.wait_for("[role=alert]", ".").await.contains("Too many attempts. Wait ") {
        tour.page.fill("#password", "not the password").await;
        tour.page.click("main form button").await;
    }
    tour.stop("sign-in-wait").await;
}

async fn demo(tour: &mut Tour) {
    let demo = Demo::start();
    let (name, password) = demo.alice();
    tour.page.open(demo.say("/page")).await;
    sign_in_here(&tour.page, name, password).await;
    tour.page.wait_for("#posts", "My first post.").await;
    tour.page.fill("#title", &"Donaudampfschiff".repeat(12)).await;
    tour.page.fill("#body", "Written in a browser,\nin two lines.").await;
    tour.page.click("#add button").await;
    tour.page.wait_for("#posts", "in two lines.").await;
    tour.page.click("summary").await;
    tour.stop("demo").await;

    let block = json!({ "urls": [format!("*:{}/*", demo.api_port)] });
    tour.page.devtools("Network.enable", json!({})).await;
    tour.page.devtools("Network.setBlockedURLs", block).await;
    tour.page.click(RELOAD).await;
    tour.page.wait_for("#notice", "Could not reach the posts server").await;
    tour.stop("demo-unreachable").await;
    tour.page.devtools("Network.setBlockedURLs", json!({ "urls": [] })).await;

    let token = demo.authority().sign_in(name, password).await;
    let refresh = token["refresh_token"].as_str().unwrap();
    let ended = demo.authority().send_as(http::Method::DELETE, "/sessions", refresh).await;
    assert_eq!(ended.status, 200, "{}", ended.text());
    tour.page.click(RELOAD).await;
    tour.page.wait_for("#notice", "You were signed out").await;
    tour.stop("demo-signed-out").await;
}

async fn everywhere(look: Look, kind: &'static str, narrower: &'static [u32]) {
    let driver = Driver::start();
    let page = driver.browser(look).await;
    let mut tour = Tour { page, look, kind, narrower, found: Vec::new() };
    sign_in_and_account(&mut tour).await;
    demo(&mut tour).await;
    assert!(tour.found.is_empty(), "{}", tour.found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_desk_every_page_is_for_everybody_and_fits_at_twice_and_four_times_the_size() {
    everywhere(Look::DESKTOP, "desktop", &[640, 320]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_telephone_every_page_is_for_everybody_and_fits() {
    everywhere(Look::PHONE, "phone", &[320]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_for_whoever_asks_for_less_motion() {
    let (realm, driver) = (Realm::start(&[]).await, Driver::start());
    let page = driver.browser(Look::DESKTOP).await;
    let look = Look::DESKTOP;
    let tour = Tour { page, look, kind: "desktop", narrower: &[], found: Vec::new() };
    let moving = "return [...document.querySelectorAll('*')].filter((element) => {
        const { transitionDuration, animationName } = getComputedStyle(element);
        return transitionDuration !== '0s' || animationName !== 'none';
    }).length";
    tour.page.open(&realm.issuer).await;
    assert_ne!(tour.page.script(moving).await, 0);
    tour.prefer(&[LESS_MOTION]).await;
    assert_eq!(tour.page.script(moving).await, Value::from(0));
}
