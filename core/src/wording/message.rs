//! Error texts for logs and for the program's operator: what happened, at which server, and what to do next.

use std::fmt;

use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::scope::ScopeSet;
use crate::text;

/// The text for logs and for the program's operator: what happened, at which server, and what to do next.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&message(self))
    }
}

fn message(error: &Error) -> String {
    match error {
        Error::InsufficientScope {
            server,
            challenge,
            next,
        } => {
            let wanted = scopes(&challenge.required_scopes);
            format!("{server} refused this: it needs {wanted}{}. {next}", said(challenge))
        }
        Error::ConsentDenied { server, wanted, .. } => format!(
            "Access was not extended: {} for {server} was declined. Everything else goes on as before; try again to be asked again.",
            scopes(wanted)
        ),
        Error::ScopeNotGranted { issuer, missing } => format!(
            "{issuer} granted access, but not {}. Ask its administrator whether this account may have it.",
            scopes(missing)
        ),
        Error::StepUpLimit {
            server,
            attempts,
            challenge,
        } => format!(
            "{server} still refuses after {attempts} step-up(s); it now asks for {}. The server's scopes may be set up wrongly.",
            scopes(&challenge.required_scopes)
        ),
        Error::ClientIssuerUnknown {
            server,
            client_id,
            issuer,
        } => format!(
            "{client_id} has a secret or key, and this program was not told which authorization server it belongs to. {server} names {issuer}: if the client is registered there, give that issuer along with the client id. Nothing was sent."
        ),
        Error::InteractionRequired {
            server,
            authorization_url,
            next,
            ..
        } => {
            let url = authorization_url.as_ref();
            let at = url.map_or_else(String::new, |url| format!(" at {url}"));
            format!("{server} needs a person to sign in or to grant access{at}. {next}")
        }
        Error::Unauthorized { server, challenge } => format!(
            "{server} rejected a credential it should accept{}. A new one was rejected too; the server may be set up wrongly.",
            said(challenge)
        ),
        Error::RefreshUnavailable {
            issuer,
            detail,
            retry_after,
            ..
        } => {
            let seconds = retry_after.map(|seconds| format!("in {seconds} s"));
            let when = seconds.unwrap_or_else(|| "later".to_owned());
            format!(
                "{issuer} could not be reached to renew access ({detail}). What there is was kept; try again {when}."
            )
        }
        Error::RefreshRejected { issuer, detail } => {
            format!("{issuer} does not renew this access any more ({detail}). Sign in again.")
        }
        Error::IssuerMismatch { expected } => format!(
            "The answer to the sign-in did not come from {expected}. It was discarded; try again, and if it happens again do not trust the page you were sent to."
        ),
        Error::StateMismatch => "This answer belongs to no sign-in that is under way: it is too old, was used before, or is not meant for this program. Start again.".to_owned(),
        Error::AuthorizationDenied {
            issuer,
            error,
            description,
        } => format!("{issuer} did not grant access: {error}{}.", quoted(description.as_deref())),
        Error::Cancelled { what } => {
            format!("{what} was cancelled. Nothing was lost; try again when you like.")
        }
        Error::Timeout { what, seconds } => format!("{what} took longer than {seconds} s. Try again."),
        Error::Store { detail, .. } => format!("The credential store failed: {detail}"),
        Error::Http { url, detail, .. } => format!("{url} could not be used: {detail}"),
        Error::Host { detail, .. } => format!("The application could not do its part: {detail}"),
        Error::Config { detail } => format!("This cannot work as set up: {detail}"),
        Error::Told(form) => text::escaped(&form.message).into_owned(),
        Error::ResourceMismatch { server, resource } => format!(
            "{server} names {resource} as the resource it protects, which is another server. Nothing was sent there; check the server's address."
        ),
        Error::MetadataInvalid { url, detail } => format!(
            "The metadata at {url} cannot be used: {detail}. This is for the server's operator to mend."
        ),
        Error::PkceUnsupported { issuer } => format!(
            "{issuer} does not offer PKCE with S256, without which a sign-in could be hijacked. This is for its operator to mend."
        ),
        Error::RegistrationRejected { issuer, detail } => format!(
            "{issuer} did not accept this program as a client: {detail}. Give a client id that is registered there."
        ),
        Error::InsecureEndpoint { url } => format!(
            "{url} is not protected by https. Credentials are sent over https only, or to this machine itself."
        ),
        Error::BlockedEndpoint { url } => format!(
            "Nothing was sent to {url}: the server that leads there is not in that network itself. If the address is right, allow this endpoint; if not, do not trust the server."
        ),
        Error::PolicyDenied { issuer, detail } => {
            format!("{issuer} refuses access by policy: {detail}. Ask your administrator.")
        }
        Error::IdTokenInvalid { issuer, detail } => format!(
            "The sign-in at {issuer} cannot be trusted: {detail}. Nothing of it was used; try again, and if it happens again ask your administrator."
        ),
        Error::EnterpriseNotConfigured => "Your organization's sign-in is not configured here: give the identity provider's issuer and the client id that this program has there.".to_owned(),
        Error::EnterpriseDisabled { issuer } => format!(
            "Your organization's sign-in by {issuer} is configured here, but switched off. Switch it on, or connect without it."
        ),
    }
}

fn scopes(set: &ScopeSet) -> String {
    // A server may name any number of scopes, of any length.
    let shown = text::displayable(&set.to_string()).unwrap_or_default();
    match set.len() {
        0 => "more access".to_owned(),
        1 => format!("scope {shown}"),
        _ => format!("scopes {shown}"),
    }
}

fn said(challenge: &AuthChallenge) -> String {
    quoted(challenge.message.as_deref())
}

fn quoted(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| format!(" (\u{201c}{text}\u{201d})"))
}
