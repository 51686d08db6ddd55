//! The end of an authorization: from its callback to the stored credential.

use std::sync::Arc;

use crate::callback::CallbackParams;
use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::http::HttpError;
use crate::limits::CALL_TIMEOUT;
use crate::oauth::authorization;
use crate::recovery::Scoping;
use crate::runtime::detached;
use crate::secret::Secret;
use crate::session::inner::Inner;
use crate::session::ways::RenewalEnd;
use crate::session::ways::code::{CodeFlow, short_of};
use crate::session::ways::idp_sign_in::IdpSignIn;
use crate::store::record::{IdpLeg, Pending};

/// Finishes the authorization that a callback belongs to, unless it is older than the policy's `interaction_timeout`.
/// If required scopes were not granted, stores the credential and returns that error.
pub(super) async fn complete(
    session: &Arc<Inner>,
    callback: &CallbackParams,
) -> Result<Option<Error>, Error> {
    let patience = session.user.patience().as_secs();
    let oldest = session.held.now().saturating_sub(patience);
    let pending = session.held.take_pending(callback).await?;
    let pending = pending.filter(|pending| pending.created_at >= oldest);
    let pending = pending.ok_or(Error::StateMismatch)?;
    finish(session, pending, callback).await
}

/// As [`complete`], for a page that a caller still waits for, regardless of its age by the wall clock: that wait counts
/// time in which the process runs, and has its own limit.
pub(super) async fn complete_awaited(
    session: &Arc<Inner>,
    callback: &CallbackParams,
) -> Result<Option<Error>, Error> {
    let pending = session.held.take_pending(callback).await?;
    let pending = pending.ok_or(Error::StateMismatch)?;
    finish(session, pending, callback).await
}

async fn finish(
    session: &Arc<Inner>,
    pending: Pending,
    callback: &CallbackParams,
) -> Result<Option<Error>, Error> {
    let code = match authorization::code(callback, &pending.grantor.issuer, pending.iss_expected) {
        Ok(code) => code,
        Err(error) => {
            let client = &*session.client;
            CodeFlow { client }.note_denial(&pending, &error).await?;
            return Err(error);
        }
    };
    // A code can be used once, so the response is stored however late it arrives.
    let endpoint = pending.grantor.token_endpoint.clone();
    let redeeming = redeem(Arc::clone(session), pending, code);
    let late = |end: Result<Option<Error>, Error>| {
        if let Err(error) = end {
            tracing::warn!(%error, "a token response to a sign-in arrived late");
        }
    };
    let runtime = &*session.held.runtime;
    let redeemed = detached(runtime, CALL_TIMEOUT, redeeming, late).await;
    redeemed.unwrap_or_else(|| {
        let none = HttpError::Timeout(CALL_TIMEOUT);
        let detail = format!("{none}. If one still arrives, it is used; otherwise sign in again");
        Err(Error::http(&endpoint, detail))
    })
}

async fn redeem(
    session: Arc<Inner>,
    pending: Pending,
    code: Secret,
) -> Result<Option<Error>, Error> {
    let _unsettled = session.held.unsettled();
    let client = &*session.client;
    let Some(leg) = &pending.idp else {
        let redeemed = CodeFlow { client }.redeem(&pending, &code).await;
        if redeemed.is_ok() {
            session.renewals.backoff.reset();
        }
        return redeemed;
    };
    let idp = session.ways.way.idp()?;
    let sign_in = IdpSignIn { client, idp };
    sign_in.complete(&pending, leg, &code).await?;
    session.renewals.backoff.reset();
    mint_after(&session, &pending, leg).await
}

/// Mints the credential that the user signed in at the identity provider for.
async fn mint_after(
    session: &Arc<Inner>,
    pending: &Pending,
    leg: &IdpLeg,
) -> Result<Option<Error>, Error> {
    let mut challenge = AuthChallenge::unauthenticated();
    challenge.required_scopes = pending.required.clone();
    challenge.resource_metadata = leg.resource_metadata.clone();
    let ask = if pending.widen {
        Scoping::Union
    } else {
        Scoping::Unchanged
    };
    let credential = session.held.current();
    let minted = session.renewals.mint(ask, credential, challenge).await?;
    match &minted.end {
        RenewalEnd::Renewed | RenewalEnd::TakenOver | RenewalEnd::Void => {}
        RenewalEnd::Failed(_, error) | RenewalEnd::Broken(error) => return Err(error.clone()),
    }
    let now = session.held.current();
    Ok(now.and_then(|now| short_of(&pending.required, now.grant())))
}
