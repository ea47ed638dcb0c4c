//! What is dead comes again: tokens to every verifier and route, sessions to the authority.

use crate::acts::Stage;
use crate::draw::Draw;
use crate::history::Route;
use std::sync::Arc;
use std::time::Duration;

/// Shows tokens that were taken back, for ever.
pub async fn tokens(stage: Arc<Stage>, draw: Draw, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let dead = {
            let dead = stage.dead.lock().unwrap();
            (!dead.is_empty()).then(|| dead[draw.below(dead.len())].clone())
        };
        let Some(dead) = dead else { continue };
        let route = match draw.below(4) {
            0 => Route::ALL[draw.below(Route::ALL.len())],
            _ => Route::Local,
        };
        stage.realm.present(&dead, stage.realm.any_server(&draw), route).await;
    }
}

/// Asks for tokens for sessions that are over, for ever. What they are given, the judge sees.
pub async fn sessions(stage: Arc<Stage>, draw: Draw, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let over = {
            let over = stage.over.lock().unwrap();
            (!over.is_empty()).then(|| over[draw.below(over.len())].clone())
        };
        if let Some(mut session) = over {
            stage.realm.refresh(&mut session, &draw).await;
        }
    }
}
