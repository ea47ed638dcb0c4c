//! The rig's own network does what the faults ask of it.

use rescind_torture::boot;
use rescind_torture::proxy::State;
use rescind_torture::realm::{Plan, Realm};
use std::time::Duration;
use tokio::time::sleep;

async fn until_ready(realm: &Realm, number: usize, ready: bool) {
    let begun = boot();
    while realm.is_ready(number).await != ready {
        assert!(boot() - begun < 20_000_000, "verifier {number} never ready: {ready}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verifier_has_a_way_of_its_own_to_the_authority() {
    let realm = Realm::start(Plan::small(2)).await;
    for number in [0, 1] {
        until_ready(&realm, number, true).await;
    }
    realm.servers[0].link.set(State { deaf: true, mute: true, ..State::default() });
    until_ready(&realm, 0, false).await;
    assert!(realm.is_ready(1).await);
    realm.servers[0].link.set(State::default());
    until_ready(&realm, 0, true).await;
}
