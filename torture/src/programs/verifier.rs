//! An application's server that does nothing but check tokens: one route for each kind of demand, and
//! `/status`. Its wall clock is off by what the rig says.
//!
//! In a network namespace of its own it also stands in for the authority's address there: with `--via` it
//! carries what goes to the issuer's port to another address.

use super::{Outcome, needed};
use crate::argument;
use crate::skew::Skew;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use rescind_verifier::{ClientSecret, Clock, Now, SystemClock, Verifier};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

struct Skewed(Arc<Skew>);

impl Clock for Skewed {
    fn now(&self) -> Now {
        let now = SystemClock.now();
        Now { wall_us: self.0.wall(now.wall_us), ..now }
    }
}

async fn accepted() -> StatusCode {
    StatusCode::NO_CONTENT
}

fn router(verifier: Verifier) -> Router {
    let hour = Duration::from_secs(3600);
    let status = verifier.clone();
    Router::new()
        .route("/local", get(accepted).layer(verifier.layer()))
        .route("/within", get(accepted).layer(verifier.require().within(Duration::from_secs(1))))
        .route("/online", get(accepted).layer(verifier.require().online()))
        .route("/tolerate", get(accepted).layer(verifier.tolerate(hour)))
        .route("/status", get(async move || Json(status.status())))
}

/// Everything that comes to the issuer's port goes to `address`.
async fn stand_in(issuer: &str, address: String) -> Outcome {
    let here = issuer.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind(here).await?;
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let address = address.clone();
            tokio::spawn(async move {
                let mut to = TcpStream::connect(address).await?;
                tokio::io::copy_bidirectional(&mut from, &mut to).await
            });
        }
    });
    Ok(())
}

pub(super) async fn run() -> Outcome {
    tracing_subscriber::fmt().with_env_filter("info").with_writer(std::io::stderr).json().init();
    let skew = Skew::told(0);
    let issuer = needed("--issuer")?;
    if let Some(address) = argument("--via") {
        stand_in(&issuer, address).await?;
    }
    let secret = ClientSecret::from_env("RESCIND_CLIENT_SECRET")?;
    let mut builder = Verifier::builder(issuer, needed("--audience")?)
        .client(needed("--client")?, secret)
        .clock(Arc::new(Skewed(skew)));
    if let Some(relay) = argument("--relay") {
        builder = builder.feed_from(relay);
    }
    let verifier = builder.start()?;
    let listener = TcpListener::bind(needed("--listen")?).await?;
    Ok(axum::serve(listener, router(verifier)).await?)
}
