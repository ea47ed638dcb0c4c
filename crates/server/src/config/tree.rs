//! Every setting: its place in the file, its type, default, bounds, and what it means. The reference and
//! the default file are made from this one list; so are the names of the environment's variables. Why
//! a default is as it is stands in `docs/defaults.md`.

use super::value::{Format, Host, Issuer, LogFilter, Value};
use rescind_wire::jws::Alg;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// A group of settings: one table of the file.
pub struct Section {
    /// The table's name with a dot; empty for what stands at the top.
    pub prefix: &'static str,
    /// What the group is about.
    pub about: &'static str,
    /// Its settings.
    pub settings: &'static [Setting],
}

/// One setting, as text goes in and out.
pub struct Setting {
    /// Where it stands in the file, like `tokens.access_life`.
    pub key: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// What it is if nothing is said; empty for nothing.
    pub default: &'static str,
    /// A value that is right.
    pub right: &'static str,
    /// The least and the most, where there are such.
    pub range: &'static [&'static str],
    /// What kind of value it is.
    is: &'static str,
    /// Whether it stands without quotes in the file.
    pub bare: bool,
    /// Whether it may stand in the file as a list.
    pub list: bool,
    set: fn(&mut Tree, &str) -> bool,
    show: fn(&Tree) -> String,
}

impl Setting {
    /// The setting of that name.
    pub fn find(key: &str) -> Option<&'static Setting> {
        Self::all().find(|setting| setting.key == key)
    }

    /// All of them, in order.
    pub fn all() -> impl Iterator<Item = &'static Setting> {
        SECTIONS.iter().flat_map(|section| section.settings)
    }

    /// The environment's variable that sets it.
    pub fn variable(&self) -> String {
        format!("RESCIND_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// What may be written, in words.
    pub fn wants(&self) -> String {
        match self.range {
            [low, high] => format!("{} from {low} to {high}", self.is),
            _ => self.is.to_owned(),
        }
    }

    /// Takes a value; `false` if it is not one.
    #[must_use]
    pub fn set(&self, tree: &mut Tree, text: &str) -> bool {
        (self.set)(tree, text)
    }

    /// The value in force; empty for nothing.
    pub fn show(&self, tree: &Tree) -> String {
        (self.show)(tree)
    }

    /// A value as JSON: a list as an array, a number as one, and what is not set as null.
    pub fn json(&self, text: &str) -> serde_json::Value {
        let number = text.parse::<u64>().ok().filter(|_| self.bare);
        match number {
            _ if self.list => items(text).collect(),
            Some(number) => number.into(),
            None => (!text.is_empty()).then_some(text).into(),
        }
    }

    /// A value as it stands in the file.
    pub fn toml(&self, text: &str) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        if self.list {
            let items: Vec<String> = items(text).map(quoted).collect();
            format!("[{}]", items.join(", "))
        } else if self.bare {
            text.to_owned()
        } else {
            quoted(text)
        }
    }
}

/// The items of a list.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

macro_rules! settings {
    ($(
        $(#[doc = $about:literal])*
        $section:ident: $name:ident $prefix:literal {
            $(
                $(#[doc = $doc:literal])*
                $field:ident: $type:ty = $default:literal
                    $(from $low:literal to $high:literal)?, like $right:literal;
            )*
        }
    )*) => {
        /// All settings, typed.
        #[derive(Debug, Clone)]
        pub struct Tree {
            $( $(#[doc = $about])* pub $section: $name, )*
        }

        $(
            $(#[doc = $about])*
            #[derive(Debug, Clone)]
            pub struct $name {
                $( $(#[doc = $doc])* pub $field: $type, )*
            }
        )*

        impl Default for Tree {
            fn default() -> Self {
                Self {
                    $( $section: $name {
                        $( $field: <$type as Value>::parse($default).expect(stringify!($field)), )*
                    }, )*
                }
            }
        }

        /// All settings, as a list.
        pub static SECTIONS: &[Section] = &[
            $( Section {
                prefix: $prefix,
                about: concat!($( $about, "\n" ),*),
                settings: &[ $( Setting {
                    key: concat!($prefix, stringify!($field)),
                    doc: concat!($( $doc, "\n" ),*),
                    default: $default,
                    right: $right,
                    range: &[ $( $low, $high )? ],
                    is: <$type as Value>::IS,
                    bare: <$type as Value>::BARE,
                    list: <$type as Value>::LIST,
                    set: |tree, text| {
                        let Some(value) = <$type as Value>::parse(text) else { return false };
                        $(
                            let bounds = [$low, $high].map(<$type as Value>::parse);
                            let [Some(low), Some(high)] = bounds else { return false };
                            if value < low || high < value { return false }
                        )?
                        tree.$section.$field = value;
                        true
                    },
                    show: |tree| tree.$section.$field.write(),
                }, )* ],
            }, )*
        ];
    };
}

settings! {
    /// Where the authority is, and what it may trust.
    main: Main "" {
        /// URL of this authority, as browsers and API servers see it: byte for byte what tokens say.
        /// Needed until the store is made, and never changed after.
        issuer: Option<Issuer> = "", like "https://auth.example.com";
        /// Address to listen on. Beyond this machine only with TLS, here or in a proxy in front.
        listen: SocketAddr = "127.0.0.1:4000", like "0.0.0.0:443";
        /// Folder of the store.
        data: PathBuf = "rescind-data", like "/var/lib/rescind/data";
        /// Folder of the master key and the marker; keep it apart from the store and out of its backups.
        keys: PathBuf = "rescind-keys", like "/var/lib/rescind/keys";
        /// File of the master key, if it is not master.key in the key folder. The key itself may stand in
        /// the environment's variable RESCIND_MASTER_KEY, in base64, and never in the configuration file. A
        /// systemd credential named rescind-master-key is found by itself.
        master_key_file: Option<PathBuf> = "", like "/run/secrets/rescind-master-key";
        /// Hosts besides the issuer's that requests may be for, as a proxy or a server in one's own network
        /// may name this one.
        hosts: Vec<Host> = "", like "auth.internal:4000";
        /// Proxies in front, whose X-Forwarded-For is believed.
        trusted_proxies: Vec<IpAddr> = "", like "10.0.0.2";
        /// Where metrics are served beside the administrator's socket, in plain HTTP to whoever asks: on
        /// this machine, or in a network of one's own.
        metrics_listen: Option<SocketAddr> = "", like "127.0.0.1:9400";
        /// How long requests are still taken at a stop after /readyz has said no: longer than a balancer
        /// in front takes to notice.
        drain_delay: Duration = "0s" from "0s" to "5m", like "10s";
    }

    /// TLS by the authority itself, with HTTP/2. The files are read again when they change.
    tls: Tls "tls." {
        /// PEM file of the certificate, with the chain up to its root.
        certificate: Option<PathBuf> = "", like "/etc/rescind/tls/fullchain.pem";
        /// PEM file of its private key.
        key: Option<PathBuf> = "", like "/etc/rescind/tls/privkey.pem";
    }

    /// What is logged, on standard error.
    log: Log "log." {
        /// What to log: error, warn, info, debug, or a filter like rescind_server=debug.
        filter: LogFilter = "info", like "warn";
        /// json: one event per line. text: for people. auto: text at a terminal, else json.
        format: Format = "auto", like "json";
    }

    /// Access tokens, and how fresh servers must be.
    tokens: Tokens "tokens." {
        /// Life of an access token.
        access_life: Duration = "5m" from "15s" to "1d", like "5m";
        /// What new token keys sign with, if it is to change; a new realm begins with ES256. A key that has
        /// signed goes on until it is rotated. EdDSA is Ed25519 by its older name, for libraries that know
        /// no other.
        alg: Option<Alg> = "", like "ES256";
        /// How long anybody may cache the keys: a new one is published for longer before it signs.
        jwks_max_age: Duration = "1m" from "1s" to "1d", like "1m";
        /// How long an API server may go on without hearing from here.
        staleness: Duration = "10s" from "3s" to "5m", like "10s";
    }

    /// How revocations reach the API servers.
    feed: Feed "feed." {
        /// How often a token that nobody has is revoked while an API server follows, to measure how long it
        /// takes until all of them refuse it; 0s for never.
        canary: Duration = "10s" from "0s" to "1h", like "10s";
    }

    /// Sessions, their cookies and refresh tokens.
    sessions: Sessions "sessions." {
        /// A cookie session without any request for so long is over.
        idle: Duration = "1h" from "1m" to "30d", like "1h";
        /// A cookie session is over after so long in any case.
        life: Duration = "1d" from "1m" to "30d", like "1d";
        /// The same for remembered sessions and refresh tokens: without any request for so long.
        remembered_idle: Duration = "14d" from "1m" to "365d", like "14d";
        /// The same for remembered sessions and refresh tokens: in any case.
        remembered_life: Duration = "30d" from "1m" to "365d", like "30d";
        /// Most live sessions of one account: a further sign-in ends the oldest.
        most: u32 = "100" from "1" to "1000", like "100";
        /// How long the credential before the current one is still understood.
        grace: Duration = "30s" from "5s" to "2m", like "30s";
        /// Age of a cookie's generation, counted from when it was first seen, at which its line moves.
        move_after: Duration = "15m" from "10s" to "1d", like "15m";
    }

    /// Hashing of passwords by Argon2id, and the places for it. Each thread keeps the memory of one hash.
    passwords: Passwords "passwords." {
        /// Memory of one hash, in KiB.
        memory_kib: u32 = "19456" from "19456" to "1048576", like "19456";
        /// Passes over it.
        passes: u32 = "2" from "2" to "16", like "2";
        /// Lanes.
        lanes: u32 = "1" from "1" to "8", like "1";
        /// Threads that hash.
        threads: u32 = "2" from "1" to "64", like "2";
        /// Sign-ins that may wait for a thread before more are turned away.
        queue: u32 = "64" from "1" to "10000", like "64";
    }

    /// Waits after failed sign-ins and refused requests: so many are free, then 1 s, then twice as long each
    /// time, up to the longest.
    throttle: Throttle "throttle." {
        /// Failures of one account from one source (an IPv4 address, an IPv6 /64) that are free.
        pair_free: u32 = "10" from "1" to "100", like "10";
        /// Longest wait there.
        pair_wait: Duration = "15m" from "1s" to "1d", like "15m";
        /// Failures of one account from all sources that it has not signed in from.
        account_free: u32 = "50" from "1" to "100", like "50";
        /// Longest wait there.
        account_wait: Duration = "1m" from "1s" to "1d", like "1m";
        /// From so many of those on, each further one waits `many_wait`.
        many_failures: u32 = "100" from "1" to "100", like "100";
        /// That wait.
        many_wait: Duration = "15m" from "1s" to "1d", like "15m";
        /// Failures of one source over all accounts.
        address_free: u32 = "100" from "1" to "100000", like "100";
        /// Longest wait there.
        address_wait: Duration = "1m" from "1s" to "1d", like "1m";
        /// Failures of one IPv6 /48 over all accounts.
        network_free: u32 = "1000" from "1" to "1000000", like "1000";
        /// Longest wait there.
        network_wait: Duration = "1m" from "1s" to "1d", like "1m";
        /// Refused client secrets, refresh tokens and CSRF values of one source.
        refusals_free: u32 = "300" from "1" to "1000000", like "300";
        /// Longest wait there.
        refusals_wait: Duration = "10s" from "1s" to "1h", like "10s";
        /// Access tokens of one account that its own apps may take back at once by `/revoke`.
        account_revocations: u32 = "100" from "1" to "100000", like "100";
        /// How long until one more.
        account_revocations_every: Duration = "1m" from "1s" to "1d", like "1m";
        /// Access tokens that one API server may take back at once by `/revoke`.
        client_revocations: u32 = "1000" from "1" to "1000000", like "1000";
        /// How long until one more.
        client_revocations_every: Duration = "10s" from "1s" to "1d", like "10s";
        /// Failures are forgotten after so long without another.
        forget_after: Duration = "1h" from "1m" to "30d", like "1h";
        /// How long a source that an account has signed in from is familiar.
        familiar_for: Duration = "30d" from "1h" to "365d", like "30d";
    }

    /// What one caller may take, and what is kept for all.
    limits: Limits "limits." {
        /// Memory for sessions in use, in MiB: some 3,000 sessions each. A request of one that has no place is
        /// answered from the store, which takes longer.
        sessions_mib: u32 = "64" from "1" to "1048576", like "64";
        /// Most connections at once; further ones wait in the listener's queue.
        connections: u32 = "10000" from "10" to "1000000", like "10000";
        /// Request line and headers must be complete by then; also how long an open connection may be idle.
        header_time: Duration = "10s" from "1s" to "5m", like "10s";
        /// A body must be complete by then.
        body_time: Duration = "10s" from "1s" to "5m", like "10s";
        /// Whoever has not read anything of what is being sent for so long is gone.
        write_time: Duration = "30s" from "10s" to "10m", like "30s";
    }
}
