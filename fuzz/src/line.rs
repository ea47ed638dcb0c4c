//! Credential lines, as cookie and refresh token bring them. The first byte chooses the carrier.

use crate::Target;
use rescind_authority::line::{Carrier, Line, LineKey, REFRESH_PREFIX};
use rescind_wire::id::Sid;

/// The target.
pub const TARGET: Target = Target { name: "line", seeds, holds, short: 150_000 };

/// The sessions whose lines the seeds hold.
const GENERATIONS: [u32; 3] = [0, 7, u32::MAX];

fn key() -> LineKey {
    LineKey::new(1, &[9; 32])
}

fn line(carrier: Carrier, generation: u32) -> Line {
    Line { carrier, sid: Sid::from_bytes([5; 16]), generation }
}

/// Only lines that were made open, each in the one text and the one carrier that it was made in.
fn holds(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    // The prefix is put in front here: secret scanners look for whole refresh tokens.
    let (carrier, text) = match first {
        b'C' => (Carrier::Cookie, text.to_owned()),
        b'T' => (Carrier::Token, format!("{REFRESH_PREFIX}{text}")),
        _ => (Carrier::Token, text.to_owned()),
    };
    let Some(opened) = key().open(carrier, &text) else { return };
    assert!(GENERATIONS.iter().any(|generation| opened == line(carrier, *generation)), "forged");
    assert_eq!(key().seal(opened).expose(), text, "one line in two texts");
    let other = match carrier {
        Carrier::Cookie => key().open(Carrier::Token, &format!("{REFRESH_PREFIX}{text}")),
        Carrier::Token => key().open(Carrier::Cookie, text.trim_start_matches(REFRESH_PREFIX)),
    };
    assert_eq!(other, None, "a line of one carrier opens in another");
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for generation in GENERATIONS {
        for (first, carrier) in [("C", Carrier::Cookie), ("T", Carrier::Token)] {
            let sealed = key().seal(line(carrier, generation));
            let text = sealed.expose().trim_start_matches(REFRESH_PREFIX);
            seeds.push(format!("{first}{text}").into_bytes());
            seeds.push(format!("-{text}").into_bytes());
            seeds.push(format!("{first}{text}=").into_bytes());
        }
    }
    let other = LineKey::new(2, &[9; 32]).seal(line(Carrier::Cookie, 7));
    seeds.push(format!("C{}", other.expose()).into_bytes());
    seeds.push(format!("T{REFRESH_PREFIX}").into_bytes());
    seeds
}
