//! Public keys that are well formed and still prove nothing. [`crate::jwk`] asks here before it
//! takes a key.

/// Whether the y coordinate of an Ed25519 point (RFC 8032 §5.1.2) is below the prime 2^255 - 19:
/// a point has then one spelling, and a key one thumbprint.
pub(crate) fn canonical(encoded: &[u8; 32]) -> bool {
    let y = without_sign(encoded);
    !(y[0] >= 0xed && y[1..31].iter().all(|b| *b == 0xff) && y[31] == 0x7f)
}

/// Points of Ed25519 whose order divides 8: under such a key one signature fits many messages.
/// Asked of canonical points only.
pub(crate) fn small_order(encoded: &[u8; 32]) -> bool {
    const ZERO: [u8; 32] = [0; 32];
    const ONE: [u8; 32] = {
        let mut y = ZERO;
        y[0] = 1;
        y
    };
    const P_MINUS_1: [u8; 32] = {
        let mut y = [0xff; 32];
        y[0] = 0xec;
        y[31] = 0x7f;
        y
    };
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    [ZERO, ONE, P_MINUS_1, ORDER_8[0], ORDER_8[1]].contains(&without_sign(encoded))
}

fn without_sign(encoded: &[u8; 32]) -> [u8; 32] {
    let mut y = *encoded;
    y[31] &= 0x7f;
    y
}

/// Whether an RSA modulus (big-endian) has the mark of ROCA (CVE-2017-15361): modulo every small
/// prime it is a power of 65537. One random modulus in 240 million has it by chance.
pub(crate) fn roca(modulus: &[u8]) -> bool {
    (3..=167)
        .step_by(2)
        .filter(|p| (3..*p).step_by(2).all(|d| p % d != 0))
        .all(|p| is_power_of_65537(remainder(modulus, p), p))
}

fn remainder(big_endian: &[u8], divisor: u32) -> u32 {
    big_endian.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % divisor)
}

fn is_power_of_65537(n: u32, prime: u32) -> bool {
    let mut power = 1;
    loop {
        if power == n {
            return true;
        }
        power = power * (65_537 % prime) % prime;
        if power == 1 {
            return false;
        }
    }
}
