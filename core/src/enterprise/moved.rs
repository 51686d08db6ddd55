//! Finds the token endpoint of an identity provider after it has moved.

use crate::enterprise::idp::Idp;
use crate::error::Error;
use crate::grant::Grantor;
use crate::oauth::token::TokenFailure;

impl Idp {
    /// After `failure`, reads the metadata for another token endpoint and records it; `None` if there is no other.
    pub(crate) async fn moved(
        &self,
        grantor: &Grantor,
        failure: &TokenFailure,
    ) -> Result<Option<Grantor>, TokenFailure> {
        if !matches!(failure, TokenFailure::Gone { .. }) {
            return Ok(None);
        }
        // Without metadata it is unknown whether the endpoint has moved.
        let passing = |error: Error| TokenFailure::Transient(error.into());
        let server = self.discover().await.map_err(passing)?;
        let now = self.grantor(&server).map_err(passing)?;
        if now.token_endpoint == grantor.token_endpoint {
            return Ok(None);
        }
        let noted = self.update(|record| match &mut record.session {
            Some(session) if session.grantor == *grantor => {
                session.grantor = now.clone();
                true
            }
            _ => false,
        });
        let local = |error| TokenFailure::Local(Box::new(error));
        noted.await.map_err(local)?;
        Ok(Some(now))
    }
}
