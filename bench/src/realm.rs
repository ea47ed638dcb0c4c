//! A whole authority on the servers' side, on the machine's clocks, with its store on the disk.

use crate::Outcome;
use crate::bench::Bench;
use crate::program::Place;
use crate::seed::People;
use crate::stopwatch::Stopwatch;
use rescind_authority::Settings;
use rescind_authority::clients::Permission;
use rescind_authority::clock::random;
use rescind_authority::name::Name;
use rescind_authority::password::Password;
use rescind_authority::store::{Load, Loaded, Write};
use rescind_server::app::App;
use rescind_server::clock::SystemEntropy;
use rescind_server::run::{Config, World, open, run};
use rescind_testkit::accounts::CHEAP;
use rescind_testkit::http::Http;
use rescind_testkit::server::{AUDIENCE, PASSWORD, operator};
use rescind_verifier::{Builder, ClientSecret, Verifier};
use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::jws::Alg;
use rescind_wire::revocation::Target;
use rescind_wire::token::{Claims, verify_own};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Entries of one transaction while the log is filled.
const AT_ONCE: usize = 10_000;

/// A running authority with one account, `alice`. Dropping it stops it.
pub(crate) struct Realm {
    pub(crate) app: App,
    secret: String,
    place: Place,
    running: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Realm {
    /// Starts one. What sign-ins cost is not measured, so their hashes are cheap; all else is the default.
    pub(crate) fn start(bench: &Bench) -> Outcome<Self> {
        let place = Place::new(bench)?;
        bench.on_servers(Self::launch(place, None, Alg::Es256))
    }

    /// The same, whose tokens are signed by this algorithm.
    pub(crate) fn with_tokens_of(bench: &Bench, alg: Alg) -> Outcome<Self> {
        let place = Place::new(bench)?;
        bench.on_servers(Self::launch(place, None, alg))
    }

    /// Starts one with many people, each of whom has one session and never more.
    pub(crate) fn with_people(bench: &Bench, people: People) -> Outcome<Self> {
        let place = Place::new(bench)?;
        bench.on_servers(Self::launch(place, Some(people), Alg::Es256))
    }

    async fn launch(place: Place, people: Option<People>, alg: Alg) -> Outcome<Self> {
        let listener = TcpListener::bind(place.address).await?;
        let mut settings = Settings::new(place.issuer());
        settings.argon2 = CHEAP;
        settings.token_alg = Some(alg);
        settings.max_sessions = if people.is_some() { 1 } else { 1000 };
        let mut config = Config::new(settings, place.part("data"), place.part("keys"));
        // Ten thousand verifiers come from one address here: their share is an eighth.
        config.limits.connections = 100_000;
        let mut app = open(&config, &World::system()).await?;
        let authority = &app.authority;
        let (audiences, permissions) = (vec![AUDIENCE.to_owned()], vec![Permission::Feed]);
        let made = authority.add_client(AUDIENCE, audiences, permissions, &operator()).await?;
        let (name, password) = (Name::new("alice")?, Password::chosen(PASSWORD)?);
        let roles = vec!["author".to_owned()];
        authority.add_account(name, &password, roles, &operator()).await?;
        if let Some(people) = people {
            drop(app);
            people.write(&config.data)?;
            app = open(&config, &World::system()).await?;
        }
        let (stop, stopped) = watch::channel(false);
        let serving = app.clone();
        let running = tokio::spawn(async move {
            if let Err(error) = run(&config, serving, listener, stopped).await {
                eprintln!("the authority ended: {error}");
            }
        });
        Ok(Self { app, secret: made.expose().to_owned(), place, running, stop })
    }

    /// Stops it, and gives the place that it has left.
    pub(crate) async fn stop(self) -> Outcome<Place> {
        let Self { app, place, running, stop, .. } = self;
        drop(stop);
        running.await?;
        drop(app);
        Ok(place)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// Its URL.
    pub(crate) fn issuer(&self) -> &str {
        &self.app.settings().issuer
    }

    /// A client of its routes.
    pub(crate) fn http(&self) -> Http {
        Http::new(self.issuer())
    }

    /// The beginning of a verifier of its tokens.
    pub(crate) fn verifier(&self) -> Builder {
        let secret = ClientSecret::new(self.secret.clone());
        Verifier::builder(self.issuer(), AUDIENCE).client(AUDIENCE, secret)
    }

    /// A verifier on the servers' side that is ready.
    pub(crate) fn verifier_beside(&self, bench: &Bench) -> Outcome<Verifier> {
        let builder = self.verifier();
        bench.on_servers(async move { Ok(builder.build().await?) })
    }

    /// Signs in for tokens: access token and refresh token.
    pub(crate) async fn sign_in(&self) -> Outcome<(String, String)> {
        let tokens = self.http().sign_in("alice", PASSWORD).await;
        Ok((text(&tokens, "access_token")?, text(&tokens, "refresh_token")?))
    }

    /// What one of its tokens says.
    pub(crate) fn claims(&self, token: &str) -> Outcome<Claims> {
        let keyring = self.app.authority.keyring();
        Ok(verify_own(token, keyring.verifying(), self.issuer())?.claims)
    }

    /// Takes back so many things that nobody holds: tokens, and with each transaction a session and an account. Gives the moment of the last commit.
    pub(crate) fn take_back(&self, bench: &Bench, count: usize) -> Outcome<Stopwatch> {
        let authority = self.app.authority.clone();
        bench.on_servers(async move {
            let mut left = count;
            while left > 0 {
                let part = left.min(AT_ONCE);
                let nobodys = move |n| {
                    Write::Revoke(match n {
                        0 => Target::Session(Sid::from_bytes(drawn())),
                        1 => Target::Subject(Sub::from_bytes(drawn())),
                        _ => Target::Token(Jti::from_bytes(drawn())),
                    })
                };
                let rule = Box::new(move |_: &Loaded| (0..part).map(nobodys).collect());
                authority.store().transact(Load::default(), rule).await?;
                left -= part;
            }
            Ok(Stopwatch::start())
        })
    }
}

/// Sixteen random bytes, for an id.
pub(crate) fn drawn() -> [u8; 16] {
    random(&SystemEntropy)
}

/// A text of a JSON answer.
pub(crate) fn text(answer: &Value, member: &str) -> Outcome<String> {
    let value = answer[member].as_str().ok_or_else(|| format!("the answer has no {member}"))?;
    Ok(value.to_owned())
}
