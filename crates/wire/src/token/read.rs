//! Reading claims out of a payload: strict JSON, each member at once into its place.

use super::Claims;
use crate::json::{self, Member};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// The claims of a payload, if it is strict JSON and each claim is there, once, with its type. Others may be
/// there, too.
pub(super) fn claims(payload: &[u8]) -> Option<Claims> {
    json::read(payload, Reader).ok()
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Iss,
    Sub,
    Aud,
    Exp,
    Iat,
    Nbf,
    Jti,
    Sid,
    ClientId,
    Scope,
    Roles,
    AuthTime,
    Amr,
    Rv,
    Other(String),
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
        let (mut iss, mut sub, mut aud, mut exp, mut iat) = (None, None, None, None, None);
        let (mut nbf, mut jti, mut sid, mut client_id) = (None, None, None, None);
        let (mut scope, mut roles, mut auth_time) = (None, None, None);
        let (mut amr, mut rv) = (None, None);
        let mut others = BTreeSet::new();
        while let Some(name) = map.next_key()? {
            match name {
                Name::Iss => once(&mut iss, map.next_value()?)?,
                Name::Sub => once(&mut sub, map.next_value()?)?,
                Name::Aud => once(&mut aud, map.next_value::<OneOrMany>()?.0)?,
                Name::Exp => once(&mut exp, map.next_value()?)?,
                Name::Iat => once(&mut iat, map.next_value()?)?,
                Name::Nbf => once(&mut nbf, map.next_value()?)?,
                Name::Jti => once(&mut jti, map.next_value()?)?,
                Name::Sid => once(&mut sid, map.next_value()?)?,
                Name::ClientId => once(&mut client_id, map.next_value()?)?,
                Name::Scope => once(&mut scope, map.next_value()?)?,
                Name::Roles => once(&mut roles, map.next_value::<Many>()?.0)?,
                Name::AuthTime => once(&mut auth_time, map.next_value()?)?,
                Name::Amr => once(&mut amr, map.next_value::<Many>()?.0)?,
                Name::Rv => once(&mut rv, map.next_value()?)?,
                Name::Other(name) => {
                    map.next_value::<Member>()?;
                    if !others.insert(name) {
                        return Err(A::Error::custom("duplicate member"));
                    }
                }
            }
        }
        Ok(Claims {
            iss: there(iss)?,
            sub: there(sub)?,
            aud: there(aud)?,
            exp: there(exp)?,
            iat: there(iat)?,
            nbf,
            jti: there(jti)?,
            sid: there(sid)?,
            client_id: there(client_id)?,
            scope: scope.unwrap_or_default(),
            roles: roles.unwrap_or_default(),
            auth_time: there(auth_time)?,
            amr: amr.unwrap_or_default(),
            rv: there(rv)?,
        })
    }
}

fn once<T, E: Error>(place: &mut Option<T>, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("duplicate member")),
    }
}

fn there<T, E: Error>(place: Option<T>) -> Result<T, E> {
    place.ok_or_else(|| E::custom("a claim is missing"))
}

/// A list of texts.
struct Many(Vec<String>);

impl<'de> Deserialize<'de> for Many {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_seq(Texts).map(Self)
    }
}

/// A list of texts, or one text (RFC 7519 §4.1.3).
struct OneOrMany(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Texts).map(Self)
    }
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: Error>(self, one: &str) -> Result<Vec<String>, E> {
        Ok(vec![one.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
        // There is seldom more than one, and what is read is kept for long: a list that grows has room for four.
        let mut texts: Vec<String> = seq.next_element()?.into_iter().collect();
        while let Some(text) = seq.next_element()? {
            texts.push(text);
        }
        Ok(texts)
    }
}
