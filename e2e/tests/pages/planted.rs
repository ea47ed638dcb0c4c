//! Plain HTTP on this machine, where another program's page on another port shares the cookies.

use rescind_e2e::browser::{END, sign_in_at};
use rescind_e2e::driver::{Driver, Look};
use rescind_e2e::page::Page;
use rescind_e2e::realm::{Realm, USER};
use rescind_e2e::site::{URLENCODED, form, serve};

const SESSION: &str = "rescind-dev";

struct Scene {
    realm: Realm,
    bob: String,
    page: Page,
    _driver: Driver,
}

impl Scene {
    /// Alice is signed in, here and elsewhere.
    async fn new() -> Self {
        let (realm, driver) = (Realm::start(&[]).await, Driver::start());
        let page = driver.browser(Look::DESKTOP).await;
        let bob = realm.person("bob");
        realm.http().sign_in(USER, &realm.password).await;
        sign_in_at(&page, &realm.issuer, USER, &realm.password).await;
        Self { realm, bob, page, _driver: driver }
    }

    /// Goes to another port, whose page sets these cookies.
    async fn plant(&self, html: &str, cookies: Vec<String>) {
        let port = serve(html.to_owned(), cookies).await;
        self.page.open(&format!("http://127.0.0.1:{port}/")).await;
    }

    /// What the account page shows.
    async fn account(&self) -> String {
        self.page.open(&format!("{}/account", self.realm.issuer)).await;
        self.page.text().await
    }

    async fn alice_is_signed_in(&self) {
        let text = self.account().await;
        assert!(text.contains(&format!("Signed in as {USER}")), "{text}");
    }
}

// C03 C04
#[tokio::test(flavor = "multi_thread")]
async fn a_session_planted_beside_the_true_one_is_refused_and_said() {
    let scene = Scene::new().await;
    let mut his = scene.realm.http().browser();
    let value = his.sign_in("bob", &scene.bob).await.cookie(SESSION).unwrap();
    let other_names = ["__Host-rescind", "Rescind-Dev", "rescind-dev2", "%72escind-dev"];
    let ignored = other_names.map(|name| format!("{name}={value}; Path=/account"));
    scene.plant("", ignored.into()).await;
    scene.alice_is_signed_in().await;

    scene.plant("", vec![format!("{SESSION}={value}; Path=/account")]).await;
    let text = scene.account().await;
    assert!(text.contains("Two cookies of one name"), "{text}");
    assert!(!text.contains("Signed in as"), "{text}");
    // Whoever takes the planted one away has lost nothing.
    scene.plant("", vec![format!("{SESSION}=; Path=/account; Max-Age=0")]).await;
    scene.alice_is_signed_in().await;
}

// C08
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_cookies_is_said_and_signs_nobody_out() {
    let scene = Scene::new().await;
    let many = || (0..60).map(|n| (format!("n{n}"), "1".to_owned()));
    let large = || (0..3).map(|n| (format!("l{n}"), "x".repeat(4000)));
    let floods: [Vec<(String, String)>; 2] = [many().collect(), large().collect()];
    for flood in floods {
        let planted = flood.iter().map(|(name, value)| format!("{name}={value}; Path=/"));
        scene.plant("", planted.collect()).await;
        let text = scene.account().await;
        assert!(text.contains("clear the cookies of this site"), "{text}");
        assert!(text.contains("Status 431"), "{text}");
        let gone = flood.iter().map(|(name, _)| format!("{name}=; Path=/; Max-Age=0"));
        scene.plant("", gone.collect()).await;
        scene.alice_is_signed_in().await;
    }
}

// X03
#[tokio::test(flavor = "multi_thread")]
async fn a_planted_csrf_cookie_opens_nothing_and_breaks_nothing() {
    let scene = Scene::new().await;
    let action = format!("{}/account/logout", scene.realm.issuer);
    let html = form("leave", URLENCODED, &action, &[("csrf", "planted")]);
    let planted = ["/", "/account"].map(|path| format!("XSRF-TOKEN=planted; Path={path}"));
    scene.plant(&html, planted.into()).await;
    scene.page.click("#leave").await;
    scene.page.wait_for("main", "Status 403").await;
    scene.alice_is_signed_in().await;
    scene.page.click(END).await;
    scene.page.wait_for(".notice", "That session is over").await;
}

// X06
#[tokio::test(flavor = "multi_thread")]
async fn a_planted_sign_in_cookie_with_its_own_form_signs_nobody_in() {
    let scene = Scene::new().await;
    let name = "rescind-dev-sign-in";
    let mine = scene.realm.http().get("/signin", &[]).await;
    let (cookie, text) = (mine.cookie(name).unwrap(), mine.text());
    let (_, rest) = text.split_once("name=\"form_value\" value=\"").unwrap();
    let (value, _) = rest.split_once('"').unwrap();
    let fields = [("username", "bob"), ("password", scene.bob.as_str()), ("form_value", value)];
    let html = form("signin", URLENCODED, &format!("{}/signin", scene.realm.issuer), &fields);
    scene.plant(&html, vec![format!("{name}={cookie}; Path=/")]).await;
    scene.page.click("#signin").await;
    scene.page.wait_for("main", "Status 403").await;
    scene.alice_is_signed_in().await;
}
