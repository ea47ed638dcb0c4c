//! Finding the token in a request (RFC 6750), strictly: one header, one scheme, one token.
//!
//! A token is taken from the `Authorization` header alone. In the query it is refused, for URLs end up in
//! logs; bodies are not read, so a form's `access_token` is never seen.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

/// Why there is no token to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoToken {
    /// No credentials, or of another scheme.
    Missing,
    /// More than one credential, or not of the form.
    Malformed,
}

/// The token of a request.
pub(crate) fn token<'a>(headers: &'a HeaderMap, uri: &Uri) -> Result<&'a str, NoToken> {
    let token = presented(headers, uri)?;
    let token = Some(token).filter(|token| is_b64token(token)).ok_or(NoToken::Malformed)?;
    std::str::from_utf8(token).map_err(|_| NoToken::Malformed)
}

/// What stands in the token's place, whatever its characters are: whoever finds it among known tokens need not look
/// at them.
pub(crate) fn presented<'a>(headers: &'a HeaderMap, uri: &Uri) -> Result<&'a [u8], NoToken> {
    if uri.query().is_some_and(holds_token) {
        return Err(NoToken::Malformed);
    }
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let line = lines.next().ok_or(NoToken::Missing)?;
    if lines.next().is_some() {
        return Err(NoToken::Malformed);
    }
    let bytes = line.as_bytes();
    let end = bytes.iter().position(|b| *b == b' ').unwrap_or(bytes.len());
    let (scheme, token) = bytes.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        let text = line.to_str().is_ok();
        return Err(if text { NoToken::Missing } else { NoToken::Malformed });
    }
    token.get(1..).ok_or(NoToken::Malformed)
}

/// RFC 6750 §2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|b| **b == b'=').count();
    let body = &token[..token.len() - padding];
    // Without an end in between, sixteen characters are compared at once.
    !body.is_empty() && body.iter().fold(true, |all, b| all & is_allowed(*b))
}

fn is_allowed(b: u8) -> bool {
    let letter = (b | 0x20).wrapping_sub(b'a') < 26;
    let digit_or_near = b.wrapping_sub(b'-') <= b'9' - b'-';
    letter | digit_or_near | (b == b'_') | (b == b'~') | (b == b'+')
}

/// Whether a query has a parameter `access_token`, however it is written.
fn holds_token(query: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        unescaped(name).eq_ignore_ascii_case(b"access_token")
    })
}

fn unescaped(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'%', a, b, ..] => hex(*a).zip(hex(*b)).map(|(a, b)| a * 16 + b),
            _ => None,
        };
        out.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &rest[3..] } else { tail };
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn parse(lines: &[&str], uri: &str) -> Result<String, NoToken> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap());
        }
        token(&headers, &uri.parse().unwrap()).map(str::to_owned)
    }

    // H05
    #[test]
    fn the_scheme_is_read_in_any_case_and_the_token_as_it_is() {
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            assert_eq!(parse(&[&format!("{scheme} aB.c-_~+/==")], "/"), Ok("aB.c-_~+/==".into()));
        }
    }

    #[test]
    fn the_characters_of_a_token_are_those_of_the_rfc() {
        let of_the_rfc = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(b);
        for b in 0..=u8::MAX {
            assert_eq!(is_allowed(b), of_the_rfc(&b), "{b:#x}");
        }
    }

    // H05
    #[test]
    fn anything_but_one_token_after_one_space_is_refused() {
        for line in [
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer a b",
            "Bearer a,b",
            "Bearer =",
            "Bearer a=b",
            "Bearer \"a\"",
            "Bearer\ta",
            "Bearer a;b",
            "Bearer é",
        ] {
            assert!(parse(&[line], "/").is_err(), "{line}");
        }
    }

    // H04
    #[test]
    fn more_than_one_credential_is_refused() {
        assert_eq!(parse(&["Bearer a", "Bearer a"], "/"), Err(NoToken::Malformed));
        assert_eq!(parse(&["Basic a", "Bearer a"], "/"), Err(NoToken::Malformed));
        assert_eq!(parse(&["Bearer a, Bearer b"], "/"), Err(NoToken::Malformed));
    }

    // H03
    #[test]
    fn a_token_in_the_query_is_refused_however_its_name_is_written() {
        for query in [
            "access_token=x",
            "a=b&access_token=x",
            "access%5Ftoken=x",
            "access_token",
            "%61ccess_token=x",
            "ACCESS_TOKEN=x",
            "a;access_token=x",
        ] {
            assert_eq!(
                parse(&["Bearer a"], &format!("/?{query}")),
                Err(NoToken::Malformed),
                "{query}"
            );
            assert_eq!(parse(&[], &format!("/?{query}")), Err(NoToken::Malformed), "{query}");
        }
        assert_eq!(parse(&["Bearer a"], "/?my_access_token=x&q=access_token"), Ok("a".into()));
    }

    // E02
    #[test]
    fn no_credentials_and_those_of_another_scheme_count_as_none() {
        assert_eq!(parse(&[], "/"), Err(NoToken::Missing));
        assert_eq!(parse(&["Basic YTpi"], "/"), Err(NoToken::Missing));
        assert_eq!(parse(&["Bearerx a"], "/"), Err(NoToken::Missing));
    }

    proptest! {
        #[test]
        fn no_header_or_query_panics(
            line in prop::collection::vec(32u8..=255, 0..60).prop_filter("del", |v| !v.contains(&127)),
            query in "[!-~]{0,40}",
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_bytes(&line).unwrap());
            if let Ok(uri) = format!("/?{query}").parse() {
                let _ = token(&headers, &uri);
            }
        }
    }
}
