//! The pages' handlers: forms in, pages and redirects out. The same rules as the JSON routes; a form
//! carries its CSRF value in a hidden field. After a form is posted the answer is 303.

use crate::app::App;
use crate::http::body::StrictForm;
use crate::http::credential::{self, Credential};
use crate::http::login::SignInForm;
use crate::http::page_failure::{PageFailure, wait};
use crate::http::problem::Failure;
use crate::http::{cookies, csrf, login, logout, whoami, words};
use crate::pages::{self, Account, Demo, EventRow, SessionRow, SignIn};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use maud::Markup;
use rescind_authority::clock::random;
use rescind_authority::line::Carrier;
use rescind_authority::present::Present;
use rescind_authority::secret::Secret;
use rescind_authority::store::Head;
use rescind_authority::throttle::Source;
use rescind_wire::b64;
use rescind_wire::problem::ProblemCode;
use serde::Deserialize;
use std::time::Duration;

/// The audience of the demo's API server.
pub(crate) const DEMO_AUDIENCE: &str = "posts-api";

/// How many things that happened the account page shows.
const EVENTS: usize = 10;
/// How long a page waits for servers to acknowledge an end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pages' routes.
pub(super) fn router(app: &App) -> Router<App> {
    let router = Router::new()
        .route("/", get(async || Redirect::to("/account")))
        .route("/signin", get(sign_in_page).post(sign_in))
        .route("/account", get(account))
        .route("/account/logout", post(sign_out))
        .route("/account/logout-everywhere", post(sign_out_everywhere))
        .route("/account/sessions/end", post(end_session))
        .route("/account/sessions/end-others", post(end_others))
        .route(pages::STYLE_PATH, get(async || asset("text/css; charset=utf-8", pages::STYLE)));
    match &app.demo_api {
        None => router,
        Some(_) => router.route("/demo", get(demo)).route(
            pages::DEMO_SCRIPT_PATH,
            get(async || asset("text/javascript; charset=utf-8", pages::DEMO_SCRIPT)),
        ),
    }
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=300")], text).into_response()
}

/// An HTML answer with the policy that only lets files of this origin in, and the demo's API out.
pub(super) fn page(status: StatusCode, markup: Markup, api: Option<&str>) -> Response {
    let (script, connect) = match api {
        Some(api) => ("'self'", format!("'self' {api}")),
        None => ("'none'", "'none'".into()),
    };
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src {script}; connect-src {connect}; \
         img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let mut response = (status, markup).into_response();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn ok(markup: Markup) -> Response {
    page(StatusCode::OK, markup, None)
}

/// A path of this origin, or the account page.
fn local(next: Option<&str>) -> &str {
    let is_path = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    };
    next.filter(is_path).unwrap_or("/account")
}

#[derive(Deserialize, Default)]
struct Asked {
    next: Option<String>,
    done: Option<String>,
    on: Option<u16>,
    of: Option<u16>,
    relayed: Option<u16>,
}

fn of_query(asked: Result<Query<Asked>, QueryRejection>) -> Result<Asked, Failure> {
    let malformed = |_| Failure::bad_request("The address is not one that this site has given.");
    asked.map(|Query(asked)| asked).map_err(malformed)
}

/// What just happened, in words that are ours: the query only names it, and counts.
fn notice(asked: &Asked) -> Option<String> {
    let what = match asked.done.as_deref()? {
        "signed-out" => "You are signed out.",
        "signed-out-everywhere" => "You are signed out everywhere.",
        "session-ended" => "That session is over.",
        "others-ended" => "All your other sessions are over.",
        _ => return None,
    };
    let (Some(on), Some(of)) = (asked.on, asked.of) else { return Some(what.to_owned()) };
    let servers = if of == 1 { "server" } else { "servers" };
    let by = match asked.relayed {
        None | Some(0) => String::new(),
        Some(relayed) => format!(" (for {relayed} of them a relay says so)"),
    };
    Some(match on < of {
        true => {
            format!("{what} Ended on {on} of {of} {servers}{by}; the others follow within seconds.")
        }
        false => format!("{what} Ended on {on} of {of} {servers}{by}."),
    })
}

/// The way to a page that says what was done, and on how many servers it holds already. Nobody is kept
/// waiting for a server that is cut off.
async fn done(app: &App, path: &str, head: Option<&Head>) -> Response {
    let enforced = match head {
        Some(head) => Some(app.feed.enforced(head, Some(PATIENCE)).await),
        None => None,
    };
    let counted = enforced.filter(|enforced| enforced.of > 0 && enforced.doubt.is_none());
    let counts = counted.map(|enforced| {
        format!("&on={}&of={}&relayed={}", enforced.on, enforced.of, enforced.relayed)
    });
    Redirect::to(&format!("{path}{}", counts.unwrap_or_default())).into_response()
}

async fn sign_in_page(
    State(app): State<App>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, PageFailure> {
    let asked = of_query(asked)?;
    let next = local(asked.next.as_deref());
    let notice = notice(&asked);
    show_sign_in(&app, &headers, StatusCode::OK, "", None, notice.as_deref(), next)
}

/// Shows the form with a value that fits this browser's sign-in cookie. A cookie that is there already
/// is kept, so that several tabs can be open.
fn show_sign_in(
    app: &App,
    headers: &HeaderMap,
    status: StatusCode,
    name: &str,
    error: Option<&str>,
    notice: Option<&str>,
    next: &str,
) -> Result<Response, PageFailure> {
    let cookie = match cookies::find(headers, app.cookies.sign_in)? {
        Some(c) if b64::decode_array::<16>(c.expose()).is_some() => c.expose().to_owned(),
        _ => b64::encode(random::<16>(&**app.authority.entropy())),
    };
    let form_value = app.authority.keyring().sign_in_value(&cookie);
    let view = SignIn { form_value: &form_value, name, error, notice, next };
    let mut response = page(status, pages::sign_in(&view), None);
    response.headers_mut().append(SET_COOKIE, app.cookies.set_sign_in(&cookie));
    Ok(response)
}

async fn sign_in(
    State(app): State<App>,
    Extension(source): Extension<Source>,
    headers: HeaderMap,
    form: Result<StrictForm, Failure>,
) -> Result<Response, PageFailure> {
    let form = form?;
    let origin_says_no = csrf::check_sign_in(&headers, &app.origin).is_err();
    let cookie = cookies::find(&headers, app.cookies.sign_in)?;
    let fits = |cookie: &Secret| {
        let value = form.get("form_value").unwrap_or("");
        app.authority.keyring().sign_in_fits(cookie.expose(), value)
    };
    if origin_says_no || !cookie.as_ref().is_some_and(fits) {
        return Err(Failure::new(ProblemCode::Csrf, "").into());
    }
    let name = form.need("username")?;
    let next = local(form.get("next"));
    let command = SignInForm {
        username: name,
        password: form.need("password")?,
        remember: form.get("remember").is_some(),
        carrier: Carrier::Cookie,
        device: None,
    }
    .command(&app, source, &headers);
    let outcome = match command {
        Ok(command) => app.authority.login(command).await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(done) => {
            let mut response = Redirect::to(next).into_response();
            login::set_cookies(&app, &mut response, &(&done.session).into(), &done.credential);
            Ok(response)
        }
        Err(failure) => {
            let (status, error) = (failure.http_status(), words::failure(&failure));
            let response = show_sign_in(&app, &headers, status, name, Some(&error), None, next)?;
            Ok(wait(response, &failure))
        }
    }
}

/// The session cookie's session, or the way to the sign-in page.
async fn signed_in(app: &App, headers: &HeaderMap, path: &str) -> Result<Present, Response> {
    let to_sign_in = || Redirect::to(&format!("/signin?next={path}")).into_response();
    let found = cookies::find(headers, app.cookies.session);
    match found.map_err(|failure| PageFailure(failure).into_response())? {
        None => Err(to_sign_in()),
        Some(cookie) => app.authority.present_cookie(&cookie).await.map_err(|error| {
            let failure = Failure::from(error);
            match failure.code() {
                ProblemCode::InvalidToken => to_sign_in(),
                _ => PageFailure(failure).into_response(),
            }
        }),
    }
}

async fn account(
    State(app): State<App>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, PageFailure> {
    let asked = of_query(asked)?;
    let present = match signed_in(&app, &headers, "/account").await {
        Ok(present) => present,
        Err(response) => return Ok(response),
    };
    let now = app.authority.clock().now().wall;
    let sessions = app.authority.sessions(present.session.sub).await?;
    let mut rows: Vec<SessionRow> = sessions
        .iter()
        .map(|s| SessionRow {
            id: s.sid.to_string(),
            title: words::device(s),
            detail: s.address.clone().unwrap_or_default(),
            signed_in: words::rfc3339(s.created_at),
            signed_in_words: words::ago(s.created_at, now),
            last_seen: words::rfc3339(s.last_seen_at),
            last_seen_words: words::ago(s.last_seen_at, now),
            present: s.sid == present.session.sid,
        })
        .collect();
    rows.sort_by_key(|row| !row.present);
    let records = app.authority.store().records(Some(present.session.sub), EVENTS).await?;
    let events: Vec<EventRow> = records
        .iter()
        .map(|record| EventRow {
            what: words::event(record, &present.session.sub),
            at: words::rfc3339(record.at),
            at_words: words::ago(record.at, now),
        })
        .collect();
    let csrf = app.authority.csrf_value(present.session.sid);
    let notice = notice(&asked);
    let view = Account {
        name: present.session.username(),
        roles: &present.session.kind.roles,
        csrf: &csrf,
        sessions: &rows,
        events: &events,
        notice: notice.as_deref(),
        demo: app.demo_api.is_some(),
    };
    Ok(whoami::with_fresh_cookie(&app, &present, ok(pages::account(&view))))
}

async fn demo(State(app): State<App>, headers: HeaderMap) -> Result<Response, PageFailure> {
    let present = match signed_in(&app, &headers, "/demo").await {
        Ok(present) => present,
        Err(response) => return Ok(response),
    };
    let api = app.demo_api.as_deref().unwrap_or_default();
    let csrf = app.authority.csrf_value(present.session.sid);
    let name = present.session.username();
    let markup = pages::demo(&Demo { name, api, audience: DEMO_AUDIENCE, csrf: &csrf });
    let response = page(StatusCode::OK, markup, Some(api));
    Ok(whoami::with_fresh_cookie(&app, &present, response))
}

/// The session of a posted form, after its CSRF check.
async fn posted(app: &App, headers: &HeaderMap, form: &StrictForm) -> Result<Present, PageFailure> {
    match credential::find(app, headers)? {
        Some(Credential::Cookie(cookie)) => {
            let value = form.get("csrf");
            Ok(credential::present_cookie(app, &Method::POST, headers, &cookie, value).await?)
        }
        _ => Err(Failure::unauthenticated().into()),
    }
}

async fn sign_out(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<StrictForm, Failure>,
) -> Result<Response, PageFailure> {
    let form = form?;
    let credential = credential::find(&app, &headers)?;
    let head = logout::end_presented(&app, &headers, credential, form.get("csrf")).await?;
    let mut response = done(&app, "/signin?done=signed-out", head.as_ref()).await;
    logout::clear_cookies(&app, &mut response);
    Ok(response)
}

async fn sign_out_everywhere(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<StrictForm, Failure>,
) -> Result<Response, PageFailure> {
    let present = posted(&app, &headers, &form?).await?;
    let head = app.authority.logout_everywhere(&present).await?;
    let mut response = done(&app, "/signin?done=signed-out-everywhere", Some(&head)).await;
    logout::clear_cookies(&app, &mut response);
    Ok(response)
}

async fn end_session(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<StrictForm, Failure>,
) -> Result<Response, PageFailure> {
    let form = form?;
    let present = posted(&app, &headers, &form).await?;
    let sid = form.need("session")?.parse().map_err(|_| Failure::not_found())?;
    let head = app.authority.end_session(present.session.sub, sid).await?;
    let response = done(&app, "/account?done=session-ended", Some(&head)).await;
    Ok(whoami::with_fresh_cookie(&app, &present, response))
}

async fn end_others(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<StrictForm, Failure>,
) -> Result<Response, PageFailure> {
    let present = posted(&app, &headers, &form?).await?;
    let (_, head) = app.authority.end_others(&present).await?;
    let response = done(&app, "/account?done=others-ended", Some(&head)).await;
    Ok(whoami::with_fresh_cookie(&app, &present, response))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_on_this_origin() {
        for bad in ["//evil", "/\\evil", "https:evil", "evil", "/a b", "/a\r\nb", "\\evil", ""] {
            assert_eq!(local(Some(bad)), "/account", "{bad:?}");
        }
        assert_eq!(local(Some("/demo?a=1")), "/demo?a=1");
        assert_eq!(local(None), "/account");
    }
}
