//! Signing out: of this session, or everywhere. Answered when it is durable; from then on nothing of
//! the session is minted or accepted here.

use crate::Authority;
use crate::audit::{Action, Actor, Record};
use crate::authority::transact_at;
use crate::line::{Carrier, Line};
use crate::present::Present;
use crate::refresh::end;
use crate::secret::Secret;
use crate::session::{SessionState, Why};
use crate::store::{Head, Load, Loaded, StoreError, Write};
use rescind_wire::id::{Sid, Sub};
use rescind_wire::revocation::Target;

/// Ends the loaded session; says whose it was, if it was not over already.
pub fn sign_out(loaded: &Loaded, now: u64) -> (Vec<Write>, Option<Sub>) {
    match &loaded.session {
        Some(j) if j.session.state == SessionState::Live => {
            (end(&j.session, now, Why::SignedOut), Some(j.session.sub))
        }
        _ => (Vec::new(), None),
    }
}

impl Authority {
    /// The session of a credential with a good tag, whatever its generation. Grants nothing.
    pub fn session_of(&self, carrier: Carrier, credential: &Secret) -> Option<Sid> {
        self.keyring().open_line(carrier, credential.expose()).map(|line: Line| line.sid)
    }

    /// Ends the session of a presented credential, spent or not, without alarm. Nothing happens for a
    /// credential that was never given out. Gives the head when it is durable.
    pub async fn logout(
        &self,
        carrier: Carrier,
        credential: &Secret,
    ) -> Result<Option<Head>, StoreError> {
        let Some(sid) = self.session_of(carrier, credential) else { return Ok(None) };
        let now = self.clock.now().wall;
        let rule = move |loaded: &Loaded| sign_out(loaded, now);
        let (ended, head) = transact_at(&*self.store, Load::session(sid), rule).await?;
        if let Some(sub) = ended {
            tracing::info!(event = "signed_out", %sid, %sub);
        }
        Ok(Some(head))
    }

    /// Ends every session of the account whose session this is, the present one included.
    pub async fn logout_everywhere(&self, present: &Present) -> Result<Head, StoreError> {
        let (sub, now) = (present.session.sub, self.clock.now().wall);
        let record = Record::by(&Actor::Account(sub), Action::AccountRevoked, now).about(sub);
        let ((), head) = transact_at(&*self.store, Load::default(), move |_| {
            (vec![Write::Revoke(Target::Subject(sub)), record.write()], ())
        })
        .await?;
        tracing::info!(event = "signed_out_everywhere", %sub, pos = head.pos);
        Ok(head)
    }
}
