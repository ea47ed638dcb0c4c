//! Pages of other origins that post forms to the authority, in a browser that is signed in.

use rescind_e2e::browser::sign_in_to_account;
use rescind_e2e::demo::Demo;
use rescind_e2e::driver::{Driver, Look, Page};
use rescind_e2e::wait::until;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// Serves this page to everyone who asks, on every path; gives the port.
fn serve(html: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, html) = (stream.unwrap(), html.clone());
            // The browser also opens connections ahead of need, on which nothing comes for long.
            std::thread::spawn(move || {
                // The whole request is small; what it says does not matter.
                let _ = stream.read(&mut [0; 8192]);
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n";
                let _ = write!(stream, "{head}content-length: {}\r\n\r\n{html}", html.len());
            });
        }
    });
    port
}

/// A form as an attacker writes it. As text/plain one field can be made to spell JSON.
fn form(id: &str, kind: &str, action: &str, fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;");
    let inputs: String = fields
        .iter()
        .map(|(n, v)| format!("<input type=hidden name=\"{}\" value=\"{}\">", escape(n), escape(v)))
        .collect();
    format!(
        "<form id={id} method=post enctype={kind} action={action}>{inputs}<button>go</button></form>"
    )
}

const URLENCODED: &str = "application/x-www-form-urlencoded";

struct Attack {
    demo: Demo,
    page: Page,
    _driver: Driver,
    port: u16,
}

impl Attack {
    /// Alice is signed in; Bob, who knows his own password, waits on another port.
    async fn prepare() -> Self {
        let (demo, driver) = (Demo::start(), Driver::start());
        let page = driver.browser(Look::DESKTOP).await;
        sign_in_to_account(&page, &demo).await;
        let issuer = demo.issuer();
        let bob = demo.say("/users/1/password");
        let json = format!(r#"{{"username":"bob","password":"{bob}","carrier":"cookie","x":""#);
        let forms = [
            form("json", "text/plain", &format!("{issuer}/login"), &[(&json, r#""}"#)]),
            form("login", URLENCODED, &format!("{issuer}/login"), &[("username", "bob")]),
            form(
                "signin",
                URLENCODED,
                &format!("{issuer}/signin"),
                &[
                    ("username", "bob"),
                    ("password", bob),
                    ("form_value", "x"),
                    ("next", "/account"),
                ],
            ),
            form("logout", URLENCODED, &format!("{issuer}/logout"), &[("csrf", "x")]),
            form("everywhere", URLENCODED, &format!("{issuer}/logout/everywhere"), &[]),
            form("leave", URLENCODED, &format!("{issuer}/account/logout"), &[("csrf", "x")]),
        ];
        let port = serve(forms.concat());
        Self { demo, page, _driver: driver, port }
    }

    /// Sends one of the forms from this host; gives what the browser then shows.
    async fn send(&self, host: &str, id: &str) -> String {
        self.page.open(&format!("http://{host}:{}/", self.port)).await;
        self.page.click(&format!("#{id} button")).await;
        let arrived = format!(":{}/", self.demo.port);
        until("the form's answer as a page (a 204 shows none)", async || {
            self.page.address().await.contains(&arrived).then_some(())
        })
        .await;
        self.page.text().await
    }

    /// Alice, and nobody else, is still signed in.
    async fn nothing_happened(&self, what: &str) {
        self.page.open(&format!("{}/account", self.demo.issuer())).await;
        let text = self.page.text().await;
        let name = self.demo.alice().0;
        assert!(text.contains(&format!("Signed in as {name}")), "{what}: {text}");
        assert!(!text.contains("Signed in as bob"), "{what}: {text}");
    }
}

/// The same machine by another name is another site; by the same name and another port it is another
/// origin of the same site, to which the browser sends the cookies.
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

// X04 X06
#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_origin_signs_nobody_in() {
    let attack = Attack::prepare().await;
    for host in HOSTS {
        for id in ["json", "login", "signin"] {
            let shown = attack.send(host, id).await;
            assert!(
                ["403", "415"].iter().any(|status| shown.contains(status)),
                "{id} from {host} shows: {shown}"
            );
            attack.nothing_happened(&format!("{id} from {host}")).await;
        }
    }
    attack.page.open(&format!("{}/account", attack.demo.issuer())).await;
    assert!(!attack.page.text().await.contains("End all others"));
}

// X01 X04
#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_origin_signs_nobody_out() {
    let attack = Attack::prepare().await;
    for host in HOSTS {
        for id in ["logout", "everywhere", "leave"] {
            let shown = attack.send(host, id).await;
            // From another site no cookie comes along; the answer must not take it away either.
            assert!(
                ["401", "403"].iter().any(|status| shown.contains(status)),
                "{id} from {host} shows: {shown}"
            );
            attack.nothing_happened(&format!("{id} from {host}")).await;
        }
    }
}
