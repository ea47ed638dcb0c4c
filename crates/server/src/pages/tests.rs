//! What must hold on every page, whatever is shown, is checked on all of them at once.

use super::*;

/// Breaks out of markup wherever it is not escaped, and turns the text after it around.
const HOSTILE: &str = "\"'><script>alert(1)</script>&lt;\u{202e}";
/// A name that reads from right to left.
const RTL: &str = "ליאור כהן";

fn row(title: &str, present: bool) -> SessionRow {
    SessionRow {
        id: format!("id-of-{title}"),
        title: title.to_owned(),
        detail: "192.0.2.7".to_owned(),
        signed_in: "2026-11-23T04:44:00Z".to_owned(),
        signed_in_words: "3 hours ago".to_owned(),
        last_seen: "2026-11-23T07:40:00Z".to_owned(),
        last_seen_words: "just now".to_owned(),
        present,
    }
}

fn sign_in_with(text: &str, error: Option<&str>) -> String {
    let view = SignIn { form_value: text, name: text, error, notice: Some(text), next: text };
    sign_in(&view).into_string()
}

fn account_with(text: &str, sessions: &[SessionRow], demo: bool) -> String {
    let view = Account {
        name: text,
        roles: &[text.to_owned(), "owner".to_owned()],
        csrf: text,
        sessions,
        events: &[EventRow { what: text.into(), at: text.into(), at_words: text.into() }],
        notice: Some(text),
        demo,
    };
    account(&view).into_string()
}

fn demo_with(text: &str) -> String {
    let view = Demo { name: text, api: text, audience: text, csrf: text };
    demo(&view).into_string()
}

fn message_with(text: &str) -> String {
    let view = Message { status: 403, title: text, text, action: Some(("/signin", text)) };
    message(&view).into_string()
}

/// Every page, showing `text` wherever it shows anything.
fn all(text: &str) -> Vec<String> {
    let hostile_row = SessionRow {
        id: text.to_owned(),
        detail: text.to_owned(),
        signed_in: text.to_owned(),
        signed_in_words: text.to_owned(),
        last_seen: text.to_owned(),
        last_seen_words: text.to_owned(),
        ..row(text, false)
    };
    vec![
        sign_in_with(text, None),
        sign_in_with(text, Some(text)),
        account_with(text, &[row(text, true), hostile_row], true),
        account_with(text, &[], false),
        demo_with(text),
        message_with(text),
    ]
}

/// The opening tags of one element, in the order of the page.
fn tags<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    page.split('<')
        .filter_map(|part| part.split('>').next())
        .filter(|tag| tag.split([' ', '/']).next() == Some(name))
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

#[test]
fn no_text_becomes_markup_on_any_page() {
    for page in all(HOSTILE) {
        assert!(!page.contains("<script>"), "{page}");
        assert!(!page.contains(HOSTILE), "{page}");
        assert!(page.contains("&quot;'&gt;&lt;script&gt;"), "{page}");
        assert_eq!(tags(&page, "script").len(), usize::from(page.contains(DEMO_SCRIPT_PATH)));
    }
}

#[test]
fn nothing_is_inline_so_a_strict_content_security_policy_holds() {
    for page in all("Ada") {
        assert!(tags(&page, "style").is_empty());
        for tag in page.split('<').filter_map(|part| part.split('>').next()) {
            assert!(!tag.contains(" style="), "{tag}");
            assert!(!tag.contains(" on"), "{tag}");
        }
        for script in tags(&page, "script") {
            assert_eq!(attribute(script, "src"), Some(DEMO_SCRIPT_PATH));
        }
        assert_eq!(page.matches("<script").count(), page.matches("></script>").count());
    }
    assert!(!STYLE.contains("@import") && !STYLE.contains("url("));
}

#[test]
fn every_page_has_a_language_a_title_one_heading_and_one_main() {
    for page in all(RTL) {
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"));
        assert!(page.contains(" · Rescind</title>"));
        for (name, count) in [("h1", 1), ("main", 1), ("header", 1), ("title", 1)] {
            assert_eq!(tags(&page, name).len(), count, "{name}: {page}");
        }
    }
}

#[test]
fn every_id_stands_once_and_everything_that_points_to_one_finds_it() {
    for page in all("Ada") {
        let all_tags = || page.split('<').filter_map(|part| part.split('>').next());
        let mut ids: Vec<_> = all_tags().filter_map(|tag| attribute(tag, "id")).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "an id stands twice");
        for tag in all_tags() {
            for name in ["for", "aria-describedby", "aria-labelledby"] {
                if let Some(target) = attribute(tag, name) {
                    assert!(ids.contains(&target), "{tag}");
                }
            }
        }
    }
}

#[test]
fn every_field_that_people_fill_in_has_a_label() {
    for page in all("Ada") {
        for name in ["input", "textarea"] {
            for tag in tags(&page, name) {
                if attribute(tag, "type") != Some("hidden") {
                    let id = attribute(tag, "id").unwrap();
                    assert!(page.contains(&format!("<label for=\"{id}\">")), "{tag}");
                }
            }
        }
    }
}

#[test]
fn every_form_that_changes_a_session_is_a_post_with_the_csrf_value() {
    let rows = [row("Firefox", true), row("Phone", false)];
    for (page, expected) in
        [(account_with("the-csrf-value", &rows, true), 4), (demo_with("the-csrf-value"), 1)]
    {
        let forms: Vec<_> =
            page.split("<form ").skip(1).filter(|form| form.contains("action=")).collect();
        assert_eq!(forms.len(), expected);
        for form in forms {
            assert!(form.contains("method=\"post\" action=\"/account/"), "{form}");
            let inside = form.split("</form>").next().unwrap();
            assert!(
                inside.contains("<input type=\"hidden\" name=\"csrf\" value=\"the-csrf-value\">"),
                "{form}"
            );
        }
    }
}

#[test]
fn the_sign_in_form_posts_what_its_handler_reads() {
    let view =
        SignIn { form_value: "pre-session", name: "", error: None, notice: None, next: "/demo" };
    let page = sign_in(&view).into_string();
    assert!(page.contains("<form class=\"fields\" method=\"post\" action=\"/signin\">"));
    assert!(page.contains("name=\"form_value\" value=\"pre-session\""));
    assert!(page.contains("name=\"next\" value=\"/demo\""));
    assert!(page.contains("autocomplete=\"username\""));
    assert!(page.contains("autocomplete=\"current-password\""));
    let inputs = tags(&page, "input");
    let names: Vec<_> = inputs.iter().filter_map(|tag| attribute(tag, "name")).collect();
    assert_eq!(names, ["form_value", "next", "username", "password", "remember"]);
    assert!(!page.contains("role=\"alert\"") && !page.contains("aria-invalid"));
}

#[test]
fn a_failed_sign_in_keeps_the_name_and_ties_the_error_to_both_fields() {
    let page = sign_in_with("ada", Some("Name or password is wrong."));
    assert!(page.contains("id=\"sign-in-error\" role=\"alert\">Name or password is wrong.</p>"));
    let inputs = tags(&page, "input");
    for name in ["username", "password"] {
        let field = inputs.iter().find(|tag| attribute(tag, "name") == Some(name)).unwrap();
        assert_eq!(attribute(field, "aria-describedby"), Some("sign-in-error"));
        assert_eq!(attribute(field, "aria-invalid"), Some("true"));
        assert_eq!(field.contains(" autofocus"), name == "password");
        let value = if name == "username" { Some("ada") } else { None };
        assert_eq!(attribute(field, "value"), value);
    }
}

#[test]
fn the_present_session_is_marked_and_only_the_others_can_be_ended_one_by_one() {
    let rows = [row("Firefox", true), row("Phone", false), row("Tablet", false)];
    let page = account_with("ada", &rows, false);
    assert_eq!(page.matches("This one").count(), 1);
    assert_eq!(page.matches("action=\"/account/sessions/end\"").count(), 2);
    assert!(!page.contains("id-of-Firefox"));
    assert!(page.contains("name=\"session\" value=\"id-of-Phone\""));
    assert!(page.contains("/account/sessions/end-others"));

    let alone = account_with("ada", &rows[..1], false);
    assert!(!alone.contains("/account/sessions/end"));
    assert!(alone.contains("/account/logout\"") && alone.contains("/account/logout-everywhere\""));
}

#[test]
fn the_account_page_names_the_demo_only_where_it_is_served() {
    assert!(account_with("ada", &[], true).contains("href=\"/demo\""));
    assert!(!account_with("ada", &[], false).contains("/demo"));
}

#[test]
fn names_of_any_direction_stand_apart_from_the_text_around_them() {
    let view = Account {
        name: RTL,
        roles: &[RTL.to_owned()],
        csrf: "c",
        sessions: &[row(RTL, true), row(RTL, false)],
        events: &[EventRow { what: RTL.into(), at: String::new(), at_words: String::new() }],
        notice: None,
        demo: false,
    };
    let page = account(&view).into_string().replace(&format!("id-of-{RTL}"), "");
    assert_eq!(page.matches(RTL).count(), 6);
    assert_eq!(page.matches(&format!("<bdi>{RTL}</bdi>")).count(), 6);
}

#[test]
fn a_message_without_an_action_has_no_dead_link() {
    let view =
        Message { status: 404, title: "Not found", text: "There is no page here.", action: None };
    let page = message(&view).into_string();
    assert!(page.contains("Status 404"));
    assert_eq!(tags(&page, "a").len(), 1, "only the skip link");
}

#[test]
fn the_demo_tells_its_script_where_to_ask() {
    let view = Demo {
        name: "ada",
        api: "http://127.0.0.1:3000/",
        audience: "posts-api",
        csrf: "the-csrf-value",
    };
    let page = demo(&view).into_string();
    assert!(page.contains(
        "<div id=\"app\" hidden data-api=\"http://127.0.0.1:3000\" data-audience=\"posts-api\" \
         data-csrf=\"the-csrf-value\">"
    ));
    assert!(page.contains("<noscript>"));
}

#[test]
fn the_demo_script_keeps_no_token_and_writes_no_markup() {
    let code: String = DEMO_SCRIPT
        .lines()
        .filter(|line| {
            !line.trim_start().starts_with("//") && !line.trim_start().starts_with("/**")
        })
        .collect();
    for word in [
        "localStorage",
        "sessionStorage",
        "indexedDB",
        "document.cookie",
        "innerHTML",
        "insertAdjacentHTML",
        "console.",
        "eval(",
    ] {
        assert!(!code.contains(word), "{word}");
    }
    assert!(code.contains("credentials: \"omit\"") && code.contains("cache: \"no-store\""));
}
