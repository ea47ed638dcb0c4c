//! What a person does on Rescind's pages.

use crate::demo::Demo;
use crate::page::Page;

/// The button that ends the first other session on the account page.
pub const END: &str = "form[action='/account/sessions/end'] button";
/// The button that logs out, on the account page.
pub const LOG_OUT: &str = "main form[action='/account/logout'] button";
/// The button that ends all other sessions.
pub const END_OTHERS: &str = "form[action='/account/sessions/end-others'] button";
/// The button that logs out everywhere.
pub const LOG_OUT_EVERYWHERE: &str = "form[action='/account/logout-everywhere'] button";
/// The button that asks the posts API again, on the demo's page.
pub const RELOAD: &str = "#reload";

/// Fills in the sign-in form, which is shown, and sends it by its button.
pub async fn sign_in_here(page: &Page, name: &str, password: &str) {
    page.fill("#username", name).await;
    page.fill("#password", password).await;
    page.click("main form button").await;
}

/// Opens the demo's page, signs in as the first person, and waits for the posts.
pub async fn sign_in_to_demo(page: &Page, demo: &Demo) {
    let (name, password) = demo.alice();
    page.open(demo.say("/page")).await;
    sign_in_here(page, name, password).await;
    page.wait_for("#posts", "My first post.").await;
}

/// Opens the demo's account page after a sign-in with the form.
pub async fn sign_in_to_account(page: &Page, demo: &Demo) {
    let (name, password) = demo.alice();
    sign_in_at(page, &demo.issuer(), name, password).await;
}

/// Opens this issuer's account page after a sign-in with the form, whoever was signed in before.
pub async fn sign_in_at(page: &Page, issuer: &str, name: &str, password: &str) {
    page.open(&format!("{issuer}/signin")).await;
    sign_in_here(page, name, password).await;
    page.wait_for("main", &format!("Signed in as {name}")).await;
}
