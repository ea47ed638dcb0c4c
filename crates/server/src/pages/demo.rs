//! The demo: a page of the authority's origin that shows posts kept by an API server on another origin.

use maud::{Markup, html};

use super::DEMO_SCRIPT_PATH;
use super::layout::{Frame, Width, csrf_field, frame};

/// What the demo's page and script need to know.
#[derive(Debug, Clone, Copy)]
pub struct Demo<'a> {
    /// The account's name.
    pub name: &'a str,
    /// Origin of the API server, such as `http://127.0.0.1:3000`.
    pub api: &'a str,
    /// The API server's audience, asked for at `/session/token`.
    pub audience: &'a str,
    /// The session's CSRF value: for the script's header and the sign-out form.
    pub csrf: &'a str,
}

/// The page. All that the script needs stands in `data-` attributes of `#app`, which the script also
/// brings into view: without it there is only the `noscript` text.
pub fn demo(view: &Demo<'_>) -> Markup {
    let shell = Frame {
        title: "My posts",
        width: Width::Wide,
        script: Some(DEMO_SCRIPT_PATH),
        nav: Some(html! {
            a href="/account" { "Account" }
            form method="post" action="/account/logout" {
                (csrf_field(view.csrf))
                button.link type="submit" { "Log out" }
            }
        }),
    };
    let api = view.api.trim_end_matches('/');
    let content = html! {
        div.heading {
            h1 { "My posts" }
            p.lead #who { "Signed in as " strong { bdi { (view.name) } } }
        }
        noscript {
            p.notice {
                "This page asks the posts server from inside your browser, and needs JavaScript for "
                "that. Your " a href="/account" { "account page" } " works without."
            }
        }
        div #app hidden data-api=(api) data-audience=(view.audience) data-csrf=(view.csrf) {
            div #notice role="status" {}
            div.split {
                (posts())
                (new_post())
            }
            (status_line())
            (explanation(api))
        }
    };
    frame(&shell, &content)
}

fn posts() -> Markup {
    html! {
        section aria-labelledby="posts-title" {
            div.section-head {
                h2 #posts-title { "Posts" }
                button.button.quiet.small #reload type="button" { "Reload" }
            }
            p.hint #empty hidden { "No posts yet. Write the first one." }
            ul.cards #posts {}
            template #post {
                li.card.post {
                    h3 dir="auto" {}
                    p dir="auto" {}
                }
            }
        }
    }
}

fn new_post() -> Markup {
    html! {
        section aria-labelledby="new-title" {
            div.section-head { h2 #new-title { "New post" } }
            form.card.fields #add {
                div.field {
                    label for="title" { "Title" }
                    input #title type="text" name="title" dir="auto" required maxlength="200"
                        autocomplete="off";
                }
                div.field {
                    label for="body" { "Text" }
                    textarea #body name="body" rows="4" dir="auto" maxlength="10000" {}
                }
                button.button type="submit" { "Add post" }
            }
        }
    }
}

fn status_line() -> Markup {
    html! {
        p.status {
            span #answered { "No answer yet" }
            span #expiry { "No token" }
        }
    }
}

fn explanation(api: &str) -> Markup {
    html! {
        details {
            summary { "What happens here" }
            p {
                "This page comes from the sign-in server. It gets a short access token from there, "
                "keeps it in a variable and nowhere else, and shows it to the posts server at "
                code { (api) } ", which never sees your cookie."
            }
            p {
                "Try it: open your " a href="/account" target="_blank" rel="noopener" { "account page (new tab)" }
                ", log out there, come back, and press Reload. The token had minutes left, "
                "and the posts server refuses it all the same."
            }
        }
    }
}
