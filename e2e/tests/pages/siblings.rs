//! The cookies of production in a real browser: behind TLS, beside domains of the same site and others.

use rescind_e2e::browser::{END, LOG_OUT, sign_in_at};
use rescind_e2e::driver::{Driver, Look};
use rescind_e2e::page::Page;
use rescind_e2e::realm::{Realm, USER};
use rescind_e2e::site::serve;
use rescind_e2e::tls::Front;
use serde_json::{Value, json};
use std::net::SocketAddr;

const SESSION: &str = "__Host-rescind";

struct Scene {
    realm: Realm,
    page: Page,
    _driver: Driver,
}

impl Scene {
    async fn new() -> Self {
        let (realm, driver) = (Realm::start_behind_tls().await, Driver::start());
        let page = driver.browser(Look::DESKTOP).await;
        Self { realm, page, _driver: driver }
    }

    async fn sign_in(&self) {
        sign_in_at(&self.page, &self.realm.issuer, USER, &self.realm.password).await;
    }

    fn account(&self) -> String {
        format!("{}/account", self.realm.issuer)
    }

    async fn cookie(&self, name: &str) -> Option<Value> {
        self.page.cookies().await.into_iter().find(|cookie| cookie["name"] == name)
    }
}

/// Somebody's page with these cookies at this name; gives its origin.
async fn site(name: &str, html: &str, cookies: Vec<String>) -> String {
    let (front, port) = (Front::bind().await, serve(html.to_owned(), cookies).await);
    let origin = format!("https://{name}:{}", front.port);
    front.carry_to(SocketAddr::from(([127, 0, 0, 1], port)));
    origin
}

// C01 C09 C12
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_holds_the_session_for_this_host_over_tls_alone_until_the_logout() {
    let scene = Scene::new().await;
    scene.sign_in().await;
    let session = scene.cookie(SESSION).await.unwrap();
    for (member, expected) in [
        ("secure", json!(true)),
        ("httpOnly", json!(true)),
        ("sameSite", json!("Strict")),
        ("path", json!("/")),
        ("domain", json!("auth.example.test")),
        ("expiry", Value::Null),
    ] {
        assert_eq!(session[member], expected, "{member}");
    }
    for cookie in scene.page.cookies().await {
        assert_eq!((&cookie["secure"], &cookie["sameSite"]), (&json!(true), &json!("Strict")));
        let [name, value] = ["name", "value"].map(|member| cookie[member].as_str().unwrap().len());
        assert!(name + value < 200, "{cookie}");
    }
    scene.page.click(LOG_OUT).await;
    scene.page.wait_for(".notice", "You are signed out.").await;
    for name in [SESSION, "XSRF-TOKEN"] {
        assert_eq!(scene.cookie(name).await, None);
    }
}

// C03 C04 C05
#[tokio::test(flavor = "multi_thread")]
async fn a_sibling_domain_plants_no_session_and_disturbs_none() {
    let scene = Scene::new().await;
    let bob = scene.realm.person("bob");
    let mut his = scene.realm.http().browser();
    let body = json!({ "username": "bob", "password": bob, "carrier": "cookie" }).to_string();
    let headers = [("content-type", "application/json")];
    let answer = his.send_raw(http::Method::POST, "/login", &headers, body).await;
    let value = answer.cookie(SESSION).unwrap();
    let everywhere = "Domain=example.test; Secure; Path=/";
    let planted = [
        "__Host-rescind",
        "__host-rescind",
        "=__Host-rescind",
        "\u{2000}__Host-rescind",
        "__Host-rescind\u{2000}",
        "%5F%5FHost-rescind",
        "rescind-dev",
    ];
    let mut lines: Vec<String> =
        planted.iter().map(|name| format!("{name}={value}; {everywhere}")).collect();
    lines.push(format!("__Host-rescind={value}; Domain=example.test; Secure; Path=/account"));
    lines.push(format!("__Host-rescind={value}; Secure; Path=/"));
    let sibling = site("blog.example.test", "", lines).await;

    scene.page.open(&sibling).await;
    scene.page.open(&scene.account()).await;
    scene.page.wait_for("h1", "Sign in").await;
    assert!(scene.cookie("rescind-dev").await.is_some(), "some were planted, in vain");
    scene.sign_in().await;
    scene.page.open(&sibling).await;
    scene.page.open(&scene.account()).await;
    scene.page.wait_for("main", &format!("Signed in as {USER}")).await;
}

// X03
#[tokio::test(flavor = "multi_thread")]
async fn a_csrf_cookie_planted_by_a_sibling_domain_opens_nothing_and_breaks_nothing() {
    let scene = Scene::new().await;
    scene.realm.http().sign_in(USER, &scene.realm.password).await;
    scene.sign_in().await;
    let form = format!(
        "<form method=post action={}/account/logout><input name=csrf value=planted><button>go",
        scene.realm.issuer
    );
    let lines = ["/", "/account"]
        .map(|path| format!("XSRF-TOKEN=planted; Domain=example.test; Path={path}"));
    let sibling = site("blog.example.test", &form, lines.into()).await;
    scene.page.open(&sibling).await;
    scene.page.click("button").await;
    scene.page.wait_for("main", "Status 403").await;
    scene.page.open(&scene.account()).await;
    let planted = scene.page.script("return document.cookie").await;
    assert!(planted.as_str().unwrap().contains("XSRF-TOKEN=planted"), "{planted}");
    // The page's own forms carry its own value.
    scene.page.click(END).await;
    scene.page.wait_for(".notice", "That session is over").await;
}

// C01
#[tokio::test(flavor = "multi_thread")]
async fn a_link_from_another_site_arrives_signed_out_and_one_from_here_signed_in() {
    let scene = Scene::new().await;
    scene.sign_in().await;
    for host in ["www.other.test", "blog.example.test"] {
        let link = format!("<a href={}>account</a>", scene.account());
        scene.page.open(&site(host, &link, Vec::new()).await).await;
        scene.page.click("a").await;
        match host {
            "www.other.test" => {
                // No cookie came along, so that nobody else's page acts for her; none was lost.
                scene.page.wait_for("h1", "Sign in").await;
                scene.page.open(&scene.account()).await;
            }
            _ => scene.page.arrives_at("/account").await,
        }
        scene.page.wait_for("main", &format!("Signed in as {USER}")).await;
    }
}

// X12
#[tokio::test(flavor = "multi_thread")]
async fn no_other_page_frames_one_of_these_or_keeps_hold_of_its_window() {
    let scene = Scene::new().await;
    scene.sign_in().await;
    let issuer = &scene.realm.issuer;
    let harmless = site("www.other.test", "Sign up", Vec::new()).await;
    for host in ["www.other.test", "blog.example.test"] {
        let html = format!(
            "<iframe src={harmless}></iframe>
             <iframe src={issuer}/account></iframe><iframe src={issuer}/signin></iframe>
             <button onclick=\"held = window.open('{issuer}/signin')\">open</button>"
        );
        scene.page.open(&site(host, &html, Vec::new()).await).await;
        for (frame, shows) in [(0, true), (1, false), (2, false)] {
            scene.page.enter_frame(Some(frame)).await;
            let text = scene.page.text().await;
            assert_eq!(text.contains("Sign"), shows, "frame {frame} of {host} shows: {text}");
            scene.page.enter_frame(None).await;
        }
        scene.page.click("button").await;
        scene.page.holds("held.closed").await;
    }
}
