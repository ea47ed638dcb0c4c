//! The floor of a revocation's delay: the same bytes on as many connections, whose receivers verify the same
//! signature, and nothing else.

use crate::Outcome;
use crate::bench::Bench;
use crate::stopwatch::Stopwatch;
use rescind_wire::frame::open;
use rescind_wire::jwk::PublicKey;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A frame, and who may have signed it.
pub(crate) struct Signed {
    pub(crate) frame: Vec<u8>,
    pub(crate) issuer: String,
    pub(crate) keys: Vec<PublicKey>,
}

/// Connections on which the servers' side sends when it is told to.
pub(crate) struct Push {
    send: mpsc::Sender<()>,
    arrived: mpsc::UnboundedReceiver<Outcome<Stopwatch>>,
    count: usize,
}

impl Push {
    pub(crate) async fn start(bench: &Bench, count: usize, signed: Signed) -> Outcome<Self> {
        let signed = Arc::new(signed);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (tell, arrived) = mpsc::unbounded_channel();
        let mut streams = Vec::new();
        for _ in 0..count {
            let stream = TcpStream::connect(listener.local_addr()?).await?;
            streams.push(listener.accept().await?.0.into_std()?);
            tokio::spawn(receive(stream, Arc::clone(&signed), tell.clone()));
        }
        let (send, mut wanted) = mpsc::channel(1);
        bench.servers.spawn(async move {
            let mut there = Vec::new();
            for stream in streams {
                let stream = TcpStream::from_std(stream)?;
                stream.set_nodelay(true)?;
                there.push(stream);
            }
            while wanted.recv().await.is_some() {
                for stream in &mut there {
                    stream.write_all(&signed.frame).await?;
                }
            }
            std::io::Result::Ok(())
        });
        Ok(Self { send, arrived, count })
    }

    /// Seconds from the call until each receiver has verified what came.
    pub(crate) async fn times(&mut self) -> Outcome<Vec<f64>> {
        let start = Stopwatch::start();
        self.send.send(()).await?;
        let mut times = Vec::with_capacity(self.count);
        while times.len() < self.count {
            times.push(self.arrived.recv().await.ok_or("no receiver is left")??.since(start));
        }
        Ok(times)
    }
}

async fn receive(
    mut stream: TcpStream,
    signed: Arc<Signed>,
    tell: mpsc::UnboundedSender<Outcome<Stopwatch>>,
) {
    let mut buffer = vec![0; signed.frame.len()];
    loop {
        let taken = match stream.read_exact(&mut buffer).await {
            Ok(_) => open(&buffer, &signed.issuer, &signed.keys).map_err(Into::into),
            Err(error) => Err(error.into()),
        };
        let ended = taken.is_err();
        // Without a listener, or after a failure, there is nobody to tell more.
        if tell.send(taken.map(|_| Stopwatch::start())).is_err() || ended {
            return;
        }
    }
}
