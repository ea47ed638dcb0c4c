//! The one suite on every store.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

use rescind_authority::clock::{Clock, random};
use rescind_authority::memory::MemoryStore;
use rescind_server::store::sqlite::{FILE_NAME, Realm, SqliteStore};
use rescind_testkit::clock::{ManualClock, SeededEntropy};
use rescind_testkit::conformance::{ISSUER, LONGEST_LIFE, Made, START};
use rescind_wire::id::Epoch;
use std::path::Path;
use std::sync::Arc;

fn memory(_: &Path) -> Made {
    let clock = Arc::new(ManualClock::new(START));
    let epoch = Epoch::from_bytes(random(&SeededEntropy::new(1)));
    let of_store: Arc<dyn Clock> = clock.clone();
    (Arc::new(MemoryStore::new(ISSUER, epoch, LONGEST_LIFE, of_store)), clock)
}

fn sqlite(folder: &Path) -> Made {
    let clock = Arc::new(ManualClock::new(START));
    let realm = Realm {
        issuer: ISSUER.into(),
        longest_life_s: LONGEST_LIFE,
        keys: "k".into(),
        keys_before: None,
    };
    let path = folder.join(FILE_NAME);
    let store = SqliteStore::open(&path, realm, clock.clone(), &SeededEntropy::new(1)).unwrap();
    (Arc::new(store), clock)
}

mod on_memory {
    rescind_testkit::store_conformance!(super::memory);
}

mod on_sqlite {
    rescind_testkit::store_conformance!(super::sqlite);
}

mod store {
    mod model;
    mod sqlite_file;
}
