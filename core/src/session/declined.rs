//! A user who says no says it once: sessions that waited for their turn to ask the same take it for their answer too.

use std::time::SystemTime;

use crate::error::Error;
use crate::runtime::unix_seconds;
use crate::session::Inner;
use crate::session::interaction::Need;
use crate::store::record::{Declined, Record};

impl Inner {
    /// Notes a no, for the sessions that wait to ask the same. Without its store they merely ask again.
    pub(super) async fn note_declined(&self, need: &Need, error: &Error) {
        let (scopes, issuer) = match error {
            Error::ConsentDenied { wanted, .. } => (wanted.clone(), None),
            Error::AuthorizationDenied { error, issuer, .. } if error == "access_denied" => {
                (need.challenge.required_scopes.clone(), Some(issuer.clone()))
            }
            _ => return,
        };
        let declined = Declined {
            at: self.now(),
            scopes: scopes.union(&need.challenge.required_scopes),
            issuer,
        };
        let noted = self.update(|record| {
            record.declined = Some(declined.clone());
            true
        });
        if let Err(error) = noted.await {
            tracing::debug!(server = %self.server, %error, "the user's no could not be noted");
        }
    }

    /// What the user said no to since `waited`, when this session began to wait for its turn to ask for `need`.
    pub(super) fn declined_since(
        &self,
        waited: SystemTime,
        record: &Record,
        need: &Need,
    ) -> Option<Error> {
        let declined = record.declined.as_ref()?;
        let required = &need.challenge.required_scopes;
        let same = declined.at >= unix_seconds(waited) && declined.scopes.covers(required);
        same.then(|| match &declined.issuer {
            Some(issuer) => Error::AuthorizationDenied {
                issuer: issuer.clone(),
                error: "access_denied".to_owned(),
                description: None,
            },
            None => Error::ConsentDenied {
                server: self.server.clone(),
                wanted: declined.scopes.clone(),
                challenge: Box::new(need.challenge.clone()),
            },
        })
    }
}
