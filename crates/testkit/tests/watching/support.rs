//! What these tests share: an authority whose log is captured and counted, and how to read both.

use fail::FailScenario;
use rescind_authority::settings::Argon2Cost;
use rescind_server::run::{Config, socket_path};
use rescind_server::telemetry::events::Events;
use rescind_server::telemetry::json_lines;
use rescind_testkit::server::TestAuthority;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, registry};

/// An authority whose hashes are cheap, with nobody else's fail points, log and counters.
pub(crate) struct Watched {
    /// The authority.
    pub(crate) authority: TestAuthority,
    pub(crate) _alone: FailScenario<'static>,
}

pub(crate) async fn watched() -> Watched {
    watched_with(|_| {}).await
}

pub(crate) async fn watched_with(change: impl FnOnce(&mut Config)) -> Watched {
    let _alone = FailScenario::setup();
    log();
    let authority = TestAuthority::start_with(|config| {
        config.settings.argon2 = Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 };
        change(config);
    })
    .await;
    Watched { authority, _alone }
}

#[derive(Clone)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The log of this process as the server writes it, at the usual level, and the counters beside it.
pub(crate) fn log() -> &'static Buffer {
    static LOG: OnceLock<Buffer> = OnceLock::new();
    LOG.get_or_init(|| {
        let buffer = Buffer(Arc::default());
        let lines = json_lines(buffer.clone()).with_filter(LevelFilter::INFO);
        registry().with(lines).with(Events::layer()).init();
        buffer
    })
}

impl Buffer {
    /// All events so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The events of a request, by its id.
    pub(crate) fn of_request(&self, id: &str) -> Vec<Value> {
        let of = |e: &Value| e["id"] == id || e["span"]["id"] == id;
        self.events().into_iter().filter(of).collect()
    }
}

/// What `/metrics` says: types by name, and values by name with labels.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// `counter`, `gauge`, `histogram`.
    pub(crate) types: BTreeMap<String, String>,
    /// Samples, such as `rescind_sign_ins_total{outcome="success"}`.
    pub(crate) samples: BTreeMap<String, f64>,
}

impl Metrics {
    pub(crate) fn read(text: &str) -> Self {
        let mut metrics = Self::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(metrics.types.insert(name.into(), kind.into()).is_none(), "{name} twice");
            } else if !line.starts_with('#') {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let before = metrics.samples.insert(sample.into(), value.parse().unwrap());
                assert!(before.is_none(), "{sample} twice");
            }
        }
        metrics
    }

    pub(crate) async fn of(authority: &TestAuthority) -> Self {
        Self::read(&rescind_server::metrics::text(&authority.app).await.unwrap())
    }

    pub(crate) fn value(&self, sample: &str) -> f64 {
        self.samples.get(sample).copied().unwrap_or(0.0)
    }
}

/// One request over the administrator's socket: status and body.
pub(crate) async fn over_socket(data: &Path, path: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(socket_path(data)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: rescind\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
