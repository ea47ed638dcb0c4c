//! Without JavaScript, and without a mouse.

use rescind_e2e::browser::{END, sign_in_here, sign_in_to_account};
use rescind_e2e::demo::Demo;
use rescind_e2e::driver::{Driver, Look};
use rescind_e2e::page::Page;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const SPACE: &str = " ";

#[tokio::test(flavor = "multi_thread")]
async fn without_javascript_a_person_signs_in_ends_a_session_and_logs_out() {
    let (demo, driver) = (Demo::start(), Driver::start());
    let other = driver.browser(Look::DESKTOP).await;
    sign_in_to_account(&other, &demo).await;

    let page = driver.browser(Look::PHONE.without_script()).await;
    page.open(&demo.issuer()).await;
    sign_in_here(&page, demo.alice().0, "not the password").await;
    page.wait_for("[role=alert]", "Name or password is wrong").await;
    page.fill("#password", demo.alice().1).await;
    page.click("main form button").await;
    page.wait_for("h1", "Your account").await;
    page.click(END).await;
    page.wait_for(".notice", "That session is over").await;
    other.open(&format!("{}/account", demo.issuer())).await;
    other.wait_for("h1", "Sign in").await;

    page.open(demo.say("/page")).await;
    page.wait_for("main", "needs JavaScript").await;
    page.picture("demo-without-script-phone").await;
    page.click("nav form button").await;
    page.wait_for(".notice", "You are signed out.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough() {
    let (demo, driver) = (Demo::start(), Driver::start());
    let page = driver.browser(Look::DESKTOP).await;
    let (name, password) = demo.alice();
    let elsewhere = demo.authority().sign_in(name, password).await;
    let elsewhere = elsewhere["refresh_token"].as_str().unwrap();
    page.open(&demo.issuer()).await;
    // The name has the focus; the form is filled and sent by keys alone.
    page.keys(name).await;
    page.keys(TAB).await;
    page.keys(password).await;
    page.keys(&format!("{TAB}{SPACE}{TAB}{ENTER}")).await;
    page.wait_for("h1", "Your account").await;
    let session = page.cookies().await.into_iter().find(|c| c["name"] == "rescind-dev");
    assert!(session.is_some_and(|c| c["expiry"].is_u64()), "the tick was set by the space bar");

    // The first stop skips to the content.
    page.keys(TAB).await;
    page.picture("account-focus-desktop").await;
    assert_eq!(focused(&page).await, "Skip to content");
    page.keys(ENTER).await;
    tab_to(&page, "End the session on").await;
    page.keys(ENTER).await;
    page.wait_for(".notice", "That session is over").await;
    assert_eq!(demo.authority().get_as("/whoami", elsewhere).await.status, 401);
    tab_to(&page, "Log out").await;
    page.keys(ENTER).await;
    page.wait_for(".notice", "You are signed out.").await;
}

/// Goes on from stop to stop, each of which shows, until it is at the one whose text begins so.
async fn tab_to(page: &Page, text: &str) {
    for _ in 0..20 {
        page.keys(TAB).await;
        let outline = page.script("return getComputedStyle(document.activeElement).outlineStyle");
        let now = focused(page).await;
        assert_ne!(outline.await, "none", "{now}");
        if now.starts_with(text) {
            return;
        }
    }
    panic!("no key leads to {text}");
}

async fn focused(page: &Page) -> String {
    let text = page.script("return document.activeElement.textContent.trim()").await;
    text.as_str().unwrap().to_owned()
}
