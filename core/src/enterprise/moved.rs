//! An identity provider whose token endpoint is gone from where it was.

use crate::enterprise::idp::Idp;
use crate::error::Error;
use crate::grant::Grantor;
use crate::oauth::token::TokenFailure;

impl Idp {
    /// Where the identity provider grants tokens now, after `failure` at the place on record; `None` if it is there
    /// still. The session remembers it.
    pub(crate) async fn moved(
        &self,
        grantor: &Grantor,
        failure: &TokenFailure,
    ) -> Result<Option<Grantor>, TokenFailure> {
        if !matches!(failure, TokenFailure::Gone { .. }) {
            return Ok(None);
        }
        // Nothing is known of an endpoint whose server has no metadata at the moment.
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
