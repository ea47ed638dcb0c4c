//! Where a guess counts as coming from.

use super::{attempt, attempt_from, behind_a_proxy, retry_after};
use http::Method;
use rescind_testkit::accounts::quick;
use rescind_testkit::http::{Answer, Http};
use serde_json::json;

const WRONG: &str = "a wrong guess";

async fn attempt_with(http: &Http, headers: &[(&str, &str)]) -> Answer {
    let body = json!({ "username": "alice", "password": WRONG, "carrier": "token" });
    let all = [headers, &[("content-type", "application/json")]].concat();
    http.send(Method::POST, "/login", &all, body.to_string()).await
}

// B05
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_of_its_address_gives_it_no_new_guesses() {
    let authority = quick().await;
    let http = authority.http();
    for n in 0..10 {
        let ip = format!("192.0.2.{n}");
        let headers = [
            ("x-forwarded-for", ip.as_str()),
            ("forwarded", &format!("for={ip};proto=https")),
            ("x-real-ip", &ip),
            ("x-client-ip", &ip),
            ("true-client-ip", &ip),
            ("via", &format!("1.1 {ip}")),
        ];
        let one = &headers[n % 6..=n % 6];
        assert_eq!(attempt_with(&http, one).await.status, 401, "{one:?}");
    }
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip", "true-client-ip"] {
        assert_eq!(retry_after(&attempt_with(&http, &[(name, "192.0.2.99")]).await), 1, "{name}");
    }
    assert_eq!(retry_after(&attempt(&http, "alice", WRONG).await), 1);
}

// B05
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_only_the_hop_that_it_has_seen_counts() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    for n in 0..10 {
        // The client writes what it likes; the proxy adds where it came from, here or on a line of its own.
        let forged = format!("198.51.100.{n}");
        let joined = format!("{forged}, 192.0.2.1");
        let headers = match n % 2 {
            0 => vec![("x-forwarded-for", joined.as_str()), ("x-real-ip", &forged)],
            _ => vec![("x-forwarded-for", forged.as_str()), ("x-forwarded-for", "192.0.2.1")],
        };
        assert_eq!(attempt_with(&http, &headers).await.status, 401);
    }
    assert_eq!(
        retry_after(&attempt_from(&http, "203.0.113.9, 192.0.2.1", "alice", WRONG).await),
        1
    );
    assert_eq!(attempt_from(&http, "192.0.2.1, 192.0.2.2", "alice", WRONG).await.status, 401);
}

// B05
#[tokio::test(flavor = "multi_thread")]
async fn hops_that_are_no_addresses_are_one_source_the_proxy() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    for n in 0..10 {
        let garbage = ["unknown", "", "_x", "192.0.2.1:80", "[::1]"][n % 5];
        let line = format!("198.51.100.{n}, {garbage}");
        assert_eq!(attempt_from(&http, &line, "alice", WRONG).await.status, 401, "{line}");
    }
    assert_eq!(retry_after(&attempt_from(&http, "something else", "alice", WRONG).await), 1);
    assert_eq!(retry_after(&attempt(&http, "alice", WRONG).await), 1, "no header at all");
}

// B06
#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_subscriber_guesses_as_one_whatever_address_of_his_he_takes() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    for n in 0..10 {
        let from = format!("2001:db8:0:1:{n:x}::{n:x}");
        assert_eq!(attempt_from(&http, &from, "alice", WRONG).await.status, 401);
    }
    for same in
        ["2001:DB8:0:1::1", "2001:0db8:0000:0001:ffff:ffff:ffff:ffff", "2001:db8:0:1::1.2.3.4"]
    {
        assert_eq!(retry_after(&attempt_from(&http, same, "alice", WRONG).await), 1, "{same}");
    }
    assert_eq!(attempt_from(&http, "2001:db8:0:2::1", "alice", WRONG).await.status, 401);
}

// B06
#[tokio::test(flavor = "multi_thread")]
async fn an_ipv4_address_is_one_however_it_is_written() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    let forms = ["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1"];
    for n in 0..10 {
        assert_eq!(attempt_from(&http, forms[n % 4], "alice", WRONG).await.status, 401);
    }
    for form in forms {
        assert_eq!(retry_after(&attempt_from(&http, form, "alice", WRONG).await), 1, "{form}");
    }
}

// B06
#[tokio::test(flavor = "multi_thread")]
async fn an_address_and_an_ipv6_network_run_out_of_guesses_over_all_names() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    for n in 0..100 {
        let name = format!("user{n}");
        assert_eq!(attempt_from(&http, "192.0.2.1", &name, WRONG).await.status, 401);
    }
    assert_eq!(retry_after(&attempt_from(&http, "192.0.2.1", "another", WRONG).await), 1);
    assert_eq!(attempt_from(&http, "192.0.2.2", "another", WRONG).await.status, 401);
    for n in 0..1000 {
        let from = format!("2001:db8:1:{:x}::1", n / 50);
        let name = format!("user{}", n % 200);
        assert_eq!(attempt_from(&http, &from, &name, WRONG).await.status, 401);
    }
    assert_eq!(retry_after(&attempt_from(&http, "2001:db8:1:ffff::1", "another", WRONG).await), 1);
    assert_eq!(attempt_from(&http, "2001:db8:2::1", "another", WRONG).await.status, 401);
}
