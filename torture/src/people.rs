//! People's apps, which follow the rules: they store the Idempotency-Key before they refresh, ask again with the
//! same one until they are answered, and sign in anew only when they are told that the session is over.

use crate::acts::Stage;
use crate::doors::{Refreshed, Session};
use crate::draw::Draw;
use crate::history::{Answer, Route};
use crate::realm::AUDIENCE;
use rescind_wire::revocation::Scope;
use std::sync::Arc;
use std::time::Duration;

/// Where people go.
fn route(draw: &Draw) -> Route {
    match draw.below(20) {
        0 => Route::Online,
        1 => Route::Within,
        2 => Route::Tolerate,
        _ => Route::Local,
    }
}

/// One person, for ever.
pub async fn live(stage: Arc<Stage>, account: String, draw: Draw, pause: Duration) {
    let mut session: Option<Session> = None;
    let audiences = [AUDIENCE.to_owned()];
    loop {
        tokio::time::sleep(draw.span(0, 2 * pause.as_millis() as u64)).await;
        session = match session.take() {
            None => stage.realm.sign_in(&account, &audiences).await,
            Some(session) if draw.one_in(300) => {
                leave(&stage, session, &draw).await;
                None
            }
            Some(session) => visit(&stage, session, &draw).await,
        };
    }
}

/// Signs out.
async fn leave(stage: &Stage, session: Session, draw: &Draw) {
    let _running = stage.running.read().await;
    let before = stage.realm.any_server(draw);
    stage.realm.present(&session.access, before, Route::Local).await;
    stage.realm.take_back(&mut Default::default(), Scope::Session, &session, draw).await;
    stage.haunt(&session);
}

/// Shows the token somewhere, and refreshes if it is refused or by chance.
async fn visit(stage: &Stage, mut session: Session, draw: &Draw) -> Option<Session> {
    let somewhere = stage.realm.any_server(draw);
    let answer = match session.pending {
        None => stage.realm.present(&session.access, somewhere, route(draw)).await,
        Some(_) => Answer::Refused,
    };
    if answer != Answer::Refused && !draw.one_in(100) {
        return Some(session);
    }
    match stage.realm.refresh(&mut session, draw).await {
        Refreshed::Denied => None,
        Refreshed::Done | Refreshed::Lost => Some(session),
    }
}
