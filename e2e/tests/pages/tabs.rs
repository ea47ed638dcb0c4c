//! Several tabs of one browser: what one does, the others learn at their next act.

use rescind_e2e::browser::{
    END, END_OTHERS, LOG_OUT, LOG_OUT_EVERYWHERE, RELOAD, sign_in_at, sign_in_here, sign_in_to_demo,
};
use rescind_e2e::demo::Demo;
use rescind_e2e::driver::{Driver, Look};
use rescind_e2e::page::Page;

async fn demo_and_page() -> (Demo, Driver, Page) {
    let (demo, driver) = (Demo::start(), Driver::start());
    let page = driver.browser(Look::DESKTOP).await;
    (demo, driver, page)
}

/// Alice's account page, which lists a session of hers elsewhere; gives what that one holds.
async fn account_with_another_session(page: &Page, demo: &Demo) -> String {
    let (name, password) = demo.alice();
    let elsewhere = demo.authority().sign_in(name, password).await;
    sign_in_at(page, &demo.issuer(), name, password).await;
    page.wait_for("main", "End all others").await;
    elsewhere["refresh_token"].as_str().unwrap().to_owned()
}

/// Whether the session that this refresh token carries is alive.
async fn alive(demo: &Demo, refresh_token: &str) -> bool {
    demo.authority().get_as("/whoami", refresh_token).await.status == 200
}

// S08
#[tokio::test(flavor = "multi_thread")]
async fn signed_out_in_one_tab_the_other_is_refused_at_its_next_act() {
    let (demo, _driver, page) = demo_and_page().await;
    let elsewhere = account_with_another_session(&page, &demo).await;
    let account = page.new_tab().await;
    page.open(demo.say("/page")).await;
    page.wait_for("#posts", "My first post.").await;
    let posts = page.new_tab().await;
    page.open(&format!("{}/account", demo.issuer())).await;
    page.click(LOG_OUT).await;
    page.wait_for(".notice", "You are signed out.").await;

    page.switch_to(&posts).await;
    page.click(RELOAD).await;
    page.wait_for("#notice", "You were signed out").await;
    assert!(!page.text().await.contains("My first post."));

    page.switch_to(&account).await;
    page.click(END).await;
    page.wait_for("main", "Status 401").await;
    assert!(alive(&demo, &elsewhere).await, "a page of before has ended a session");
    page.click("main a").await;
    page.wait_for("h1", "Sign in").await;
}

// X02
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_one_person_does_nothing_to_who_has_signed_in_since() {
    let (demo, _driver, page) = demo_and_page().await;
    let elsewhere = account_with_another_session(&page, &demo).await;
    let (account, bob) = (format!("{}/account", demo.issuer()), demo.say("/users/1/password"));
    let mut left = Vec::new();
    for button in [END, END_OTHERS, LOG_OUT, LOG_OUT_EVERYWHERE] {
        page.open(&account).await;
        page.wait_for("main", "End all others").await;
        left.push((button, page.new_tab().await));
    }
    page.open(demo.say("/page")).await;
    page.wait_for("#posts", "My first post.").await;
    let posts = page.new_tab().await;
    sign_in_at(&page, &demo.issuer(), "bob", bob).await;
    let bobs = page.new_tab().await;

    for (button, tab) in left {
        page.switch_to(&tab).await;
        page.click(button).await;
        page.wait_for("main", "Status 403").await;
    }
    page.switch_to(&posts).await;
    page.fill("#title", "Typed by Alice").await;
    page.click("#add button").await;
    page.wait_for("#notice", "You have signed in anew").await;
    assert!(!page.text().await.contains("My first post."));

    assert!(alive(&demo, &elsewhere).await, "a form of Alice's was taken from Bob");
    page.switch_to(&bobs).await;
    page.open(&account).await;
    page.wait_for("main", "Signed in as bob").await;
    let token = demo.authority().sign_in("bob", bob).await;
    let posts = demo.api().get_as("/posts", token["access_token"].as_str().unwrap()).await;
    assert!(!posts.text().contains("Typed by Alice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_forms_in_two_tabs_both_work() {
    let (demo, _driver, page) = demo_and_page().await;
    let (name, password) = demo.alice();
    let sign_in = format!("{}/signin", demo.issuer());
    page.open(&sign_in).await;
    let first = page.new_tab().await;
    page.open(&sign_in).await;
    sign_in_here(&page, "bob", demo.say("/users/1/password")).await;
    page.wait_for("main", "Signed in as bob").await;
    page.switch_to(&first).await;
    sign_in_here(&page, name, password).await;
    page.wait_for("main", &format!("Signed in as {name}")).await;
}

// C13
#[tokio::test(flavor = "multi_thread")]
async fn what_the_browser_keeps_of_a_left_page_is_gone_after_a_sign_out_in_another_tab() {
    let (demo, _driver, page) = demo_and_page().await;
    sign_in_to_demo(&page, &demo).await;
    let account = format!("{}/account", demo.issuer());
    page.open(&account).await;
    // Left for elsewhere, so that the browser may keep the page as it stood (its back/forward cache).
    page.open("about:blank").await;
    let left = page.new_tab().await;
    page.open(&account).await;
    page.click(LOG_OUT).await;
    page.wait_for(".notice", "You are signed out.").await;
    page.switch_to(&left).await;
    for _ in 0..2 {
        page.back().await;
        page.wait_for("h1", "Sign in").await;
        let text = page.text().await;
        assert!(!text.contains(demo.alice().0) && !text.contains("My first post."), "{text}");
    }
}
