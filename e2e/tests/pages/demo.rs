//! The demo's story, and what its page leaves in the browser.

use rescind_e2e::browser::{END, RELOAD, sign_in_to_account, sign_in_to_demo};
use rescind_e2e::demo::Demo;
use rescind_e2e::driver::{Driver, Look};
use rescind_e2e::page::Page;
use serde_json::json;

/// All that a script of the page can find of what was kept.
const KEPT: &str = "return indexedDB.databases().then((databases) => ({
    local: localStorage.length, session: sessionStorage.length, databases: databases.length,
    cookies: document.cookie.split('; ').map((pair) => pair.split('=')[0]) }))";

async fn demo_and_browsers() -> (Demo, Driver) {
    (Demo::start(), Driver::start())
}

// R-23 R-33 S08
#[tokio::test(flavor = "multi_thread")]
async fn a_session_ended_from_another_browser_is_refused_at_its_next_request_and_told_why() {
    let (demo, driver) = demo_and_browsers().await;
    let first = driver.browser(Look::DESKTOP).await;
    first.open(demo.say("/page")).await;
    sign_in_to_demo(&first, &demo).await;
    first.wait_for("#answered", "answered 200").await;

    let second = driver.browser(Look::PHONE).await;
    second.open(demo.say("/page")).await;
    sign_in_to_demo(&second, &demo).await;
    second.open(&format!("{}/account", demo.issuer())).await;
    second.click(END).await;
    second.wait_for("main .notice", "That session is over").await;

    first.click(RELOAD).await;
    let said = first.wait_for("#notice", "signed out").await;
    assert!(said.contains("ended on another device"), "{said}");
    assert!(said.contains("Nothing was lost"), "{said}");
    let text = first.text().await;
    assert!(!text.contains("My first post.") && !text.contains("Signed in as"), "{text}");
    // Whoever ended it goes on, and the way back in is one click.
    second.open(demo.say("/page")).await;
    second.wait_for("#posts", "My first post.").await;
    first.click("#notice a").await;
    first.arrives_at("/signin?next=/demo").await;
}

// R13 R-5
#[tokio::test(flavor = "multi_thread")]
async fn the_page_keeps_no_token_where_a_script_of_tomorrow_finds_it() {
    let (demo, driver) = demo_and_browsers().await;
    let page = driver.browser(Look::DESKTOP).await;
    sign_in_to_demo(&page, &demo).await;
    let expected = json!({ "local": 0, "session": 0, "databases": 0, "cookies": ["XSRF-TOKEN"] });
    assert_eq!(page.script(KEPT).await, expected);
    let cookies = page.cookies().await;
    let session = cookies.iter().find(|cookie| cookie["name"] == "rescind-dev").unwrap();
    assert_eq!((&session["httpOnly"], &session["sameSite"]), (&json!(true), &json!("Strict")));
    assert!(cookies.iter().all(|c| !c["value"].as_str().unwrap().contains("eyJ")), "{cookies:?}");
    assert!(
        !page.script("return document.documentElement.outerHTML").await.to_string().contains("eyJ")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_written_and_only_its_author_sees_it() {
    let (demo, driver) = demo_and_browsers().await;
    let page = driver.browser(Look::PHONE).await;
    sign_in_to_demo(&page, &demo).await;
    page.fill("#title", "<b>Mine</b>").await;
    page.fill("#body", "Written in a browser.").await;
    page.click("#add button").await;
    let posts = page.wait_for("#posts", "Written in a browser.").await;
    assert!(posts.contains("<b>Mine</b>"), "a title is text: {posts}");

    let bob = demo.authority().sign_in("bob", demo.say("/users/1/password")).await;
    let his = demo.api().get_as("/posts", bob["access_token"].as_str().unwrap()).await;
    assert_eq!(his.status, 200);
    assert!(!his.text().contains("Written in a browser."));
}

async fn log_out_and_go_back(page: &Page, from: &str, button: &str, name: &str) {
    page.open(from).await;
    page.wait_for("main", name).await;
    page.click(button).await;
    page.wait_for(".notice", "You are signed out.").await;
    page.back().await;
    page.wait_for("h1", "Sign in").await;
    let text = page.text().await;
    assert!(!text.contains(name) && !text.contains("My first post."), "{text}");
}

// R-21 C13
#[tokio::test(flavor = "multi_thread")]
async fn after_a_logout_the_back_button_shows_nothing_private() {
    let (demo, driver) = demo_and_browsers().await;
    let page = driver.browser(Look::DESKTOP).await;
    let (name, _) = demo.alice();
    sign_in_to_account(&page, &demo).await;
    let account = format!("{}/account", demo.issuer());
    log_out_and_go_back(&page, &account, rescind_e2e::browser::LOG_OUT, name).await;

    sign_in_to_demo(&page, &demo).await;
    log_out_and_go_back(&page, demo.say("/page"), "nav form button", name).await;
}
