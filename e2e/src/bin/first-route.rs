//! The application of the README, compiled as it stands there. Only its two addresses come from the
//! command line, so that tests can run it on any port; `tests/readme.rs` compares the rest.

use axum::Router;
use axum::routing::{get, post};
use rescind_verifier::{ClientSecret, Principal, Verifier};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let verifier = Verifier::builder(argument(1), "hello-api")
        .client("hello-api", ClientSecret::from_env("RESCIND_CLIENT_SECRET")?)
        .build()
        .await?;
    let app = Router::new()
        .route("/hello", get(hello))
        .route("/pay", post(hello).layer(verifier.require().online()))
        .layer(verifier.layer());

    let listener = tokio::net::TcpListener::bind(argument(2)).await?;
    Ok(axum::serve(listener, app).await?)
}

async fn hello(user: Principal) -> String {
    format!("Hello, {}", user.roles().join(" and "))
}

// README: end

/// An address of the command line.
fn argument(place: usize) -> String {
    std::env::args().nth(place).unwrap_or_default()
}
