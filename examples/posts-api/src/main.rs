//! Reads the command line and runs the server.

use axum::http::HeaderValue;
use posts_api::Config;
use rescind_verifier::ClientSecret;
use std::error::Error;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "posts-api [--listen ADDRESS] [--issuer URL] [--audience NAME] [--client-id ID]
          [--secret-file PATH | environment RESCIND_CLIENT_SECRET] [--origin URL]";

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("posts-api: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let mut listen = String::from("127.0.0.1:3000");
    let mut issuer = String::from("http://localhost:4000");
    let mut audience = String::from("posts-api");
    let mut client_id = String::from("posts-api");
    let mut origin = String::from("http://localhost:4000");
    let mut secret_file = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().ok_or(USAGE);
        match flag.as_str() {
            "--listen" => listen = value()?,
            "--issuer" => issuer = value()?,
            "--audience" => audience = value()?,
            "--client-id" => client_id = value()?,
            "--origin" => origin = value()?,
            "--secret-file" => secret_file = Some(value()?),
            _ => return Err(USAGE.into()),
        }
    }
    let config = Config {
        issuer,
        audience,
        client_id,
        secret: match secret_file {
            Some(path) => ClientSecret::from_file(path)?,
            None => ClientSecret::from_env("RESCIND_CLIENT_SECRET")?,
        },
        origin: HeaderValue::from_str(&origin)?,
    };
    let bound = TcpListener::bind(&listen).await;
    let listener = bound.map_err(|error| {
        format!("cannot listen on {listen} ({error}): name another address by --listen")
    })?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let shutdown = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    posts_api::run(config, listener, shutdown).await
}
