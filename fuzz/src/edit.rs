//! Mutations of an input, as values, so that a failing one can be shrunk and printed.

use bolero::TypeGenerator;

/// One change. Places count from the beginning, modulo the length.
#[derive(Debug, Clone, TypeGenerator)]
pub(crate) enum Edit {
    /// Another byte at a place.
    Set(u16, u8),
    /// One bit turned round.
    Flip(u16, u8),
    /// A byte put in, so many times.
    Insert(u16, u8, u8),
    /// So many bytes taken out.
    Remove(u16, u8),
    /// All that follows taken out.
    Cut(u16),
    /// A part of the input itself put in elsewhere.
    Copy(u16, u8, u16),
    /// A part of another input put in.
    Splice(u16, u8, u16),
    /// Something that parsers are known to stumble over, put in.
    Scrap(u16, u8),
    /// An attack on a length or a number: ones or zeros over eight bytes.
    Extreme(u16, bool),
}

const SCRAPS: [&[u8]; 32] = [
    b"\0",
    b"\r\n",
    b"\n",
    b"=",
    b".",
    b"..",
    b";",
    b",",
    b"&",
    b"%00",
    b"%",
    b"+",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xc0\x80",
    b"\xef\xbb\xbf",
    b"\xef\xbf\xbd",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{",
    b"}",
    b"null",
    b"-0",
    b"-1",
    b"1.5",
    b"1e400",
    b"18446744073709551616",
    b"9007199254740993",
    b"\"alg\":\"none\",",
    b"$Version=1;",
    b"access_token=",
];

/// The input with all changes made, each on what the one before left.
pub(crate) fn apply(edits: &[Edit], input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for edit in edits {
        let places = bytes.len() + 1;
        let at = |n: &u16| usize::from(*n) % places;
        match edit {
            Edit::Set(n, to) => put(&mut bytes, at(n), |byte| *byte = *to),
            Edit::Flip(n, bit) => put(&mut bytes, at(n), |byte| *byte ^= 1 << (bit % 8)),
            Edit::Insert(n, byte, times) => {
                insert(&mut bytes, at(n), &vec![*byte; usize::from(*times)]);
            }
            Edit::Remove(n, many) => {
                let from = at(n);
                let to = (from + usize::from(*many)).min(bytes.len());
                bytes.drain(from..to);
            }
            Edit::Cut(n) => bytes.truncate(at(n)),
            Edit::Copy(n, many, to) => {
                let part = part(&bytes, at(n), *many);
                insert(&mut bytes, at(to), &part);
            }
            Edit::Splice(n, many, to) => {
                let from = usize::from(*n) % (other.len() + 1);
                insert(&mut bytes, at(to), &part(other, from, *many));
            }
            Edit::Scrap(n, which) => {
                insert(&mut bytes, at(n), SCRAPS[usize::from(*which) % SCRAPS.len()]);
            }
            Edit::Extreme(n, high) => {
                let byte = if *high { 0xff } else { 0 };
                let from = at(n);
                bytes.iter_mut().skip(from).take(8).for_each(|b| *b = byte);
            }
        }
    }
    bytes
}

fn put(bytes: &mut [u8], at: usize, change: impl FnOnce(&mut u8)) {
    if let Some(byte) = bytes.get_mut(at) {
        change(byte);
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}

fn part(bytes: &[u8], from: usize, many: u8) -> Vec<u8> {
    bytes.iter().skip(from).take(many.into()).copied().collect()
}
