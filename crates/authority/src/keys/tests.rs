use super::*;

const NOW: u64 = 1_800_000_000_000_000;
const SECOND: u64 = 1_000_000;

fn key(kid: &str, purpose: Purpose, state: KeyState, since: u64) -> StoredKey {
    let alg = match purpose {
        Purpose::Token => Some(Alg::Es256),
        Purpose::Feed(_) => Some(Alg::Ed25519),
        Purpose::Shared(_) => Some(Alg::Hs256),
        Purpose::Line(_) | Purpose::Csrf(_) => None,
    };
    StoredKey { kid: kid.into(), purpose, alg, state, created_at: since, since, wrapped: None }
}

fn whole() -> StoredKeys {
    let keys = vec![
        key("t1", Purpose::Token, KeyState::Active, NOW),
        key("t2", Purpose::Token, KeyState::Next, NOW),
        key("f1", Purpose::Feed(1), KeyState::Active, NOW),
        key("f2", Purpose::Feed(2), KeyState::Next, NOW),
        key("line-1", Purpose::Line(1), KeyState::Active, NOW),
        key("csrf-1", Purpose::Csrf(1), KeyState::Active, NOW),
    ];
    StoredKeys { version: 6, keys }
}

fn planned(stored: &StoredKeys, now: u64) -> Plan {
    plan(stored, &Settings::new("https://a.example"), 300, now)
}

#[test]
fn an_empty_realm_gets_a_key_for_each_purpose_and_successors_for_those_that_sign() {
    let made = planned(&StoredKeys::default(), NOW).make;
    let token = |state| (Purpose::Token, Some(Alg::Es256), state);
    let feed = |number, state| (Purpose::Feed(number), Some(Alg::Ed25519), state);
    let expected = [
        token(KeyState::Active),
        token(KeyState::Next),
        feed(1, KeyState::Active),
        feed(2, KeyState::Next),
        (Purpose::Line(1), None, KeyState::Active),
        (Purpose::Csrf(1), None, KeyState::Active),
    ];
    assert_eq!(made, expected);
    assert_eq!(planned(&whole(), NOW), Plan::default());
}

#[test]
fn a_successor_of_another_algorithm_is_replaced_and_the_active_key_goes_on() {
    let settings = Settings { token_alg: Alg::Ed25519, ..Settings::new("https://a.example") };
    let planned = plan(&whole(), &settings, 300, NOW);
    assert_eq!(planned.drop, ["t2"]);
    assert_eq!(planned.make, [(Purpose::Token, Some(Alg::Ed25519), KeyState::Next)]);
}

// K05
#[test]
fn a_retired_key_stays_until_nothing_it_has_made_is_alive() {
    for (purpose, seconds) in [
        (Purpose::Token, 300 + 40),
        (Purpose::Shared("games".into()), 300 + 40),
        (Purpose::Feed(7), 24 * 3600),
        (Purpose::Line(7), 30 * 24 * 3600 + 40),
        (Purpose::Csrf(7), 30 * 24 * 3600 + 40),
    ] {
        let mut stored = whole();
        stored.keys.push(key("old", purpose.clone(), KeyState::Retired, NOW));
        let end = NOW + seconds * SECOND;
        assert_eq!(planned(&stored, end - 1), Plan::default(), "{purpose:?}");
        assert_eq!(planned(&stored, end).drop, ["old"], "{purpose:?}");
    }
}

#[test]
fn a_compromised_key_is_never_forgotten() {
    let mut stored = whole();
    stored.keys.push(key("stolen", Purpose::Token, KeyState::Compromised, 0));
    assert_eq!(planned(&stored, u64::MAX), Plan::default());
}

// K05
#[test]
fn the_overlap_is_longer_than_anybody_may_cache() {
    for seconds in [1, 2, 60, 86_400] {
        let jwks_max_age = Duration::from_secs(seconds);
        let settings = Settings { jwks_max_age, ..Settings::new("https://a.example") };
        assert!(overlap(&settings) >= jwks_max_age + Duration::from_secs(1));
        assert!(overlap(&settings) <= jwks_max_age + Duration::from_secs(5));
    }
}

#[test]
fn a_number_is_used_once() {
    let mut stored = whole();
    assert_eq!(stored.next_number(&Purpose::Line(1)), 2);
    stored.keys.push(key("line-9", Purpose::Line(9), KeyState::Compromised, NOW));
    assert_eq!(stored.next_number(&Purpose::Line(1)), 10);
    assert_eq!(stored.next_number(&Purpose::Csrf(1)), 2);
}

#[test]
fn a_secret_is_of_the_kind_of_its_own_audience_only() {
    let games = Purpose::Shared("games".into());
    assert!(games.same_kind(&Purpose::Shared("games".into())));
    assert!(!games.same_kind(&Purpose::Shared("posts".into())));
    assert!(!games.same_kind(&Purpose::Token));
    assert!(Purpose::Line(1).same_kind(&Purpose::Line(2)));
    assert!(!Purpose::Line(1).same_kind(&Purpose::Csrf(1)));
}

#[test]
fn the_feeds_keys_come_from_the_master_key_and_are_all_different() {
    let master = |seed: u8| MasterKey::read(&rescind_wire::sha256(&[&[seed]])).unwrap();
    let kids =
        |seed| feed_ever(&master(seed)).iter().map(PublicKey::thumbprint).collect::<Vec<_>>();
    assert_eq!(kids(1), kids(1));
    let mut all = [kids(1), kids(2)].concat();
    assert_eq!(all.len(), 128);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 128);
    let drawn = draw(&master(1), &Purpose::Feed(3), Alg::Ed25519).unwrap();
    assert_eq!(SigningKey::from_secret(Alg::Ed25519, &drawn).unwrap().kid(), kids(1)[2]);
}
