use super::*;
use argon2::{AssociatedData, ParamsBuilder};

struct Counting;

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for (n, byte) in buffer.iter_mut().enumerate() {
            *byte = n as u8;
        }
    }
}

fn pool(cost: Argon2Cost) -> HashPool {
    let settings = Settings { argon2: cost, ..Settings::new("https://auth.example.com") };
    HashPool::new(&settings, &Counting)
}

const CHEAP: Argon2Cost = Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 };

fn password(text: &str) -> Password {
    Password::presented(text).unwrap()
}

// L02
#[test]
fn argon2id_gives_the_result_of_rfc_9106_section_5_3() {
    let params = ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .data(AssociatedData::new(&[4; 12]).unwrap())
        .build()
        .unwrap();
    let argon2 =
        Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut output = [0; 32];
    argon2.hash_password_into(&[1; 32], &[2; 16], &mut output).unwrap();
    let expected = [
        0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53,
        0xc9, 0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01,
        0xe6, 0x59,
    ];
    assert_eq!(output, expected);
}

// L02
/// Of the tests of the reference implementation (phc-winner-argon2, `src/test.c`), version 1.3.
#[tokio::test]
async fn the_pool_verifies_the_hashes_of_the_reference_implementation() {
    let pool = pool(CHEAP);
    for (hash, text) in [
        (
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
             CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "password",
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "password",
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            "password",
        ),
        (
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
             C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94",
            "differentpassword",
        ),
    ] {
        let verdict = pool.verify(Some(hash.into()), &password(text)).await;
        assert_eq!(verdict, Ok(Verdict::Right { outdated: true }), "{hash}");
        let verdict = pool.verify(Some(hash.into()), &password("Password")).await;
        assert_eq!(verdict, Ok(Verdict::Wrong), "{hash}");
    }
}

// L01
#[tokio::test]
async fn a_new_hash_is_an_argon2id_string_of_the_cost_in_force_with_the_salt_that_was_drawn() {
    let cost = Settings::new("https://auth.example.com").argon2;
    let pool = pool(cost);
    let a = pool.hash(&password("password"), [7; 16]).await.unwrap();
    let b = pool.hash(&password("password"), [8; 16]).await.unwrap();
    assert!(a.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"), "{a}");
    assert_ne!(a.rsplit('$').next(), b.rsplit('$').next());
    let verdict = pool.verify(Some(a), &password("password")).await;
    assert_eq!(verdict, Ok(Verdict::Right { outdated: false }));
}

// L15
#[tokio::test]
async fn without_a_stored_hash_one_of_the_same_cost_is_computed_and_nothing_fits() {
    let (cost, salt, output) = parse(&dummy(CHEAP, &Counting).unwrap()).unwrap();
    assert_eq!((cost, salt.len(), output.len()), (CHEAP, 16, OUTPUT));
    let pool = pool(CHEAP);
    assert_eq!(pool.verify(None, &password("password")).await, Ok(Verdict::Wrong));
    assert_eq!(pool.computed(), 1);
    let unreadable = pool.verify(Some("$argon2id$junk".into()), &password("password")).await;
    assert_eq!(unreadable, Ok(Verdict::Wrong));
}

#[tokio::test]
async fn a_longer_or_shorter_output_of_another_system_fits_too_and_is_outdated() {
    let pool = pool(CHEAP);
    for length in [16, 32, 64] {
        let params = Params::new(64, 1, 1, Some(length)).unwrap();
        let mut output = vec![0; length];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(b"password", &[7; 16], &mut output)
            .unwrap();
        let stored = phc(CHEAP, &[7; 16], &output).unwrap();
        let verdict = pool.verify(Some(stored), &password("password")).await;
        assert_eq!(verdict, Ok(Verdict::Right { outdated: length != 32 }), "{length}");
    }
}
