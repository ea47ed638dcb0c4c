//! A realm in memory, and the commands that act on it.

use crate::now;
use rescind_authority::account::Account;
use rescind_authority::clients::{FIRST_PARTY, Permission};
use rescind_authority::keyring::Keyring;
use rescind_authority::keys::StoredKeys;
use rescind_authority::line::Carrier;
use rescind_authority::login::{LoggedIn, LoginCommand};
use rescind_authority::master::MasterKey;
use rescind_authority::memory::MemoryStore;
use rescind_authority::name::Name;
use rescind_authority::password::Password;
use rescind_authority::refresh::RefreshCommand;
use rescind_authority::secret::Secret;
use rescind_authority::settings::Argon2Cost;
use rescind_authority::store::{Store, Write};
use rescind_authority::throttle::Source;
use rescind_authority::{Authority, Settings};
use rescind_testkit::clock::{ManualClock, SeededEntropy};
use rescind_testkit::conformance::{ISSUER, LONGEST_LIFE, START, account};
use rescind_testkit::server::operator;
use rescind_wire::id::Epoch;
use std::sync::{Arc, OnceLock};

const PASSWORD: &str = "correct horse battery staple";

/// Runs a future that needs nothing but threads.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn master() -> MasterKey {
    MasterKey::read(&rescind_wire::sha256(&[b"interleavings"])).unwrap()
}

/// The keys of a realm, made once: drawing them anew for each order would take hours.
fn keyring() -> Keyring {
    static KEYS: OnceLock<StoredKeys> = OnceLock::new();
    let stored = KEYS.get_or_init(|| {
        let clock = Arc::new(ManualClock::new(START));
        let epoch = Epoch::from_bytes([9; 16]);
        let store = MemoryStore::new(ISSUER, epoch, LONGEST_LIFE, Arc::clone(&clock) as _);
        let sources = (clock as _, Arc::new(SeededEntropy::new(9)) as _);
        let settings = Settings::new(ISSUER);
        let open = Authority::open(settings, Arc::new(store), sources, master(), Vec::new());
        wait(async { open.await.unwrap().stored_keys().await.unwrap() })
    });
    Keyring::open(&master(), ISSUER, stored).unwrap()
}

pub(crate) fn authority(
    store: Arc<dyn Store>,
    clock: &Arc<ManualClock>,
    seed: u64,
) -> Arc<Authority> {
    let mut settings = Settings::new(ISSUER);
    settings.argon2 = Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 };
    settings.hash_threads = 1;
    let entropy = Arc::new(SeededEntropy::new(seed));
    let sources = (Arc::clone(clock) as _, entropy as _);
    Arc::new(Authority::with_keyring(settings, store, sources, Arc::new(master()), keyring()))
}

/// A realm in memory with one account and one audience.
pub(crate) struct Realm {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) authority: Arc<Authority>,
}

impl Realm {
    pub(crate) fn new() -> Self {
        static HASH: OnceLock<String> = OnceLock::new();
        let clock = Arc::new(ManualClock::new(START));
        let epoch = Epoch::from_bytes([1; 16]);
        let store =
            Arc::new(MemoryStore::new(ISSUER, epoch, LONGEST_LIFE, Arc::clone(&clock) as _));
        let authority = authority(Arc::clone(&store) as _, &clock, 1);
        let hash = HASH.get_or_init(|| {
            let password = Password::chosen(PASSWORD).unwrap();
            wait(authority.hasher().hash(&password, [1; 16])).unwrap()
        });
        let account = Account { password_hash: hash.clone(), ..account(1) };
        let insert = vec![Write::InsertAccount(Box::new(account))];
        now(rescind_testkit::conformance::write(&*store, insert)).unwrap();
        let audiences = vec!["posts-api".to_owned()];
        let operator = operator();
        let added = authority.add_client("posts-api", audiences, vec![Permission::Feed], &operator);
        now(added).unwrap();
        Self { store, clock, authority }
    }

    pub(crate) async fn sign_in(&self, carrier: Carrier) -> LoggedIn {
        self.authority.login(sign_in_command(carrier)).await.unwrap()
    }
}

pub(crate) fn name() -> Name {
    Name::new("user1").unwrap()
}

pub(crate) fn sign_in_command(carrier: Carrier) -> LoginCommand {
    LoginCommand {
        name: name(),
        password: Password::chosen(PASSWORD).unwrap(),
        carrier,
        remember: false,
        client_id: FIRST_PARTY.into(),
        audiences: Vec::new(),
        device: None,
        user_agent: None,
        source: Source::local(),
        presented: None,
    }
}

pub(crate) fn refresh_command(token: &Secret, key: Option<&str>) -> RefreshCommand {
    RefreshCommand {
        refresh_token: token.clone(),
        client_id: FIRST_PARTY.into(),
        idempotency_key: key.map(|k| Secret::new(k.into())),
        audiences: Vec::new(),
    }
}
