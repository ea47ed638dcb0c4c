//! What `serve` is told, and what it would refuse: shared with those commands that only judge it.

use super::place::{Flag, Place, flag};
use crate::app::parse_issuer;
use crate::clock::SystemClock;
use crate::config::Loaded;
use crate::keys;
use crate::run::Config;
use crate::store::sqlite::FILE_NAME;
use crate::tls::Certificates;
use clap::Args;
use std::sync::Arc;

/// Where the realm lives, and what `serve` takes besides.
#[derive(Args)]
pub(crate) struct Serving {
    #[command(flatten)]
    place: Place,
    /// Address to listen on; beyond this machine only with TLS, here or in a proxy in front
    /// [env: RESCIND_LISTEN] [default: 127.0.0.1:4000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// A proxy in front, whose X-Forwarded-For is believed. May be given several times
    /// [env: RESCIND_TRUSTED_PROXIES]
    #[arg(long, value_name = "IP")]
    trusted_proxy: Vec<String>,
    /// What to log: error, warn, info, debug, or a filter like rescind_server=debug
    /// [env: RESCIND_LOG_FILTER] [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Start although the wall clock is behind the store's log, or before what was forgotten: then no access
    /// token of before is accepted.
    #[arg(long)]
    pub(super) accept_clock: bool,
}

impl Serving {
    /// All settings.
    pub(super) fn load(&self) -> Result<Loaded, String> {
        let proxies = (!self.trusted_proxy.is_empty()).then(|| self.trusted_proxy.join(","));
        let flags: [Option<Flag>; 3] = [
            flag("listen", "--listen", self.listen.as_ref()),
            flag("trusted_proxies", "--trusted-proxy", proxies.as_ref()),
            flag("log.filter", "--log", self.log.as_ref()),
        ];
        self.place.load(flags.into_iter().flatten().collect())
    }
}

/// What must be so between address, issuer, TLS and proxies. What is not is named by its place.
pub(super) fn judge(loaded: &Loaded, config: &Config) -> Result<(), String> {
    let secure = parse_issuer(&config.settings.issuer).map_err(|error| error.to_string())?.1.secure;
    let (here, behind) = (config.tls.is_some(), !config.trusted_proxies.is_empty());
    let listen = loaded.tree.main.listen;
    let place = |key| loaded.origins.get(key).map_or("the issuer of the store", String::as_str);
    if !secure && here {
        return Err(format!(
            "{}: the issuer begins with http://, and with TLS (tls.certificate) it must begin with https://",
            place("issuer")
        ));
    }
    if !secure && !listen.ip().is_loopback() {
        return Err(format!(
            "{}: a plain http issuer is for this machine alone: listen on 127.0.0.1, and not on {listen}",
            place("listen")
        ));
    }
    if secure && !here && !behind {
        return Err(format!(
            "{}: an https issuer needs TLS: set tls.certificate and tls.key, or, with a proxy in front that \
             does TLS, name it by trusted_proxies or --trusted-proxy, like --trusted-proxy 127.0.0.1",
            place("issuer")
        ));
    }
    Ok(())
}

/// That the certificate can be used, if there is to be one.
pub(super) fn certificate(config: &Config) -> Result<(), String> {
    let Some(files) = &config.tls else { return Ok(()) };
    let clock = Arc::new(SystemClock::default());
    let opened = Certificates::open(files.clone(), &config.settings.issuer, clock);
    opened.map(drop).map_err(|error| error.to_string())
}

/// That the master key can be used; says what the first start would make, if it is to come.
pub(super) fn master_key(config: &Config) -> Result<Option<String>, String> {
    let store = config.data.join(FILE_NAME);
    let new = !store.exists();
    let found = keys::look(&config.master, &config.keys, new).map_err(|error| error.to_string())?;
    Ok(new.then(|| {
        let key = match found {
            Some(_) => String::new(),
            None => {
                format!(", and draws the master key {}", keys::in_folder(&config.keys).display())
            }
        };
        format!("the first start makes the store {}{key}", store.display())
    }))
}
