//! Cookie headers, one line of input for each.

use crate::Target;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use rescind_server::http::cookies::{CookieNames, find};

/// The target.
pub const TARGET: Target = Target { name: "cookie", seeds, holds, short: 20_000 };

const NAME: &str = CookieNames::TLS.session;

fn holds(input: &[u8]) {
    let lines: Vec<HeaderValue> =
        input.split(|b| *b == b'\n').filter_map(|l| HeaderValue::from_bytes(l).ok()).collect();
    let found = found(&lines);
    let pairs = || lines.iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    let trimmed = |pair: &[u8]| pair.iter().copied().skip_while(|b| b" \t".contains(b)).collect();
    let mut values: Vec<Vec<u8>> = pairs().map(trimmed).collect();
    values.retain(|pair| pair.starts_with(format!("{NAME}=").as_bytes()));
    match &found {
        Ok(None) => assert!(values.is_empty(), "a session cookie was passed over"),
        Ok(Some(value)) => {
            assert_eq!(values.len(), 1, "one of several cookies was taken");
            let written = String::from_utf8_lossy(&values[0][NAME.len() + 1..]).into_owned();
            assert_eq!(*value, written);
        }
        Err(status) => assert!([400, 431].contains(status)),
    }
    if found.is_ok() {
        assert!(pairs().count() <= 50);
        assert!(lines.iter().map(|line| line.len()).sum::<usize>() <= 8192);
    }
    // Several lines say what one line with all of them says (RFC 9113 §8.2.3), if it is not too long.
    let joined = lines.iter().map(|l| l.as_bytes()).collect::<Vec<_>>().join(&b"; "[..]);
    if joined.len() <= 8192 && !lines.is_empty() {
        assert_eq!(self::found(&[HeaderValue::from_bytes(&joined).unwrap()]), found);
    }
}

/// The session's cookie, or the status of the refusal.
fn found(lines: &[HeaderValue]) -> Result<Option<String>, u16> {
    use axum::response::IntoResponse as _;
    let mut headers = HeaderMap::new();
    lines.iter().for_each(|line| {
        headers.append(COOKIE, line.clone());
    });
    match find(&headers, NAME) {
        Ok(found) => Ok(found.map(|value| value.expose().to_owned())),
        Err(failure) => Err(failure.into_response().status().as_u16()),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let seeds: [&[u8]; 12] = [
        b"__Host-rescind=a",
        b"a=1; __Host-rescind=v; b=2",
        b"a=1\n__Host-rescind=v\nb=2",
        b"__Host-rescind=a; __Host-rescind=b",
        b"__Host-rescind=a\n__Host-rescind=a",
        b"$Version=1; __Host-rescind=a",
        b"=__Host-rescind=a",
        b"__Host-rescind=\"a,x=1\"",
        b"__Host-rescind =a;\t__Host-rescind=\xff\xfe",
        b"__Host-rescind-sign-in=s; XSRF-TOKEN=x; __Host-rescind=a",
        b"x__Host-rescind=a;;;;__host-rescind=a",
        b"",
    ];
    let mut seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    seeds.push([b"a;".repeat(50), b"__Host-rescind=a".to_vec()].concat());
    seeds.push([b"a=".to_vec(), b"x".repeat(8180), b"\n__Host-rescind=a".to_vec()].concat());
    seeds
}
