//! Sign-out: revokes the tokens if the server supports it (RFC 7009), and deletes the record.

use crate::error::Error;
use crate::grant::Grant;
use crate::host::Event;
use crate::limits::REVOCATION_LIMIT;
use crate::oauth::revocation::Revocation;
use crate::oauth::token;
use crate::runtime::timeout;
use crate::session::client::SessionClient;
use crate::session::inner::Inner;
use crate::store::record::{self, Record};

pub(super) async fn sign_out(session: &Inner) -> Result<Revocation, Error> {
    let held = &session.held;
    held.forget_credential();
    let stored = held.store.load(&held.key).await?;
    // The tokens of a record that cannot be read cannot be revoked, but the record can be deleted.
    let record = stored.as_ref().map(record::decode::<Record>).transpose();
    let record = record.map(Option::unwrap_or_default);
    let revocation = match record.as_ref().map(|record| record.grant.as_ref()) {
        Err(error) => {
            tracing::warn!(%error, "the tokens could not be revoked");
            Revocation::Failed
        }
        Ok(None) => Revocation::Nothing,
        Ok(Some(grant)) => {
            let revoking = revoke(&session.client, grant);
            let revoked = timeout(&*held.runtime, REVOCATION_LIMIT, revoking).await;
            revoked.unwrap_or(Revocation::Failed)
        }
    };
    held.delete(stored.map(|stored| stored.version)).await?;
    // Another request may have read the record in the meantime.
    held.forget_credential();
    session.start_afresh();
    held.tell(Event::SignedOut);
    Ok(revocation)
}

async fn revoke(client: &SessionClient, grant: &Grant) -> Revocation {
    let endpoint = grant.grantor.revocation_endpoint.as_ref();
    let (Some(endpoint), Some(registration)) = (endpoint, client.client_of(grant)) else {
        return Revocation::NotOffered;
    };
    let refresh = grant.refresh_token.as_ref().map(|t| (t, "refresh_token"));
    let access = (&grant.access_token, "access_token");
    let mut revocation = Revocation::Done;
    let at_issuer = client.at(&grant.grantor.issuer, &registration, None);
    for (secret, hint) in refresh.into_iter().chain([access]) {
        if let Err(error) = token::revoke(&at_issuer, endpoint, secret, hint).await {
            tracing::warn!(issuer = %grant.grantor.issuer, %error, "a token could not be revoked");
            revocation = Revocation::Failed;
        }
    }
    revocation
}
