//! A page that says one thing: what went wrong, and what to do next.

use maud::{Markup, html};

use super::layout::{Frame, Width, frame};

/// What the page says.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The HTTP status that it travels with, shown small.
    pub status: u16,
    /// The heading, short.
    pub title: &'a str,
    /// What happened and what to do, in a sentence or two.
    pub text: &'a str,
    /// Where to go from here: address and label of one link. The address is ours, never the caller's.
    pub action: Option<(&'a str, &'a str)>,
}

/// The page.
pub fn message(view: &Message<'_>) -> Markup {
    let shell = Frame { title: view.title, width: Width::Narrow, script: None, nav: None };
    let content = html! {
        div.card {
            h1 { (view.title) }
            p.says { (view.text) }
            @if let Some((href, label)) = view.action {
                p { a.button href=(href) { (label) } }
            }
            p.hint { "Status " (view.status) }
        }
    };
    frame(&shell, &content)
}
