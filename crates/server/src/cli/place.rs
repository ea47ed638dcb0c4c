//! Where a realm lives and how it is set: the flags that all commands share, and what they make of the
//! configuration.

use crate::config::{Loaded, MASTER_KEY, Sources, load};
use crate::keys::MasterSource;
use crate::run::Config;
use crate::store::sqlite::{FILE_NAME, peek};
use crate::tls;
use clap::Args;
use std::path::PathBuf;

/// Where a realm lives. What is not given here comes from the environment or the configuration file.
#[derive(Args, Clone)]
pub(crate) struct Place {
    /// Configuration file [env: RESCIND_CONFIG]. None is read that is not named.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File of lines NAME=value, as if they stood in the environment.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Any setting of the configuration, like tokens.access_life=5m. May be given several times.
    #[arg(long, value_name = "SETTING=VALUE")]
    set: Vec<String>,
    /// Folder of the store [env: RESCIND_DATA] [default: rescind-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Folder of the master key and the marker [env: RESCIND_KEYS] [default: rescind-keys]
    #[arg(long, value_name = "DIR")]
    keys: Option<String>,
    /// File of the master key, if it is not master.key in the key folder [env: RESCIND_MASTER_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<String>,
    /// URL of this authority, as browsers and API servers see it; needed until the store is made
    /// [env: RESCIND_ISSUER]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

/// A setting, its text, and the flag that gave it.
pub(super) type Flag = (String, String, String);

/// A flag that was given, for the setting that it sets.
pub(super) fn flag(key: &str, name: &str, value: Option<&String>) -> Option<Flag> {
    value.map(|value| (key.to_owned(), value.clone(), name.to_owned()))
}

impl Place {
    /// The configuration; the issuer from the store if it was not given.
    pub(super) fn config(&self) -> Result<Config, String> {
        self.load(Vec::new()).and_then(|loaded| config(&loaded))
    }

    /// All settings, with further flags of a command.
    pub(super) fn load(&self, further: Vec<Flag>) -> Result<Loaded, String> {
        let own = [
            flag("data", "--data", self.data.as_ref()),
            flag("keys", "--keys", self.keys.as_ref()),
            flag("master_key_file", "--master-key-file", self.master_key_file.as_ref()),
            flag("issuer", "--issuer", self.issuer.as_ref()),
        ];
        let mut flags = Vec::new();
        for text in &self.set {
            let (key, value) = text.split_once('=').ok_or_else(|| {
                "--set takes a setting with its value, like --set tokens.access_life=5m".to_owned()
            })?;
            flags.push((key.trim().to_owned(), value.trim().to_owned(), "--set".to_owned()));
        }
        flags.extend(own.into_iter().flatten());
        flags.extend(further);
        let sources = Sources {
            file: self.config.clone(),
            env_file: self.env_file.clone(),
            environment: own_variables()?,
            flags,
        };
        load(&sources)
    }
}

/// What a process is told by these settings.
pub(super) fn config(loaded: &Loaded) -> Result<Config, String> {
    let tree = &loaded.tree;
    let conflicts = loaded.conflicts();
    if !conflicts.is_empty() {
        return Err(conflicts.join("\n"));
    }
    let stored =
        || peek::issuer(&tree.main.data.join(FILE_NAME)).map_err(|error| error.to_string());
    let issuer = match &tree.main.issuer {
        Some(issuer) => issuer.0.clone(),
        None => stored()?,
    };
    let settings = tree.settings(issuer);
    let mut config = Config::new(settings, tree.main.data.clone(), tree.main.keys.clone());
    config.master = master(loaded)?;
    config.hosts = tree.main.hosts.iter().map(|host| host.0.clone()).collect();
    config.trusted_proxies = tree.main.trusted_proxies.clone();
    config.metrics_listen = tree.main.metrics_listen;
    config.drain_delay = tree.main.drain_delay;
    config.canary = Some(tree.feed.canary).filter(|every| !every.is_zero());
    config.limits = tree.limits();
    config.session_cache = tree.session_bytes();
    let files = tree.tls.certificate.clone().zip(tree.tls.key.clone());
    config.tls = files.map(|(certificate, key)| tls::Files { certificate, key });
    Ok(config)
}

/// Where the master key comes from: what is named, else the environment, else systemd, else the folder.
pub(super) fn master(loaded: &Loaded) -> Result<MasterSource, String> {
    match (&loaded.tree.main.master_key_file, loaded.master_key.clone()) {
        (Some(_), Some(_)) => Err(format!(
            "both master_key_file (--master-key-file) and {MASTER_KEY} name a master key: give one of them"
        )),
        (Some(path), None) => Ok(MasterSource::File(path.clone())),
        (None, Some(text)) => Ok(MasterSource::Text(text)),
        (None, None) => Ok(credential().map_or(MasterSource::Folder, MasterSource::Credential)),
    }
}

/// The credential that systemd has handed to this service, if it has (`LoadCredential=`).
#[expect(clippy::disallowed_methods, reason = "the configuration is read once, here")]
fn credential() -> Option<PathBuf> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty())?;
    let path = PathBuf::from(folder).join("rescind-master-key");
    path.is_file().then_some(path)
}

/// The environment's variables whose name begins like ours; an empty one counts as not set.
#[expect(clippy::disallowed_methods, reason = "the configuration is read once, here")]
pub(super) fn own_variables() -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("RESCIND_")) else {
            continue;
        };
        let value = value.into_string().map_err(|_| format!("environment ({name}): no UTF-8"))?;
        if !value.is_empty() {
            found.push((name.to_owned(), value));
        }
    }
    Ok(found)
}
