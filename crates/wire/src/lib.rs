//! What the parts of Rescind say to each other.
//!
//! Owns every format that crosses the network: ids ([`id`]), the access token ([`token`]), keys
//! ([`jwk`]), revocation entries ([`revocation`]), the signed frames of the feed ([`frame`]) and the
//! problem codes ([`problem`]). Pure functions: no input or output, no async, no clock, no global.
//! Randomness comes in as bytes, but for new keys and signatures, where the crypto library draws it.

pub mod frame;
pub mod id;
pub mod json;
pub mod jwk;
pub mod jws;
pub mod problem;
pub mod revocation;
pub mod token;
mod weak;

/// Base64url without padding; decoding refuses padding and non-zero trailing bits (RFC 4648 §3.5).
pub mod b64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    /// Encodes bytes.
    pub fn encode(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Decodes text; `None` for anything that is not the one canonical encoding of its bytes.
    pub fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(text).ok()
    }

    /// Decodes the standard alphabet with padding (RFC 4648 §4), as HTTP Basic uses it.
    pub fn decode_standard(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        base64::engine::general_purpose::STANDARD.decode(text).ok()
    }

    /// Decodes text into exactly `N` bytes, at most 64.
    pub fn decode_array<const N: usize>(text: impl AsRef<[u8]>) -> Option<[u8; N]> {
        let mut buffer = [0; 72];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut buffer).ok()?;
        buffer.get(..length)?.try_into().ok()
    }

    /// Encodes the sixteen bytes of an id.
    pub(crate) fn encode_id(bytes: &[u8; 16]) -> [u8; 22] {
        let mut text = [0; 22];
        // As long as sixteen bytes always are: nothing is left out.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        text
    }
}

/// SHA-256 of the concatenated parts.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// SHA-256 of one piece: for it nothing is allocated.
pub(crate) fn sha256_of(piece: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, piece);
    out.copy_from_slice(hash.as_ref());
    out
}

/// Compares two byte strings in a time that depends on their lengths only.
pub fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}
