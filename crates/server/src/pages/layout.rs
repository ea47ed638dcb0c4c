//! The frame that all pages share: head, skip link, banner, main, footer.

use maud::{DOCTYPE, Markup, html};

use super::STYLE_PATH;

/// The mark as a `data:` address, so that no browser asks for `/favicon.ico`.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' \
    fill='none' stroke='%230f766e' stroke-width='2.6' stroke-linecap='round'%3E%3Ccircle cx='12' cy='12' \
    r='8.5'/%3E%3Cpath d='M4 20 20 4'/%3E%3C/svg%3E";

/// How wide a page's content may grow.
#[derive(Clone, Copy)]
pub(super) enum Width {
    /// One short form or message.
    Narrow,
    /// Two columns where there is room.
    Wide,
}

/// What a page puts into the frame.
pub(super) struct Frame<'a> {
    /// The page's own name; the product's follows it in the title bar.
    pub(super) title: &'a str,
    /// How wide the content may grow.
    pub(super) width: Width,
    /// Path of the page's script, an ES module of this origin.
    pub(super) script: Option<&'a str>,
    /// Links and forms at the end of the banner; `None` leaves the landmark out.
    pub(super) nav: Option<Markup>,
}

/// A whole document with exactly one `main`; the content brings the `h1`.
pub(super) fn frame(frame: &Frame<'_>, content: &Markup) -> Markup {
    let width = match frame.width {
        Width::Narrow => "narrow",
        Width::Wide => "wide",
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (frame.title) " · Rescind" }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href=(STYLE_PATH);
                @if let Some(script) = frame.script {
                    script type="module" src=(script) {}
                }
            }
            body class=(width) {
                a.skip href="#main" { "Skip to content" }
                header.banner {
                    div.inner {
                        p.brand { (mark()) "Rescind" }
                        @if let Some(nav) = &frame.nav {
                            nav aria-label="Account" { (nav) }
                        }
                    }
                }
                main #main tabindex="-1" { (content) }
            }
        }
    }
}

/// The product's mark: a ring, struck through.
fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.4"
            stroke-linecap="round" aria-hidden="true" focusable="false" {
            circle cx="12" cy="12" r="8.5" {}
            path d="M4 20 20 4" {}
        }
    }
}

/// What just happened, said politely.
pub(super) fn notice(text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text {
            p.notice role="status" { (text) }
        }
    }
}

/// The hidden field that proves a form comes from a page of this session.
pub(super) fn csrf_field(csrf: &str) -> Markup {
    html! { input type="hidden" name="csrf" value=(csrf); }
}
