//! All errors, with a stable code for each.

mod cause;
mod code;
mod form;
mod transient;

use std::error::Error as StdError;

use serde::{Deserialize, Deserializer};

use crate::challenge::AuthChallenge;
use crate::scope::ScopeSet;
use crate::text;
pub use cause::Cause;
pub use code::{ErrorCode, UnknownErrorCode};
pub use form::ErrorForm;
pub(crate) use transient::{Delivery, TransientError};

/// The error that ended a recovery or a call.
///
/// [`code`](Error::code) is stable and the same in every language; the message says what happened, at which server, and
/// what to do next. No variant ever holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The server needs more scope than was granted, and a step-up is disabled, impossible or did not help.
    InsufficientScope {
        /// The MCP server.
        server: String,
        /// The server's challenge.
        challenge: Box<AuthChallenge>,
        /// What to do next.
        next: &'static str,
    },
    /// The user was asked to grant more access and declined.
    ConsentDenied {
        /// The MCP server.
        server: String,
        /// The scopes that would have been new.
        wanted: ScopeSet,
        /// The server's challenge.
        challenge: Box<AuthChallenge>,
    },
    /// The authorization server granted less than the operation needs.
    ScopeNotGranted {
        /// The authorization server.
        issuer: String,
        /// The scopes that are still missing.
        missing: ScopeSet,
    },
    /// The server asked for more scope again, after as many step-ups as the policy allows.
    StepUpLimit {
        /// The MCP server.
        server: String,
        /// How many step-ups this request went through.
        attempts: u8,
        /// The server's last challenge.
        challenge: Box<AuthChallenge>,
    },
    /// A client's secret, key or assertion is not bound to an issuer, so it was not sent.
    ClientIssuerUnknown {
        /// The MCP server.
        server: String,
        /// The client id.
        client_id: String,
        /// The issuer that the MCP server names.
        issuer: String,
    },
    /// The user is needed but cannot be asked now: no caller waits, or interaction is off.
    InteractionRequired {
        /// The MCP server.
        server: String,
        /// The server's challenge.
        challenge: Box<AuthChallenge>,
        /// The URL that the user was sent to, if an authorization was started.
        authorization_url: Option<String>,
        /// What to do next, which depends on why the user was not asked.
        next: &'static str,
    },
    /// The server rejects every credential, even a new one.
    Unauthorized {
        /// The MCP server.
        server: String,
        /// The server's last challenge.
        challenge: Box<AuthChallenge>,
    },
    /// A transient error prevented the renewal of the credential, which is kept and may be renewed later.
    RefreshUnavailable {
        /// The authorization server.
        issuer: String,
        /// What happened.
        detail: String,
        /// How many seconds the server asked to wait.
        retry_after: Option<u64>,
        /// Whether a connection was made and did not break.
        connected: bool,
        /// The error of the application's own HTTP client.
        cause: Option<Cause>,
    },
    /// The authorization server refused to renew the credential, and there is no other way to obtain one.
    RefreshRejected {
        /// The authorization server.
        issuer: String,
        /// What the server said.
        detail: String,
    },
    /// The authorization response names another issuer (RFC 9207). No part of it was used.
    IssuerMismatch {
        /// The issuer that the user was sent to.
        expected: String,
    },
    /// The authorization response belongs to no pending sign-in.
    StateMismatch,
    /// The authorization server ended the sign-in with an error (RFC 6749 section 4.1.2.1).
    AuthorizationDenied {
        /// The authorization server.
        issuer: String,
        /// The OAuth error code.
        error: String,
        /// The server's description of the error.
        description: Option<String>,
    },
    /// The metadata is about another resource than the server that was called (RFC 9728 section 3.3).
    ResourceMismatch {
        /// The MCP server.
        server: String,
        /// The resource its metadata names.
        resource: String,
    },
    /// A metadata document cannot be used.
    MetadataInvalid {
        /// Its URL.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The authorization server does not offer PKCE with S256 (RFC 7636).
    PkceUnsupported {
        /// The authorization server.
        issuer: String,
    },
    /// No client registration could be obtained.
    RegistrationRejected {
        /// The authorization server.
        issuer: String,
        /// What happened.
        detail: String,
    },
    /// A URL is neither https nor loopback.
    InsecureEndpoint {
        /// The URL.
        url: String,
    },
    /// A server named an address in a narrower network than its own ([`Egress`](crate::http::Egress)). It was not
    /// contacted, whether or not there is a server at that address.
    BlockedEndpoint {
        /// The URL, without its query.
        url: String,
    },
    /// An organization's policy refuses access.
    PolicyDenied {
        /// The server that refused.
        issuer: String,
        /// What it said.
        detail: String,
    },
    /// An ID token failed validation (OpenID Connect Core section 3.1.3.7). No part of it was used.
    IdTokenInvalid {
        /// The identity provider.
        issuer: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Enterprise-managed authorization was requested, but no identity provider is configured.
    EnterpriseNotConfigured,
    /// Enterprise-managed authorization was requested; it is configured, but disabled.
    EnterpriseDisabled {
        /// The identity provider.
        issuer: String,
    },
    /// The operation was cancelled.
    Cancelled {
        /// What was cancelled.
        what: &'static str,
    },
    /// The operation took too long.
    Timeout {
        /// What took too long.
        what: String,
        /// The limit in seconds.
        seconds: u64,
    },
    /// The store could not be read or written.
    Store {
        /// What happened, and where the store is.
        detail: String,
        /// The error of the application's own store.
        cause: Option<Cause>,
    },
    /// An HTTP exchange outside token renewal failed.
    Http {
        /// The URL, without its query.
        url: String,
        /// What happened.
        detail: String,
        /// The error of the application's own HTTP client.
        cause: Option<Cause>,
    },
    /// The application's own callback failed.
    Host {
        /// What it reported.
        detail: String,
        /// The error behind it.
        cause: Option<Cause>,
    },
    /// The session is configured in a way that cannot work.
    Config {
        /// What is wrong and where.
        detail: String,
    },
    /// An error that another process or language reported.
    Received(Box<ErrorForm>),
}

/// Its source is its [`cause`](Error::cause).
impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.own_cause()?)
    }
}

/// Deserializes the [form](ErrorForm) of an error into [`Error::Received`].
impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::Received(Box::deserialize(deserializer)?))
    }
}

impl Error {
    /// Returns the kind of the error: stable, and the same in every language.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::InsufficientScope { .. } => ErrorCode::InsufficientScope,
            Self::ConsentDenied { .. } => ErrorCode::ConsentDenied,
            Self::ScopeNotGranted { .. } => ErrorCode::ScopeNotGranted,
            Self::StepUpLimit { .. } => ErrorCode::StepUpLimit,
            Self::InteractionRequired { .. } => ErrorCode::InteractionRequired,
            Self::Unauthorized { .. } => ErrorCode::Unauthorized,
            Self::RefreshUnavailable { .. } => ErrorCode::RefreshUnavailable,
            Self::RefreshRejected { .. } => ErrorCode::RefreshRejected,
            Self::IssuerMismatch { .. } => ErrorCode::IssuerMismatch,
            Self::StateMismatch => ErrorCode::StateMismatch,
            Self::AuthorizationDenied { .. } => ErrorCode::AuthorizationDenied,
            Self::ResourceMismatch { .. } => ErrorCode::ResourceMismatch,
            Self::MetadataInvalid { .. } => ErrorCode::MetadataInvalid,
            Self::PkceUnsupported { .. } => ErrorCode::PkceUnsupported,
            Self::RegistrationRejected { .. } => ErrorCode::RegistrationRejected,
            Self::InsecureEndpoint { .. } => ErrorCode::InsecureEndpoint,
            Self::BlockedEndpoint { .. } => ErrorCode::BlockedEndpoint,
            Self::PolicyDenied { .. } => ErrorCode::PolicyDenied,
            Self::IdTokenInvalid { .. } => ErrorCode::IdTokenInvalid,
            Self::EnterpriseNotConfigured => ErrorCode::EnterpriseNotConfigured,
            Self::EnterpriseDisabled { .. } => ErrorCode::EnterpriseDisabled,
            Self::Cancelled { .. } => ErrorCode::Cancelled,
            Self::Timeout { .. } => ErrorCode::Timeout,
            Self::Store { .. } => ErrorCode::Store,
            Self::Http { .. } => ErrorCode::Http,
            Self::Host { .. } => ErrorCode::Host,
            Self::Config { .. } | Self::ClientIssuerUnknown { .. } => ErrorCode::Config,
            Self::Received(form) => form.code,
        }
    }

    /// The server that did not renew a credential, if the error is about a renewal.
    pub(crate) fn issuer_of_renewal(&self) -> Option<&str> {
        match self {
            Self::RefreshUnavailable { issuer, .. }
            | Self::RefreshRejected { issuer, .. }
            | Self::PolicyDenied { issuer, .. }
            | Self::RegistrationRejected { issuer, .. }
            | Self::AuthorizationDenied { issuer, .. }
            | Self::IdTokenInvalid { issuer, .. } => Some(issuer),
            _ => None,
        }
    }

    /// The challenge behind the error, if any: its scopes, metadata URL and description tell a program what the server
    /// requires.
    #[must_use]
    pub fn challenge(&self) -> Option<&AuthChallenge> {
        match self {
            Self::InsufficientScope { challenge, .. }
            | Self::ConsentDenied { challenge, .. }
            | Self::StepUpLimit { challenge, .. }
            | Self::InteractionRequired { challenge, .. }
            | Self::Unauthorized { challenge, .. } => Some(challenge),
            Self::Received(form) => form.challenge.as_ref(),
            _ => None,
        }
    }

    /// The MCP server that the error is about, if any.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::InsufficientScope { server, .. }
            | Self::ConsentDenied { server, .. }
            | Self::StepUpLimit { server, .. }
            | Self::ClientIssuerUnknown { server, .. }
            | Self::InteractionRequired { server, .. }
            | Self::Unauthorized { server, .. }
            | Self::ResourceMismatch { server, .. } => Some(server),
            Self::Received(form) => form.server.as_deref(),
            _ => None,
        }
    }

    /// The authorization server or identity provider that the error is about, if any.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        match self {
            Self::ScopeNotGranted { issuer, .. }
            | Self::ClientIssuerUnknown { issuer, .. }
            | Self::RefreshUnavailable { issuer, .. }
            | Self::RefreshRejected { issuer, .. }
            | Self::IssuerMismatch { expected: issuer }
            | Self::AuthorizationDenied { issuer, .. }
            | Self::PkceUnsupported { issuer }
            | Self::RegistrationRejected { issuer, .. }
            | Self::PolicyDenied { issuer, .. }
            | Self::IdTokenInvalid { issuer, .. }
            | Self::EnterpriseDisabled { issuer } => Some(issuer),
            Self::Received(form) => form.issuer.as_deref(),
            _ => None,
        }
    }

    /// The URL that the error is about, if any, without query, user name and password.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::MetadataInvalid { url, .. }
            | Self::InsecureEndpoint { url }
            | Self::BlockedEndpoint { url }
            | Self::Http { url, .. } => Some(url),
            Self::Received(form) => form.url.as_deref(),
            _ => None,
        }
    }

    /// The missing scopes, if the error is about scopes.
    #[must_use]
    pub fn scopes(&self) -> Option<&ScopeSet> {
        match self {
            Self::ConsentDenied { wanted: scopes, .. }
            | Self::ScopeNotGranted {
                missing: scopes, ..
            } => Some(scopes),
            Self::InsufficientScope { challenge, .. } | Self::StepUpLimit { challenge, .. } => {
                Some(&challenge.required_scopes)
            }
            Self::Received(form) => form.scopes.as_ref(),
            _ => None,
        }
    }

    /// What happened, without the surrounding words: for the application's own message, or for another error.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::RefreshUnavailable { detail, .. }
            | Self::RefreshRejected { detail, .. }
            | Self::MetadataInvalid { detail, .. }
            | Self::RegistrationRejected { detail, .. }
            | Self::PolicyDenied { detail, .. }
            | Self::IdTokenInvalid { detail, .. }
            | Self::Store { detail, .. }
            | Self::Http { detail, .. }
            | Self::Host { detail, .. }
            | Self::Config { detail } => Some(detail),
            Self::Received(form) => form.detail.as_deref(),
            _ => None,
        }
    }

    /// How many seconds a server asked to wait before the next request.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RefreshUnavailable { retry_after, .. } => *retry_after,
            Self::Received(form) => form.retry_after,
            _ => None,
        }
    }

    /// The URL that the user was sent to, while the callback is pending.
    #[must_use]
    pub fn authorization_url(&self) -> Option<&str> {
        match self {
            Self::InteractionRequired {
                authorization_url, ..
            } => authorization_url.as_deref(),
            Self::Received(form) => form.authorization_url.as_deref(),
            _ => None,
        }
    }

    /// Whether the same call may succeed later, with nothing changed here: nothing was lost, and nothing was refused.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.code(),
            ErrorCode::RefreshUnavailable | ErrorCode::Timeout | ErrorCode::Http
        )
    }

    /// Creates an error of a [`TokenStore`](crate::TokenStore): what happened, and where the store is.
    #[must_use]
    pub fn store(detail: impl Into<String>) -> Self {
        Self::Store {
            detail: detail.into(),
            cause: None,
        }
    }

    /// Creates an error of an [`AuthHost`](crate::AuthHost): what it could not do, and why.
    #[must_use]
    pub fn host(detail: impl Into<String>) -> Self {
        Self::Host {
            detail: detail.into(),
            cause: None,
        }
    }

    /// Attaches the error of the application's own component to an error of [`store`](Self::store) or
    /// [`host`](Self::host). Leaves any other error as it is.
    #[must_use]
    pub fn caused_by(mut self, error: impl StdError + Send + Sync + 'static) -> Self {
        if let Self::Store { cause, .. } | Self::Host { cause, .. } = &mut self {
            *cause = Some(Cause::new(error));
        }
        self
    }

    /// The error of the application's own component, as given to [`caused_by`](Self::caused_by) or to
    /// [`HttpError::caused_by`](crate::http::HttpError::caused_by).
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        Some(&*self.own_cause()?.0)
    }

    fn own_cause(&self) -> Option<&Cause> {
        match self {
            Self::Store { cause, .. }
            | Self::Host { cause, .. }
            | Self::Http { cause, .. }
            | Self::RefreshUnavailable { cause, .. } => cause.as_ref(),
            _ => None,
        }
    }

    /// Creates a configuration error: what is wrong and where.
    #[must_use]
    pub fn config(detail: impl Into<String>) -> Self {
        Self::Config {
            detail: detail.into(),
        }
    }

    /// Creates an error about a document that cannot be used. `detail` may quote it, so it is made fit to be shown.
    pub(crate) fn metadata(url: &str, detail: impl AsRef<str>) -> Self {
        Self::MetadataInvalid {
            url: shown(url),
            detail: text::displayable(detail.as_ref()).unwrap_or_default(),
        }
    }

    /// Creates an error about a URL in a network that must not be reached.
    pub(crate) fn blocked(url: &str) -> Self {
        Self::BlockedEndpoint { url: shown(url) }
    }

    /// Creates an error about a URL without TLS.
    pub(crate) fn insecure(url: &str) -> Self {
        Self::InsecureEndpoint { url: shown(url) }
    }

    /// Creates an error about a failed HTTP exchange. The query of `url` is left out, since it can contain secrets.
    pub(crate) fn http(url: &str, trouble: impl Into<TransientError>) -> Self {
        let TransientError { detail, cause, .. } = trouble.into();
        Self::Http {
            url: shown(url),
            detail: text::displayable(&detail).unwrap_or_default(),
            cause,
        }
    }

    /// Creates an error about a transient error during a renewal by `issuer`.
    pub(crate) fn unavailable(issuer: &str, trouble: impl Into<TransientError>) -> Self {
        let TransientError {
            detail,
            retry_after,
            delivery,
            cause,
        } = trouble.into();
        Self::RefreshUnavailable {
            issuer: issuer.to_owned(),
            detail,
            retry_after,
            connected: !matches!(delivery, Delivery::Unsent | Delivery::Broken),
            cause,
        }
    }
}

/// Makes a URL fit to be shown: its query, user name and password can hold secrets.
fn shown(url: &str) -> String {
    let url = text::without_password(text::without_query(url));
    text::displayable(&url).unwrap_or_default()
}
