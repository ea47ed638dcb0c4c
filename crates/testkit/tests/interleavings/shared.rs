//! A secret that is drawn while the last server of its audience is removed.

use crate::realm::{Realm, authority, wait};
use crate::safe;
use futures_util::FutureExt as _;
use rescind_authority::Authority;
use rescind_authority::keys::{KeyState, Purpose};
use rescind_testkit::interleave::{SteppedStore, every_order_of};
use rescind_testkit::server::operator;
use std::sync::Arc;

const AUDIENCE: &str = "posts-api";

fn start() -> ((Realm, Arc<Authority>), Arc<SteppedStore>) {
    let realm = Realm::new();
    let store = Arc::new(SteppedStore::new(Arc::clone(&realm.store) as _));
    let stepped = authority(Arc::clone(&store) as _, &realm.clock, 2);
    ((realm, stepped), store)
}

// K06
#[test]
fn no_secret_is_left_to_an_audience_whose_server_was_removed() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _threads_that_draw = runtime.enter();
    let explored = every_order_of(
        start,
        |(_, rules)| {
            let share = async { drop(rules.share_key(AUDIENCE, operator()).await) };
            let remove = async { drop(rules.remove_client(AUDIENCE, operator()).await) };
            vec![share.boxed(), remove.boxed()]
        },
        |(realm, _)| {
            assert_eq!(wait(realm.authority.audiences()).unwrap(), [""; 0], "it was removed");
            let keys = wait(realm.authority.stored_keys()).unwrap().keys;
            keys.iter().any(|key| {
                key.purpose == Purpose::Shared(AUDIENCE.into())
                    && key.state != KeyState::Compromised
            })
        },
    );
    assert_eq!(explored, safe(5));
}
