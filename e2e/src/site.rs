//! Somebody else's web site: one page, and cookies that come with it.

use axum::Router;
use axum::response::{AppendHeaders, Html, IntoResponse as _};
use http::header::SET_COOKIE;
use tokio::net::TcpListener;

/// Serves this page with these `Set-Cookie` lines to everyone who asks, on every path; gives the port.
pub async fn serve(html: String, cookies: Vec<String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = move || {
        let lines = cookies.iter().map(|line| (SET_COOKIE, line.clone()));
        let answer = (AppendHeaders(lines.collect::<Vec<_>>()), Html(html.clone())).into_response();
        async { answer }
    };
    let app = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

/// A form as an attacker writes it: its button has the id. As text/plain one field can be made to spell
/// JSON.
pub fn form(id: &str, kind: &str, action: &str, fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;");
    let inputs: String = fields
        .iter()
        .map(|(n, v)| format!("<input type=hidden name=\"{}\" value=\"{}\">", escape(n), escape(v)))
        .collect();
    format!(
        "<form method=post enctype={kind} action={action}>{inputs}<button id={id}>go</button></form>"
    )
}

/// How a browser sends a form if nothing else is said.
pub const URLENCODED: &str = "application/x-www-form-urlencoded";
/// The kind of form that can be made to look like JSON.
pub const PLAIN: &str = "text/plain";
