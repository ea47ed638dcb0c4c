//! Configuration: one typed [tree](tree::Tree), from a file, the environment and flags. What one setting may
//! be is judged where it is read; here is what settings must be to each other, and what is made of them.

mod load;
mod reference;
#[cfg(test)]
mod tests;
mod tree;
mod value;

pub(crate) use load::MASTER_KEY;
pub use load::{Loaded, Sources, load};
pub use reference::default_file;
pub(crate) use reference::reference;
pub use tree::{SECTIONS, Section, Setting, Tree};
pub use value::Format;

use crate::serve;
use rescind_authority::Settings;
use rescind_authority::settings::{Argon2Cost, Life, Limit, Rate, ThrottleLimits};

impl Tree {
    /// The realm's settings under this issuer.
    pub fn settings(&self, issuer: String) -> Settings {
        let Tree { tokens, sessions, passwords, .. } = self;
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Settings {
            issuer,
            access_life: tokens.access_life,
            token_alg: tokens.alg,
            jwks_max_age: tokens.jwks_max_age,
            grace: sessions.grace,
            staleness: tokens.staleness,
            cookie_life: Life { idle: sessions.idle, absolute: sessions.life },
            long_life: Life { idle: sessions.remembered_idle, absolute: sessions.remembered_life },
            max_sessions: size(sessions.most),
            move_after: sessions.move_after,
            argon2: Argon2Cost {
                memory_kib: passwords.memory_kib,
                passes: passwords.passes,
                lanes: passwords.lanes,
            },
            hash_threads: size(passwords.threads),
            hash_queue: size(passwords.queue),
            throttle: self.throttle_limits(),
        }
    }

    fn throttle_limits(&self) -> ThrottleLimits {
        let throttle = &self.throttle;
        let limit = |free, longest_wait| Limit { free, longest_wait };
        let rate = |at_once, every| Rate { at_once, every };
        ThrottleLimits {
            pair: limit(throttle.pair_free, throttle.pair_wait),
            account: limit(throttle.account_free, throttle.account_wait),
            many_failures: throttle.many_failures,
            many_wait: throttle.many_wait,
            address: limit(throttle.address_free, throttle.address_wait),
            network: limit(throttle.network_free, throttle.network_wait),
            refusals: limit(throttle.refusals_free, throttle.refusals_wait),
            account_revocations: rate(
                throttle.account_revocations,
                throttle.account_revocations_every,
            ),
            client_revocations: rate(
                throttle.client_revocations,
                throttle.client_revocations_every,
            ),
            forget_after: throttle.forget_after,
            familiar_for: throttle.familiar_for,
        }
    }

    /// What one caller may take.
    pub fn limits(&self) -> serve::Limits {
        serve::Limits {
            headers: self.limits.header_time,
            body: self.limits.body_time,
            write: self.limits.write_time,
            connections: usize::try_from(self.limits.connections).unwrap_or(usize::MAX),
        }
    }

    /// Memory for sessions in use, in bytes.
    pub fn session_bytes(&self) -> u64 {
        u64::from(self.limits.sessions_mib) * 1024 * 1024
    }
}

impl Loaded {
    /// What is wrong between settings that are right by themselves: a line each, with the places of those that
    /// were set.
    pub fn conflicts(&self) -> Vec<String> {
        let Tree { sessions, throttle, tls, limits, .. } = &self.tree;
        let lasting = throttle.pair_wait.max(throttle.many_wait);
        let rules = [
            (
                sessions.idle > sessions.life,
                "sessions.idle is longer than sessions.life: make it shorter",
            ),
            (
                sessions.remembered_idle > sessions.remembered_life,
                "sessions.remembered_idle is longer than sessions.remembered_life: make it shorter",
            ),
            (
                sessions.move_after < 2 * sessions.grace,
                "sessions.move_after is under twice sessions.grace: make it longer",
            ),
            (
                throttle.forget_after <= lasting,
                "throttle.forget_after is not longer than throttle.pair_wait and throttle.many_wait, so \
                 that waiting would undo the wait: make it longer",
            ),
            (
                throttle.many_failures < throttle.account_free,
                "throttle.many_failures is under throttle.account_free: make it larger",
            ),
            (
                limits.write_time <= limits.body_time,
                "limits.write_time is not longer than limits.body_time, so that a slow upload would end \
                 its connection: make it longer",
            ),
            (
                tls.certificate.is_some() != tls.key.is_some(),
                "tls.certificate and tls.key belong together: set both, or neither",
            ),
        ];
        rules.iter().filter(|(wrong, _)| *wrong).map(|(_, says)| self.placed(says)).collect()
    }

    /// Where the settings that a text names were set, and the text.
    fn placed(&self, says: &str) -> String {
        let named = |key: &str| says.split([' ', ':', ',']).any(|word| word == key);
        let set = self.origins.iter().filter(|(key, _)| named(key));
        let mut places: Vec<&str> = set.map(|(_, place)| place.as_str()).collect();
        places.dedup();
        format!("{}: {says}", places.join(" and "))
    }
}
