use super::*;
use crate::jws::Alg;
use proptest::prelude::*;

const ISSUER: &str = "https://auth.example";

fn key() -> SigningKey {
    SigningKey::from_secret(Alg::Ed25519, &SigningKey::generate(Alg::Ed25519).unwrap()).unwrap()
}

fn public(key: &SigningKey) -> Vec<PublicKey> {
    key.public().cloned().into_iter().collect()
}

fn frames() -> impl Strategy<Value = Frame> {
    let entry = (any::<u64>(), 1u8..=9, any::<[u8; 16]>(), any::<u64>()).prop_map(
        |(ts, scope, key, until)| Entry {
            pos: 0,
            ts,
            scope: Scope::from_u8(scope).unwrap(),
            key: RevocationKey::from_bytes(key),
            until,
        },
    );
    let position = (any::<[u8; 16]>(), 100u64.., any::<u64>(), any::<[u8; 32]>()).prop_map(
        |(epoch, pos, ts, digest)| Position {
            epoch: Epoch::from_bytes(epoch),
            pos,
            ts,
            digest: Digest(digest),
        },
    );
    let keys =
        (any::<u64>(), any::<[u8; 32]>()).prop_map(|(version, hash)| KeysMark { version, hash });
    prop_oneof![
        (position.clone(), prop::collection::vec(entry.clone(), 1..50)).prop_map(
            |(position, mut entries)| {
                let first = position.pos + 1 - entries.len() as u64;
                entries.iter_mut().zip(first..).for_each(|(e, pos)| e.pos = pos);
                Frame::Delta { position, entries }
            }
        ),
        (position.clone(), prop::collection::vec(entry, 0..50))
            .prop_map(|(position, entries)| Frame::Snapshot { position, entries }),
        position.clone().prop_map(Frame::Beat),
        keys.clone().prop_map(Frame::Keys),
        Just(Frame::Resync),
        any::<u32>().prop_map(|spread_ms| Frame::GoAway { spread_ms }),
        any::<u64>().prop_map(|pos| Frame::Ask { pos }),
        (any::<[u8; 16]>(), position, any::<u64>(), keys, any::<u64>(), any::<u32>()).prop_map(
            |(nonce, position, utc, keys, age, staleness_ms)| {
                Frame::Head(Head { nonce, position, utc, keys, age, staleness_ms })
            }
        ),
    ]
}

proptest! {
    #[test]
    fn a_sealed_frame_opens_to_itself(frame in frames()) {
        let key = key();
        let sealed = seal(&frame, ISSUER, &key).unwrap();
        prop_assert_eq!(next_frame(&sealed, MAX_FRAME), Ok(Some(sealed.len())));
        prop_assert_eq!(next_frame(&sealed[..sealed.len() - 1], MAX_FRAME), Ok(None));
        prop_assert_eq!(open(&sealed, ISSUER, &public(&key)), Ok(frame));
    }

    #[test]
    fn no_changed_bit_is_accepted(frame in frames(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let key = key();
        let mut sealed = seal(&frame, ISSUER, &key).unwrap();
        let at = at.index(sealed.len());
        sealed[at] ^= 1u8 << bit;
        prop_assert!(open(&sealed, ISSUER, &public(&key)).is_err());
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = next_frame(&bytes, MAX_FRAME);
        prop_assert!(open(&bytes, ISSUER, &public(&key())).is_err());
    }
}

#[test]
fn an_unknown_kind_may_be_passed_over_only_if_its_number_says_so() {
    let key = key();
    for (kind, error) in [
        (0, BadFrame::Malformed),
        (9, BadFrame::Malformed),
        (SKIPPABLE - 1, BadFrame::Malformed),
        (SKIPPABLE, BadFrame::Skippable),
        (u8::MAX, BadFrame::Skippable),
    ] {
        let mut frame = seal(&Frame::Resync, ISSUER, &key).unwrap();
        frame[4] = kind;
        assert_eq!(open(&frame, ISSUER, &public(&key)), Err(BadFrame::Signature), "{kind}");
        let end = frame.len() - 64;
        let signature = key.sign(&signed_bytes(ISSUER, &frame[4..end])).unwrap();
        frame.splice(end.., signature);
        assert_eq!(open(&frame, ISSUER, &public(&key)), Err(error), "{kind}");
    }
}

#[test]
fn a_frame_of_another_realm_is_refused() {
    let key = key();
    let sealed = seal(&Frame::Resync, "https://other.example", &key).unwrap();
    assert_eq!(open(&sealed, ISSUER, &public(&key)), Err(BadFrame::Signature));
}

#[test]
fn a_length_over_the_limit_is_refused_before_the_rest_arrives() {
    assert_eq!(next_frame(&[0xff, 0xff, 0xff, 0xff], MAX_FRAME), Err(BadFrame::TooLong));
}
