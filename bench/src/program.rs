//! The real program, built beside this one, as a process of its own on the servers' core.

use crate::Outcome;
use crate::bench::Bench;
use crate::load::kib;
use crate::raw::{Raw, status};
use crate::stopwatch::Stopwatch;
use rescind_authority::Settings;
use rescind_authority::account::{Account, AccountState};
use rescind_authority::clients::Permission;
use rescind_authority::clock::random;
use rescind_authority::name::Name;
use rescind_authority::password::Password;
use rescind_authority::store::{Load, Write};
use rescind_server::clock::SystemEntropy;
use rescind_server::run::{Config, World, open};
use rescind_testkit::server::{AUDIENCE, PASSWORD, operator};
use rescind_wire::id::Sub;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longer than any start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for one authority and the address that it is for.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    folder: PathBuf,
}

impl Place {
    /// An empty one.
    pub(crate) fn new(bench: &Bench) -> Outcome<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Self { address, folder: tempfile::tempdir_in(bench.folder())?.keep() })
    }

    /// One with an audience and so many accounts, which share one hash of the default cost.
    pub(crate) fn with_accounts(bench: &Bench, count: usize) -> Outcome<Self> {
        let place = Self::new(bench)?;
        let config =
            Config::new(Settings::new(place.issuer()), place.part("data"), place.part("keys"));
        bench.on_servers(async move {
            let app = open(&config, &World::system()).await?;
            let authority = &app.authority;
            let (audiences, permissions) = (vec![AUDIENCE.to_owned()], vec![Permission::Feed]);
            authority.add_client(AUDIENCE, audiences, permissions, &operator()).await?;
            let password = Password::chosen(PASSWORD)?;
            let hash = authority.hasher().hash(&password, random(&SystemEntropy)).await?;
            let accounts = (0..count).map(|n| account(n, &hash)).collect::<Outcome<Vec<_>>>()?;
            authority.store().transact(Load::default(), Box::new(|_| accounts)).await?;
            Ok(())
        })?;
        Ok(place)
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    fn part(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts the program here; gives it with the time until its first answer.
    pub(crate) fn start(&self, bench: &Bench) -> Outcome<(Program, Duration)> {
        let mut command = Command::new(path()?);
        command.args(["serve", "--issuer", &self.issuer(), "--listen", &self.address.to_string()]);
        command.arg("--data").arg(self.part("data")).arg("--keys").arg(self.part("keys"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::options().create(true).append(true).open(self.part("log"))?);
        let (child, watch) = bench.on_servers(async move {
            let watch = Stopwatch::start();
            Ok((command.spawn()?, watch))
        })?;
        let program = Program(child);
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        while watch.elapsed() < PATIENCE {
            if bench.clients.block_on(is_ready(self.address, request.as_bytes())) {
                return Ok((program, watch.elapsed()));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Err(format!("the program does not start: {}", std::fs::read_to_string(self.part("log"))?)
            .into())
    }
}

fn account(n: usize, hash: &str) -> Outcome<Write> {
    Ok(Write::InsertAccount(Box::new(Account {
        sub: Sub::from_bytes(random(&SystemEntropy)),
        name: Name::new(&name(n))?,
        password_hash: hash.to_owned(),
        password_version: 1,
        roles: Vec::new(),
        state: AccountState::Active,
        created_at: 0,
    })))
}

/// The name of the account of this number.
pub(crate) fn name(n: usize) -> String {
    format!("user{n}")
}

async fn is_ready(address: SocketAddr, request: &[u8]) -> bool {
    let Ok(mut connection) = Raw::open(address).await else { return false };
    connection.ask(request).await.is_ok_and(|answer| status(answer).is_ok_and(|s| s == 200))
}

/// The program's file.
pub(crate) fn path() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().unwrap_or(Path::new("")).join("rescind");
    match path.exists() {
        true => Ok(path),
        false => Err("the program `rescind` is not beside this one: build it first".into()),
    }
}

/// A running program. Dropping it stops it.
pub(crate) struct Program(Child);

impl Program {
    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// A value of its memory in bytes: `VmRSS:` as it is, `VmHWM:` at most.
    pub(crate) fn memory(&self, name: &str) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        Ok(kib(&status, name).ok_or("the program has no memory")? * 1024.0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
