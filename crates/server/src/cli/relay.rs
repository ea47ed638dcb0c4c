//! `rescind relay`.

use super::asked_to_stop;
use crate::app::canonical_host;
use crate::config::Format;
use crate::listen::listen;
use crate::relay::{Config, Relay};
use crate::run::World;
use crate::serve::Limits;
use crate::{telemetry, tls};
use clap::Args;
use rescind_verifier::ClientSecret;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use tokio::sync::watch;

/// The variable with the client's secret, if no file is named.
const SECRET: &str = "RESCIND_CLIENT_SECRET";

/// Stand between an authority and many verifiers: one connection there, many here.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind client add relay-eu --permission feed
  RESCIND_CLIENT_SECRET=... rescind relay --issuer https://auth.example.com --client relay-eu \\
      --url https://relay.example.com --listen 0.0.0.0:443 \\
      --tls-certificate fullchain.pem --tls-key privkey.pem
  rescind relay --issuer https://auth.example.com --client relay-eu --secret-file relay.secret \\
      --listen 10.0.0.7:4100 --trusted-proxy 10.0.0.2

Whether it is well: curl http://127.0.0.1:4101/readyz
A verifier behind it is built with .feed_from(\"https://relay.example.com\").
When to use one: docs/operations.md, \"Relays\"")]
pub(crate) struct RelayArgs {
    /// URL of the authority
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// Take it all from this relay, which is nearer to the authority
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// The relay's own client at the authority, with the permission `feed`
    #[arg(long, value_name = "ID")]
    client: String,
    /// File of the client's secret, if it is not in the environment [env: RESCIND_CLIENT_SECRET]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Address to listen on; beyond this machine only with TLS, here or in a proxy in front
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4100")]
    listen: SocketAddr,
    /// Where it says how it stands (/healthz, /readyz, /metrics), in plain HTTP to whoever asks
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4101")]
    status_listen: SocketAddr,
    /// Folder of the last snapshot and the frames since
    #[arg(long, value_name = "DIR", default_value = "rescind-relay")]
    data: PathBuf,
    /// The relay's own URL, as verifiers name it: its certificate is for this host
    #[arg(long, value_name = "URL", requires = "tls_certificate")]
    url: Option<String>,
    /// PEM: the certificate and its chain
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "url"])]
    tls_certificate: Option<PathBuf>,
    /// PEM: its private key
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A proxy in front that does TLS, whose X-Forwarded-For is believed. May be given several times
    #[arg(long, value_name = "IP")]
    trusted_proxy: Vec<IpAddr>,
    /// Another name by which it is asked how it stands, such as relay.internal. May be given several times
    #[arg(long, value_name = "NAME", value_parser = host)]
    host: Vec<String>,
    /// What to log: error, warn, info, debug, or a filter like rescind_server=debug
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
}

fn host(text: &str) -> Result<String, &'static str> {
    canonical_host(text, true).ok_or("it is no host")
}

impl RelayArgs {
    fn config(self) -> Result<Config, String> {
        let secret = match &self.secret_file {
            Some(path) => ClientSecret::from_file(path),
            None => ClientSecret::from_env(SECRET),
        };
        let secret = secret.map_err(|error| error.to_string())?;
        let pair = self.tls_certificate.zip(self.tls_key).zip(self.url);
        let tls = pair.map(|((certificate, key), url)| (tls::Files { certificate, key }, url));
        let secure = tls.is_some() || !self.trusted_proxy.is_empty();
        if !secure && !self.listen.ip().is_loopback() {
            return Err(
                "verifiers send their secrets here, so beyond this machine it needs TLS: give --url, \
                 --tls-certificate and --tls-key, or name the proxy in front by --trusted-proxy"
                    .into(),
            );
        }
        Ok(Config {
            issuer: self.issuer,
            from: self.from,
            client: (self.client, secret),
            data: self.data,
            limits: Limits::default(),
            tls,
            trusted_proxies: self.trusted_proxy,
            hosts: self.host,
        })
    }
}

pub(super) async fn run(args: RelayArgs) -> Result<(), String> {
    telemetry::start(&args.log, Format::Auto)?;
    let (address, status) = (args.listen, args.status_listen);
    let config = args.config()?;
    let relay = Relay::open(&config, World::system()).map_err(|error| error.to_string())?;
    let listener = listen(address, "--listen").await.map_err(|error| error.to_string())?;
    let status = listen(status, "--status-listen").await.map_err(|error| error.to_string())?;
    tracing::info!(event = "serving", issuer = config.issuer, listen = %address);
    let (stop, stopped) = watch::channel(false);
    let serving = relay.run(listener, Some(status), stopped);
    tokio::pin!(serving);
    tokio::select! {
        done = &mut serving => return done.map_err(|error| error.to_string()),
        asked = asked_to_stop() => asked?,
    }
    let _ = stop.send(true);
    serving.await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RelayArgs,
    }

    // H01
    #[test]
    fn beyond_this_machine_a_relay_needs_tls_or_a_proxy_in_front() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "s3cret").unwrap();
        let judge = |more: &[&str]| {
            let secret = file.display().to_string();
            let needed = ["relay", "--issuer", "https://a.example", "--client", "r"];
            let line = [&needed[..], &["--secret-file", secret.as_str()], more].concat();
            Line::try_parse_from(line).map(|line| line.args.config().is_ok())
        };
        let open = ["--listen", "0.0.0.0:443"];
        let tls = ["--url", "https://r.example", "--tls-certificate", "c", "--tls-key", "k"];
        assert!(judge(&[]).unwrap());
        assert!(!judge(&open).unwrap());
        assert!(judge(&[&open[..], &tls].concat()).unwrap());
        assert!(judge(&[&open[..], &["--trusted-proxy", "10.0.0.2"]].concat()).unwrap());
        for part in [&tls[..2], &tls[2..4], &tls[4..], &tls[2..]] {
            assert!(judge(part).is_err(), "{part:?}");
        }
    }
}
