//! Strict JSON for what an attacker may have written: no duplicate member (also escaped), bounded
//! nesting, nothing after the value. The Unicode rules of RFC 8259 are serde_json's own.

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::de::StrRead;
use serde_json::{Map, Number, Value};
use std::fmt;

/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: u32 = 32;

/// Input that is not strict JSON. Says nothing of what the input held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not strict JSON: malformed, a duplicate member, or nested too deeply")]
pub struct BadJson;

/// Parses one object.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, BadJson> {
    match value(bytes)? {
        Value::Object(map) => Ok(map),
        _ => Err(BadJson),
    }
}

/// Parses one object, whose members the visitor takes. What it takes as [`Member`] is strict; names that are there
/// twice are for it to refuse.
pub(crate) fn read<'de, V: Visitor<'de>>(
    bytes: &'de [u8],
    visitor: V,
) -> Result<V::Value, BadJson> {
    let mut input = input(bytes)?;
    let value = input.deserialize_map(visitor).map_err(|_| BadJson)?;
    input.end().map_err(|_| BadJson)?;
    Ok(value)
}

/// A member's value in an object that is read by [`read`]; only its form matters.
pub(crate) struct Member;

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Strict { depth: 1 }.deserialize(d).map(|_| Self)
    }
}

/// Parses one array.
pub fn array(bytes: &[u8]) -> Result<Vec<Value>, BadJson> {
    match value(bytes)? {
        Value::Array(elements) => Ok(elements),
        _ => Err(BadJson),
    }
}

/// Looks once whether it is UTF-8, instead of at each text.
fn input(bytes: &[u8]) -> Result<serde_json::Deserializer<StrRead<'_>>, BadJson> {
    std::str::from_utf8(bytes).map(serde_json::Deserializer::from_str).map_err(|_| BadJson)
}

fn value(bytes: &[u8]) -> Result<Value, BadJson> {
    let mut input = input(bytes)?;
    let value = Strict { depth: 0 }.deserialize(&mut input).map_err(|_| BadJson)?;
    input.end().map_err(|_| BadJson)?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict {
    depth: u32,
}

impl Strict {
    /// Asked for on entering an array or object, so that an empty one counts as a level too.
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }
    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }
    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if members.insert(name, value).is_some() {
                return Err(de::Error::custom("duplicate member"));
            }
        }
        Ok(Value::Object(members))
    }
}
