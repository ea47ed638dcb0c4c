//! Plain HTTP as a program sends it, HTTP as a browser sends it, and raw bytes.

use crate::evidence;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A client without any state.
#[derive(Clone)]
pub struct Http {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// One header's text, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap_or(""))
    }

    /// The `Set-Cookie` lines.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().map(|v| v.to_str().unwrap()).collect()
    }

    /// The value that a `Set-Cookie` line gives this cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}=");
        let line = self.set_cookies().into_iter().find_map(|l| l.strip_prefix(&prefix))?;
        Some(line.split(';').next().unwrap().to_owned())
    }
}

/// Headers as pairs.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

impl Http {
    /// A client of the server at this URL.
    pub fn new(base: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { base: base.to_owned(), client }
    }

    /// Host and port of the server.
    pub fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// Sends exactly this.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: impl Into<Bytes>,
    ) -> Answer {
        self.attempt(method, path, headers, body).await.expect("the server answers")
    }

    /// Sends exactly this; `None` if the server goes away without a whole answer.
    pub async fn attempt(
        &self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: impl Into<Bytes>,
    ) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = self.client.request(request).await.ok()?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let answer = Answer { status: head.status, headers: head.headers, body };
        evidence::answer(path, &answer);
        Some(answer)
    }

    /// GET with headers.
    pub async fn get(&self, path: &str, headers: Headers<'_>) -> Answer {
        self.send(Method::GET, path, headers, "").await
    }

    /// GET with a Bearer token.
    pub async fn get_as(&self, path: &str, token: &str) -> Answer {
        self.get(path, &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// A request with a Bearer token and no body.
    pub async fn send_as(&self, method: Method, path: &str, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.send(method, path, &[(AUTHORIZATION.as_str(), &bearer)], "").await
    }

    /// POST of a JSON body, as a program without cookies does it.
    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        let headers = [(CONTENT_TYPE.as_str(), "application/json")];
        self.send(Method::POST, path, &headers, body.to_string()).await
    }

    /// POST of a form, with more headers.
    pub async fn post_form(&self, path: &str, form: &[(&str, &str)], more: Headers<'_>) -> Answer {
        let mut headers = vec![(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")];
        headers.extend_from_slice(more);
        self.send(Method::POST, path, &headers, encode(form)).await
    }

    /// Signs in for tokens; gives the answer's JSON. Panics unless it is 200.
    pub async fn sign_in(&self, name: &str, password: &str) -> Value {
        let body = json!({ "username": name, "password": password, "carrier": "token" });
        let answer = self.post_json("/login", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Refreshes, with an Idempotency-Key if one is given.
    pub async fn refresh(&self, refresh_token: &str, key: Option<&str>) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let more: Vec<_> = key.map(|k| ("idempotency-key", k)).into_iter().collect();
        self.post_form("/token", &form, &more).await
    }

    /// Sends raw bytes on a connection of their own; gives all that comes back until the server closes.
    /// `Connection: close` belongs into the bytes where the server would keep it open.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let address = self.base.strip_prefix("http://").unwrap();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        // The server may close before it has read everything: what it said is still there.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A browser at this server's pages.
    pub fn browser(&self) -> Browser {
        Browser { http: self.clone(), origin: self.base.clone(), jar: BTreeMap::new() }
    }
}

/// Writes a form body.
pub fn encode(form: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                    (b as char).to_string()
                }
                _ => format!("%{b:02X}"),
            })
            .collect()
    };
    let pairs: Vec<String> =
        form.iter().map(|(n, v)| format!("{}={}", escape(n), escape(v))).collect();
    pairs.join("&")
}

/// The Authorization header of a confidential client. Ids and secrets here hold nothing to be encoded.
pub fn basic(id: &str, secret: &str) -> String {
    let mut text = rescind_wire::b64::encode(format!("{id}:{secret}"));
    text = text.replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    format!("Basic {text}")
}

/// Keeps cookies, and says where its requests come from, as a browser on a page of the same origin
/// does.
#[derive(Clone)]
pub struct Browser {
    http: Http,
    origin: String,
    /// The cookies, by name.
    pub jar: BTreeMap<String, String>,
}

impl Browser {
    /// A request of a page of this origin, with `Sec-Fetch-Site`, `Origin`, the cookies, and the CSRF
    /// cookie's value as header, as axios does it.
    pub async fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let csrf = self.jar.get("XSRF-TOKEN").cloned();
        let mut headers = Vec::new();
        if let Some(csrf) = &csrf {
            headers.push(("x-xsrf-token", csrf.as_str()));
        }
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.map_or(String::new(), |b| b.to_string());
        self.send_raw(method, path, &headers, body).await
    }

    /// The same with headers and body as given: cookies and origin are added, no CSRF value.
    pub async fn send_raw(
        &mut self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: String,
    ) -> Answer {
        let cookies: Vec<String> = self.jar.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let cookies = cookies.join("; ");
        let origin = self.origin.clone();
        let mut all = vec![("sec-fetch-site", "same-origin"), ("origin", origin.as_str())];
        if !cookies.is_empty() {
            all.push((COOKIE.as_str(), cookies.as_str()));
        }
        all.extend_from_slice(headers);
        let answer = self.http.send(method, path, &all, body).await;
        self.keep_cookies(&answer);
        answer
    }

    /// Stores what an answer sets, drops what it clears.
    pub fn keep_cookies(&mut self, answer: &Answer) {
        for line in answer.set_cookies() {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Signs in for a cookie; panics unless it is 200.
    pub async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        let body = json!({ "username": name, "password": password, "carrier": "cookie" });
        let answer = self.send(Method::POST, "/login", Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    /// GET of a page's script.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// POST of a page's script, without a body.
    pub async fn post(&mut self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    /// The value of its session cookie.
    pub fn session_cookie(&self) -> &str {
        self.jar.get("rescind-dev").map_or("", String::as_str)
    }
}
