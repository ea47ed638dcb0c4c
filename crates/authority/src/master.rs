//! The master key: 32 random bytes outside the store, from which every other secret of the realm is
//! drawn by HKDF-SHA256 with a label of its own, or under which it is wrapped. What is not random is
//! refused: a placeholder, a passphrase, a published example.

use crate::clock::{Entropy, random};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use rescind_wire::{b64, sha256};
use zeroize::Zeroizing;

/// The master key. `Debug` shows nothing.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// Bytes that are no master key. Never says what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadMasterKey {
    /// Not 32 bytes, nor text of 32 bytes.
    #[error(
        "the master key is not 32 bytes, raw, in base64 or in hexadecimal; draw one by \
         `head -c 32 /dev/urandom > master.key`"
    )]
    Length,
    /// Not drawn at random.
    #[error(
        "the master key is a placeholder, a passphrase or a published example; draw one by \
         `head -c 32 /dev/urandom > master.key`"
    )]
    NotRandom,
}

/// Keys that stand in a specification, and so in many configurations: RFC 8032 §7.1, tests 1 to 3.
const PUBLISHED: [&str; 3] = [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
];

impl MasterKey {
    /// Reads a key: 32 raw bytes, or their text in base64 (either alphabet, padded or not) or
    /// hexadecimal, with white space at its end.
    pub fn read(bytes: &[u8]) -> Result<Self, BadMasterKey> {
        let key = match <[u8; 32]>::try_from(bytes) {
            Ok(raw) => Zeroizing::new(raw),
            Err(_) => of_text(bytes).ok_or(BadMasterKey::Length)?,
        };
        if !looks_random(&key) {
            return Err(BadMasterKey::NotRandom);
        }
        Ok(Self(key))
    }

    /// One purpose of the master key. Each has its own label, so that no value made for one fits another.
    pub(crate) fn derive(&self, label: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyFailure> {
        let mut out = Zeroizing::new([0; 32]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"rescind master v1")
            .extract(self.0.as_slice())
            .expand(&[label], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(out.as_mut_slice()))
            .map_err(|_| KeyFailure)?;
        Ok(out)
    }

    /// Names the key without telling it: binds a store to its master key.
    pub fn name(&self) -> Result<String, KeyFailure> {
        Ok(b64::encode(&self.derive(b"name")?[..16]))
    }

    /// Wraps a secret for the store: `version 1 | nonce 12 | AES-256-GCM`, bound to what it is.
    pub(crate) fn wrap(
        &self,
        context: &str,
        secret: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, KeyFailure> {
        let nonce = random::<12>(entropy);
        let mut sealed = Zeroizing::new(secret.to_vec());
        let tag = self
            .cipher()?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut sealed,
            )
            .map_err(|_| KeyFailure)?;
        Ok([&[1], &nonce[..], &sealed, tag.as_ref()].concat())
    }

    /// Unwraps what [`MasterKey::wrap`] has made for the same context.
    pub(crate) fn unwrap(
        &self,
        context: &str,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyFailure> {
        let (head, sealed) = wrapped.split_first_chunk::<13>().ok_or(KeyFailure)?;
        let (1, nonce) = (head[0], <[u8; 12]>::try_from(&head[1..]).map_err(|_| KeyFailure)?)
        else {
            return Err(KeyFailure);
        };
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let length = self
            .cipher()?
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut bytes)
            .map_err(|_| KeyFailure)?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }

    fn cipher(&self) -> Result<LessSafeKey, KeyFailure> {
        let key = self.derive(b"key wrapping")?;
        UnboundKey::new(&AES_256_GCM, key.as_slice()).map(LessSafeKey::new).map_err(|_| KeyFailure)
    }
}

/// A key could not be derived or unwrapped: it is another master key's, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key in the store does not open with this master key: restore the one it was made with")]
pub struct KeyFailure;

fn of_text(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end();
    let decoded = Zeroizing::new(match text.len() {
        64 => hex(text)?,
        43 | 44 => {
            let plain = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
            b64::decode(Zeroizing::new(plain).as_bytes())?
        }
        _ => return None,
    });
    Some(Zeroizing::new(decoded.as_slice().try_into().ok()?))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|p| u8::try_from(digit(p[0])? * 16 + digit(p[1])?).ok()).collect()
}

/// 32 random bytes have about 30 different values, an even step between neighbours never, and are all
/// printable once in 10^13.
fn looks_random(key: &[u8; 32]) -> bool {
    let distinct = key.iter().collect::<std::collections::HashSet<_>>().len();
    let even = key.windows(3).all(|w| w[1].wrapping_sub(w[0]) == w[2].wrapping_sub(w[1]));
    let text = key.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    let published = PUBLISHED.iter().filter_map(|text| hex(text)).any(|known| known == key);
    distinct >= 16 && !even && !text && !published && *key != sha256(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(9);
        }
    }

    /// Bytes that look random and are the same each time.
    fn drawn(seed: u8) -> [u8; 32] {
        sha256(&[&[seed]])
    }

    fn master(seed: u8) -> MasterKey {
        MasterKey::read(&drawn(seed)).unwrap()
    }

    #[test]
    fn a_key_is_the_same_raw_and_in_each_text_form() {
        let name = master(1).name().unwrap();
        let encoded = b64::encode(drawn(1));
        let hex: String = drawn(1).iter().map(|b| format!("{b:02x}")).collect();
        let standard = encoded.replace('-', "+").replace('_', "/");
        for text in [encoded.clone(), format!("{encoded}\n"), format!("{standard}=\n"), hex] {
            assert_eq!(MasterKey::read(text.as_bytes()).unwrap().name().unwrap(), name, "{text}");
        }
        assert_ne!(master(2).name().unwrap(), name);
    }

    // K10
    #[test]
    fn what_nobody_has_drawn_is_no_master_key() {
        let passphrase = b"correct horse battery staple 123";
        assert_eq!(passphrase.len(), 32);
        let counting: Vec<u8> = (0..32).collect();
        for bad in [
            &[0; 32][..],
            &[0xa5; 32],
            &counting,
            passphrase,
            b"correct horse battery staple 12\n",
            &b64::encode(passphrase).into_bytes(),
            PUBLISHED[0].as_bytes(),
            &hex(PUBLISHED[2]).unwrap(),
            &[1, 2, 3, 4, 5, 6, 7, 8].repeat(4),
            &sha256(&[]),
        ] {
            assert_eq!(MasterKey::read(bad).unwrap_err(), BadMasterKey::NotRandom, "{bad:?}");
        }
        for short in [&drawn(1)[..31], b"", b"changeme", &[drawn(1), drawn(1)].concat()] {
            assert_eq!(MasterKey::read(short).unwrap_err(), BadMasterKey::Length);
        }
    }

    // K11
    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let labels: [&[u8]; 5] = [b"line", b"line 2", b"csrf", b"name", b"key wrapping"];
        let keys = labels.map(|label| master(1).derive(label).unwrap());
        for (n, key) in keys.iter().enumerate() {
            assert!(keys[..n].iter().all(|other| other != key));
        }
    }

    // K09
    #[test]
    fn what_is_wrapped_opens_only_as_what_it_is_and_by_its_master_key() {
        let wrapped = master(1).wrap("token kid-1", b"secret", &Counting).unwrap();
        assert!(!wrapped.windows(6).any(|w| w == b"secret"));
        assert_eq!(master(1).unwrap("token kid-1", &wrapped).unwrap().as_slice(), b"secret");
        assert!(master(2).unwrap("token kid-1", &wrapped).is_err());
        assert!(master(1).unwrap("feed kid-1", &wrapped).is_err());
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert!(master(1).unwrap("token kid-1", &changed).is_err(), "byte {at}");
            assert!(master(1).unwrap("token kid-1", &wrapped[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_master_key_is_not_in_its_debug_form() {
        assert_eq!(format!("{:?}", master(1)), "MasterKey(…)");
    }
}
