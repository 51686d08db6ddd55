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
            "Access was not extended: the request for {} at {server} was declined. Other access is unchanged; try again to be asked again.",
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
            "{server} still refuses after {attempts} step-up(s); it now asks for {}. The server's scopes may be misconfigured.",
            scopes(&challenge.required_scopes)
        ),
        Error::ClientIssuerUnknown {
            server,
            client_id,
            issuer,
        } => format!(
            "{client_id} has a secret or key, but its issuer is not configured. {server} names {issuer}: if the client is registered there, set that issuer for it. Nothing was sent."
        ),
        Error::InteractionRequired {
            server,
            authorization_url,
            next,
            ..
        } => {
            let url = authorization_url.as_ref();
            let at = url.map_or_else(String::new, |url| format!(" at {url}"));
            format!("{server} requires the user to sign in or to grant access{at}. {next}")
        }
        Error::Unauthorized { server, challenge } => format!(
            "{server} rejected the credential{}. A new one was rejected too; the server may be misconfigured.",
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
                "{issuer} is unavailable, so access was not renewed ({detail}). Stored credentials were kept; try again {when}."
            )
        }
        Error::RefreshRejected { issuer, detail } => {
            format!("{issuer} no longer renews this access ({detail}). Sign in again.")
        }
        Error::IssuerMismatch { expected } => format!(
            "The sign-in response did not come from {expected} and was discarded. Try again; if it happens again, do not trust the page you were sent to."
        ),
        Error::StateMismatch => "This callback matches no pending sign-in: it is too old, was already used, or belongs to another program. Start again.".to_owned(),
        Error::AuthorizationDenied {
            issuer,
            error,
            description,
        } => format!("{issuer} did not grant access: {error}{}.", quoted(description.as_deref())),
        Error::Cancelled { what } => {
            format!("{what} was cancelled. Nothing was lost; try again at any time.")
        }
        Error::Timeout { what, seconds } => format!("{what} took longer than {seconds} s. Try again."),
        Error::Store { detail, .. } => format!("The credential store failed: {detail}"),
        Error::Http { url, detail, .. } => format!("The request to {url} failed: {detail}"),
        Error::Host { detail, .. } => format!("The application reported an error: {detail}"),
        Error::Config { detail } => format!("The configuration is invalid: {detail}"),
        Error::Received(form) => text::escaped(&form.message).into_owned(),
        Error::ResourceMismatch { server, resource } => format!(
            "The resource metadata of {server} is for another resource, {resource}. Nothing was sent there; check the server's URL."
        ),
        Error::MetadataInvalid { url, detail } => format!(
            "The metadata at {url} cannot be used: {detail}. Contact the server's operator."
        ),
        Error::PkceUnsupported { issuer } => format!(
            "{issuer} does not offer PKCE with S256, which protects the sign-in from hijacking. Contact its operator."
        ),
        Error::RegistrationRejected { issuer, detail } => format!(
            "{issuer} did not accept this program as a client: {detail}. Give a client id that is registered there."
        ),
        Error::InsecureEndpoint { url } => format!(
            "{url} is not protected by https. Credentials are sent over https only, or to this machine itself."
        ),
        Error::BlockedEndpoint { url } => format!(
            "Nothing was sent to {url}: it is in a narrower network (private or loopback) than the server that named it. If the URL is right, allow this endpoint; if not, do not trust the server."
        ),
        Error::PolicyDenied { issuer, detail } => {
            format!("{issuer} refuses access by policy: {detail}. Ask your administrator.")
        }
        Error::IdTokenInvalid { issuer, detail } => format!(
            "The ID token of {issuer} failed verification: {detail}. It was not used; try again, and if it happens again, ask your administrator."
        ),
        Error::EnterpriseNotConfigured => "Your organization's sign-in is not configured: set the identity provider's issuer, and this program's client id there.".to_owned(),
        Error::EnterpriseDisabled { issuer } => format!(
            "Your organization's sign-in with {issuer} is configured, but disabled. Enable it, or connect without it."
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
