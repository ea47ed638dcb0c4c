//! The account page: who is signed in, where, and how to end it.

use maud::{Markup, html};

use super::layout::{Frame, Width, csrf_field, frame, notice};

/// What the account page shows.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// The account's name.
    pub name: &'a str,
    /// Its roles; may be empty.
    pub roles: &'a [String],
    /// The session's CSRF value, the hidden field `csrf` of every form.
    pub csrf: &'a str,
    /// The account's live sessions, in the order to show them.
    pub sessions: &'a [SessionRow],
    /// What happened to the account, newest first.
    pub events: &'a [EventRow],
    /// What just happened, such as an ended session.
    pub notice: Option<&'a str>,
    /// True if the demo is served at `/demo`.
    pub demo: bool,
}

/// One live session, ready to be shown.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// What `POST /account/sessions/end` takes as `session`.
    pub id: String,
    /// The device or browser, in words.
    pub title: String,
    /// The network address it was last seen from; may be empty.
    pub detail: String,
    /// When it began: RFC 3339.
    pub signed_in: String,
    /// The same in words, such as "3 hours ago".
    pub signed_in_words: String,
    /// When it was last used: RFC 3339.
    pub last_seen: String,
    /// The same in words.
    pub last_seen_words: String,
    /// True for the session that asked for this page.
    pub present: bool,
}

/// One thing that happened, ready to be shown.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// What, in a sentence.
    pub what: String,
    /// When: RFC 3339.
    pub at: String,
    /// The same in words, such as "3 hours ago".
    pub at_words: String,
}

/// The page. Its forms: `POST /account/sessions/end` (`csrf`, `session`), and with `csrf` alone
/// `/account/sessions/end-others`, `/account/logout`, `/account/logout-everywhere`.
pub fn account(view: &Account<'_>) -> Markup {
    let shell = Frame {
        title: "Your account",
        width: Width::Wide,
        script: None,
        nav: view.demo.then(|| html! { a href="/demo" { "My posts" } }),
    };
    let content = html! {
        div.heading {
            h1 { "Your account" }
            p.lead { "Signed in as " strong { bdi { (view.name) } } }
            @if !view.roles.is_empty() {
                ul.chips aria-label="Your roles" {
                    @for role in view.roles { li { bdi { (role) } } }
                }
            }
        }
        (notice(view.notice))
        div.split {
            (sessions(view))
            (leave(view.csrf))
            @if !view.events.is_empty() { (events(view.events)) }
        }
    };
    frame(&shell, &content)
}

fn sessions(view: &Account<'_>) -> Markup {
    let others = view.sessions.iter().filter(|row| !row.present).count();
    html! {
        section aria-labelledby="sessions-title" {
            div.section-head {
                h2 #sessions-title { "Your sessions" }
                @if others > 0 {
                    form method="post" action="/account/sessions/end-others" {
                        (csrf_field(view.csrf))
                        button.button.danger.small type="submit" { "End all others" }
                    }
                }
            }
            @if others > 0 {
                p.hint {
                    "One of these is not yours? End it. It stops at once, "
                    "and so does every token that came from it."
                }
            }
            ul.cards {
                @for row in view.sessions { (card(row, view.csrf)) }
            }
        }
    }
}

fn card(row: &SessionRow, csrf: &str) -> Markup {
    html! {
        li.card.session {
            div {
                h3 {
                    bdi { (row.title) }
                    @if row.present { " " span.badge { "This one" } }
                }
                @if !row.detail.is_empty() {
                    p.address { bdi { (row.detail) } }
                }
                p.meta {
                    span { "Signed in " time datetime=(row.signed_in) { (row.signed_in_words) } }
                    " "
                    span { "Last used " time datetime=(row.last_seen) { (row.last_seen_words) } }
                }
            }
            @if !row.present {
                form method="post" action="/account/sessions/end" {
                    (csrf_field(csrf))
                    input type="hidden" name="session" value=(row.id);
                    button.button.danger.small type="submit" {
                        "End"
                        // Told apart by those who hear the page rather than see it.
                        span.unseen {
                            " the session on " bdi { (row.title) }
                            @if !row.detail.is_empty() { ", " bdi { (row.detail) } }
                        }
                    }
                }
            }
        }
    }
}

fn events(rows: &[EventRow]) -> Markup {
    html! {
        section aria-labelledby="events-title" {
            h2 #events-title { "What happened" }
            ul.card.events {
                @for row in rows {
                    li {
                        bdi { (row.what) }
                        " "
                        time.meta datetime=(row.at) { (row.at_words) }
                    }
                }
            }
        }
    }
}

fn leave(csrf: &str) -> Markup {
    html! {
        section.leave aria-labelledby="leave-title" {
            h2 #leave-title { "Log out" }
            div.card {
                form method="post" action="/account/logout" {
                    (csrf_field(csrf))
                    p #logout-hint { "Ends the session in this browser only." }
                    button.button type="submit" aria-describedby="logout-hint" { "Log out" }
                }
                form method="post" action="/account/logout-everywhere" {
                    (csrf_field(csrf))
                    p #everywhere-hint { "Ends every session of yours, on every device, this one too." }
                    button.button.danger type="submit" aria-describedby="everywhere-hint" {
                        "Log out everywhere"
                    }
                }
            }
        }
    }
}
