//! The authority's metadata (RFC 8414): where its resources are, and the keys of its feed.

use crate::endpoint;
use crate::trouble::FetchError;
use http::Uri;
use rescind_wire::json;
use rescind_wire::jwk::PublicKey;
use rescind_wire::jws::Alg;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The authority's addresses and the keys of its feed.
pub(crate) struct Known {
    pub(crate) jwks: Uri,
    pub(crate) snapshot: Uri,
    pub(crate) feed: Uri,
    pub(crate) head: Uri,
    heads: Option<Uri>,
    pub(crate) feed_keys: Vec<PublicKey>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
    rescind_feed_keys: FeedKeys,
    rescind_snapshot_endpoint: String,
    rescind_feed_endpoint: String,
    rescind_head_endpoint: String,
    rescind_heads_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct FeedKeys {
    keys: Vec<Map<String, Value>>,
}

impl Known {
    /// Reads the document of exactly this issuer (RFC 8414 §3.3).
    pub(crate) fn read(document: &[u8], issuer: &str) -> Result<Self, FetchError> {
        let members =
            json::object(document).map_err(|_| FetchError::Metadata("not strict JSON"))?;
        let metadata: Metadata = serde_json::from_value(Value::Object(members))
            .map_err(|_| FetchError::Metadata("a member is missing or of the wrong type"))?;
        if metadata.issuer != issuer {
            let named = metadata.issuer.chars().take(200).collect();
            return Err(FetchError::Issuer { named, told: issuer.to_owned() });
        }
        let keys = metadata.rescind_feed_keys.keys.iter();
        let feed_keys: Vec<_> = keys
            .filter_map(|jwk| PublicKey::from_jwk(jwk).ok())
            .filter(|key| key.alg() == Alg::Ed25519)
            .collect();
        if feed_keys.is_empty() {
            return Err(FetchError::Metadata("it has no usable feed key"));
        }
        Ok(Self {
            jwks: endpoint::endpoint(&metadata.jwks_uri)?,
            snapshot: endpoint::endpoint(&metadata.rescind_snapshot_endpoint)?,
            feed: endpoint::endpoint(&metadata.rescind_feed_endpoint)?,
            head: endpoint::endpoint(&metadata.rescind_head_endpoint)?,
            heads: metadata
                .rescind_heads_endpoint
                .as_deref()
                .map(endpoint::endpoint)
                .transpose()?,
            feed_keys,
        })
    }

    /// Whether the feed has the same keys.
    pub(crate) fn has_keys_of(&self, other: &Self) -> bool {
        let keys =
            |known: &Self| known.feed_keys.iter().map(PublicKey::thumbprint).collect::<Vec<_>>();
        keys(self) == keys(other)
    }

    /// Where many questions are asked at once.
    pub(crate) fn heads(&self) -> Result<&Uri, FetchError> {
        let lacks = "it has no rescind_heads_endpoint: the authority is older than this relay";
        self.heads.as_ref().ok_or(FetchError::Metadata(lacks))
    }

    /// The same, with the resources taken from a relay. The keys stay the issuer's own.
    pub(crate) fn at_relay(self, base: &str) -> Result<Self, FetchError> {
        let at = |path| endpoint::endpoint(&format!("{base}/v1/{path}"));
        Ok(Self {
            snapshot: at("snapshot")?,
            feed: at("feed")?,
            head: at("head")?,
            heads: Some(at("heads")?),
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rescind_wire::jwk::{SigningKey, jwks};
    use serde_json::json;

    fn document() -> Value {
        let pkcs8 = SigningKey::generate(Alg::Ed25519).unwrap();
        let key = SigningKey::from_secret(Alg::Ed25519, &pkcs8).unwrap();
        let keys: Value = serde_json::from_str(&jwks(key.public())).unwrap();
        json!({
            "issuer": "https://a.example",
            "jwks_uri": "https://a.example/jwks",
            "rescind_feed_keys": keys,
            "rescind_snapshot_endpoint": "https://a.example/s",
            "rescind_feed_endpoint": "https://a.example/f",
            "rescind_head_endpoint": "https://a.example/h",
            "rescind_heads_endpoint": "https://a.example/hs",
            "token_endpoint": "https://a.example/token",
        })
    }

    fn read(document: &Value) -> Result<Known, FetchError> {
        Known::read(document.to_string().as_bytes(), "https://a.example")
    }

    #[test]
    fn a_whole_document_is_read_and_one_without_a_member_is_not() {
        assert_eq!(read(&document()).unwrap().feed_keys.len(), 1);
        for name in document().as_object().unwrap().keys() {
            let mut without = document();
            without.as_object_mut().unwrap().remove(name);
            let optional = ["token_endpoint", "rescind_heads_endpoint"].contains(&name.as_str());
            assert_eq!(read(&without).is_ok(), optional, "{name}");
        }
    }

    // K08
    #[test]
    fn the_issuer_must_be_equal_and_every_address_allowed() {
        for issuer in ["https://a.example/", "https://A.example", "https://b.example"] {
            let mut other = document();
            other["issuer"] = issuer.into();
            let error = read(&other).err().unwrap();
            assert!(matches!(error, FetchError::Issuer { .. }), "{error}");
            let said = error.to_string();
            assert!(said.contains(issuer) && said.contains("https://a.example"), "{said}");
        }
        for name in [
            "jwks_uri",
            "rescind_snapshot_endpoint",
            "rescind_feed_endpoint",
            "rescind_head_endpoint",
            "rescind_heads_endpoint",
        ] {
            let mut other = document();
            other[name] = "http://a.example/x".into();
            assert!(matches!(read(&other), Err(FetchError::Address(_))), "{name}");
        }
    }
}
