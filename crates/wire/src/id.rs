//! Ids: 128 random bits each, written as 22 base64url characters. They name things and open nothing.

use crate::b64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Text that is not the 22-character form of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 22 base64url characters")]
pub struct BadId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// An id of these bytes, which the caller drew at random.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
            /// The 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
            /// The 22 characters.
            pub(crate) fn text(&self) -> [u8; 22] {
                b64::encode_id(&self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                if text.len() != 22 {
                    return Err(BadId);
                }
                b64::decode_array(text).map(Self).ok_or(BadId)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("22 base64url characters")
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                d.deserialize_str(Text)
            }
        }
    };
}

id!(
    /// A session (claim `sid`).
    Sid
);
id!(
    /// An account (claim `sub`). Never given to another account.
    Sub
);
id!(
    /// One access token (claim `jti`).
    Jti
);
id!(
    /// An epoch of the revocation log: a new one begins when the store was rolled back.
    Epoch
);
id!(
    /// One run of one verifier process.
    Instance
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_text_form() {
        let id = Sid::from_bytes([0xff; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        // 22 characters hold 132 bits: the last four must be zero.
        assert_eq!("_____________________x".parse::<Sid>(), Err(BadId));
        assert_eq!("".parse::<Sid>(), Err(BadId));
        assert_eq!("______________________==".parse::<Sid>(), Err(BadId));
    }
}
