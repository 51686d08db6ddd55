//! Error texts for the user of the program: what an error means for them, and what they can do.

use super::{
    cancelled, displayable, failure_detail, issuer_mismatch, list, lost_authorization_state,
    not_granted, quoted, session_expired,
};
use crate::challenge::Reason;
use crate::error::Error;

/// Explains an error to the user, in a sentence or two. The text for logs is the error's
/// [`Display`](std::fmt::Display).
#[must_use]
pub fn failure(error: &Error) -> String {
    match error {
        Error::InsufficientScope {
            server,
            challenge,
            next,
        } => {
            let wanted = list(&challenge.required_scopes);
            format!("{server} needs {wanted} for this. {next}")
        }
        Error::ConsentDenied { server, .. } => cancelled(server),
        Error::ScopeNotGranted { issuer, missing } => not_granted(issuer, missing),
        Error::StepUpLimit { server, .. } => format!(
            "{server} still refuses this, although you agreed to more access. Contact its operator."
        ),
        Error::InteractionRequired {
            server,
            challenge,
            next,
            ..
        } => match challenge.reason {
            Reason::InsufficientScope => {
                let wanted = list(&challenge.required_scopes);
                format!("{server} needs {wanted} to continue, and you must agree to that. {next}")
            }
            _ => format!("Sign in to {server} to continue. {next}"),
        },
        Error::Unauthorized { server, .. } => format!(
            "{server} rejects your sign-in, even after a renewal. Contact its operator."
        ),
        Error::RefreshUnavailable {
            issuer,
            detail,
            retry_after,
            ..
        } => {
            let seconds = retry_after.map(|seconds| format!("in {seconds} seconds"));
            let when = seconds.unwrap_or_else(|| "later".to_owned());
            let why = failure_detail(detail);
            format!("{issuer} is unavailable ({why}). You stay signed in; try again {when}.")
        }
        Error::RefreshRejected { issuer, .. } => session_expired(issuer),
        Error::IssuerMismatch { .. } => issuer_mismatch().to_owned(),
        Error::StateMismatch => lost_authorization_state().to_owned(),
        Error::AuthorizationDenied {
            issuer,
            description,
            ..
        } => match description.as_deref().and_then(quoted) {
            Some(words) => format!("{issuer} did not sign you in. It says: {words}."),
            None => format!("{issuer} did not sign you in, or you did not agree. Nothing was changed."),
        },
        Error::MetadataInvalid { .. } | Error::PkceUnsupported { .. } => {
            "The server's sign-in configuration is invalid. Contact its operator."
                .to_owned()
        }
        Error::RegistrationRejected { issuer, .. } => {
            format!("{issuer} does not accept this program. Ask its administrator.")
        }
        Error::PolicyDenied { .. } => {
            "Your organization does not allow this access. Ask your administrator.".to_owned()
        }
        Error::IdTokenInvalid { .. } => "Your organization's sign-in could not be verified, so it was not used. Try again; if it happens again, ask your administrator.".to_owned(),
        Error::EnterpriseNotConfigured | Error::EnterpriseDisabled { .. } => {
            "Your organization's sign-in is not set up in this program. Ask your administrator.".to_owned()
        }
        Error::Cancelled { .. } => "Cancelled. Nothing was changed.".to_owned(),
        Error::Timeout { what, .. } => format!("{what} took too long. Try again."),
        Error::Received(form) => displayable(&form.sentence),
        Error::ClientIssuerUnknown { .. }
        | Error::ResourceMismatch { .. }
        | Error::InsecureEndpoint { .. }
        | Error::BlockedEndpoint { .. }
        | Error::Store { .. }
        | Error::Http { .. }
        | Error::Host { .. }
        | Error::Config { .. } => failure_detail(&error.to_string()),
    }
}
