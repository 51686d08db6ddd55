//! Everything that can go wrong, with a stable code for each.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::challenge::AuthChallenge;
use crate::http::HttpError;
use crate::scope::ScopeSet;
use crate::text;

/// The code of a JSON-RPC error that stands for an [`Error`]: of those that are an implementation's own
/// (JSON-RPC 2.0 section 5.1), and none that MCP or its SDKs use, lest a no be taken for a timeout and tried again.
const JSON_RPC_CODE: i64 = -32080;

/// What ended a recovery or a call.
///
/// [`code`](Error::code) is stable and the same in every language; the message says what happened, to
/// which server, and what to do next. No variant ever holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server needs more scope than was granted, and asking for it is off, impossible or was in vain.
    #[error("{server} refused this: it needs {}{}. {next}", scopes(&challenge.required_scopes), said(challenge))]
    InsufficientScope {
        /// The MCP server.
        server: String,
        /// What the server asked for.
        challenge: Box<AuthChallenge>,
        /// What to do next.
        next: &'static str,
    },
    /// The person was asked whether to grant more access, and said no.
    #[error(
        "Access was not extended: {} for {server} was declined. Everything else goes on as before; try again to be asked again.",
        scopes(wanted)
    )]
    ConsentDenied {
        /// The MCP server.
        server: String,
        /// What would have been granted anew.
        wanted: ScopeSet,
        /// What the server asked for.
        challenge: Box<AuthChallenge>,
    },
    /// The authorization server answered with less than the operation needs.
    #[error(
        "{issuer} granted access, but not {}. Ask its administrator whether this account may have it.",
        scopes(missing)
    )]
    ScopeNotGranted {
        /// The authorization server.
        issuer: String,
        /// The scopes that are still missing.
        missing: ScopeSet,
    },
    /// The server asked for more scope again, after as many step-ups as the policy allows.
    #[error("{server} still refuses after {attempts} step-up(s); it now asks for {}. The server's scopes may be set up wrongly.", scopes(&challenge.required_scopes))]
    StepUpLimit {
        /// The MCP server.
        server: String,
        /// How many step-ups this request went through.
        attempts: u8,
        /// What the server asked for last.
        challenge: Box<AuthChallenge>,
    },
    /// A client's secret, key or assertion is bound to no issuer. It was sent nowhere.
    #[error(
        "{client_id} has a secret or key, and this program was not told which authorization server it belongs to. {server} names {issuer}: if the client is registered there, give that issuer along with the client id. Nothing was sent."
    )]
    ClientIssuerUnknown {
        /// The MCP server.
        server: String,
        /// The client id.
        client_id: String,
        /// The issuer that the MCP server names.
        issuer: String,
    },
    /// A person is needed, and now is not the time: nobody waits, or interaction is off.
    #[error("{server} needs a person to sign in or to grant access{}. {next}", at(authorization_url.as_deref()))]
    InteractionRequired {
        /// The MCP server.
        server: String,
        /// What the server asked for.
        challenge: Box<AuthChallenge>,
        /// Where the person was sent, when an authorization has been started.
        authorization_url: Option<String>,
        /// What to do next, which depends on why nobody was asked.
        next: &'static str,
    },
    /// The server rejects every credential, a fresh one too.
    #[error(
        "{server} rejected a credential it should accept{}. Signing in again did not help; the server may be set up wrongly.",
        said(challenge)
    )]
    Unauthorized {
        /// The MCP server.
        server: String,
        /// What the server said last.
        challenge: Box<AuthChallenge>,
    },
    /// The credential could not be renewed now. It is kept, and may well be renewed later.
    #[error("{issuer} could not be reached to renew access ({detail}). What there is was kept; try again{}.", after(*retry_after))]
    RefreshUnavailable {
        /// The authorization server.
        issuer: String,
        /// What happened.
        detail: String,
        /// How many seconds the server asked to wait.
        retry_after: Option<u64>,
        /// Whether a connection could be made, and held.
        connected: bool,
        /// What the application's own HTTP client failed by.
        #[source]
        cause: Option<Cause>,
    },
    /// The credential was refused for renewal, and no other way is left.
    #[error("{issuer} does not renew this access any more ({detail}). Sign in again.")]
    RefreshRejected {
        /// The authorization server.
        issuer: String,
        /// What the server said.
        detail: String,
    },
    /// The authorization response names another issuer (RFC 9207). Nothing of it was used.
    #[error(
        "The answer to the sign-in did not come from {expected}. It was discarded; try again, and if it happens again do not trust the page you were sent to."
    )]
    IssuerMismatch {
        /// The issuer the person was sent to.
        expected: String,
    },
    /// The authorization response belongs to no sign-in that is under way.
    #[error(
        "This answer belongs to no sign-in that is under way: it is too old, was used before, or is not meant for this program. Start again."
    )]
    StateMismatch,
    /// The authorization server ended the sign-in with an error (RFC 6749 section 4.1.2.1).
    #[error("{issuer} did not grant access: {error}{}.", detail(description.as_deref()))]
    AuthorizationDenied {
        /// The authorization server.
        issuer: String,
        /// The OAuth error code.
        error: String,
        /// The server's words.
        description: Option<String>,
    },
    /// The metadata is about another resource than the server that was called (RFC 9728 section 3.3).
    #[error(
        "{server} names {resource} as the resource it protects, which is another server. Nothing was sent there; check the server's address."
    )]
    ResourceMismatch {
        /// The MCP server.
        server: String,
        /// The resource its metadata names.
        resource: String,
    },
    /// A metadata document cannot be used.
    #[error(
        "The metadata at {url} cannot be used: {detail}. This is for the server's operator to mend."
    )]
    MetadataInvalid {
        /// Where it was read.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The authorization server does not offer PKCE with S256 (RFC 7636).
    #[error(
        "{issuer} does not offer PKCE with S256, without which a sign-in could be hijacked. This is for its operator to mend."
    )]
    PkceUnsupported {
        /// The authorization server.
        issuer: String,
    },
    /// No client registration could be had.
    #[error(
        "{issuer} did not accept this program as a client: {detail}. Give a client id that is registered there."
    )]
    RegistrationRejected {
        /// The authorization server.
        issuer: String,
        /// What happened.
        detail: String,
    },
    /// An address is neither https nor on this machine.
    #[error(
        "{url} is not protected by https. Credentials are sent over https only, or to this machine itself."
    )]
    InsecureEndpoint {
        /// The address.
        url: String,
    },
    /// A server led to an address in a narrower network than its own ([`Egress`](crate::http::Egress)). It was not
    /// contacted; what is there, or whether anything is, makes no difference.
    #[error(
        "Nothing was sent to {url}: the server that leads there is not in that network itself. If the address is right, allow this endpoint; if not, do not trust the server."
    )]
    BlockedEndpoint {
        /// The address, without its query.
        url: String,
    },
    /// An organization's policy refuses access.
    #[error("{issuer} refuses access by policy: {detail}. Ask your administrator.")]
    PolicyDenied {
        /// Who refused.
        issuer: String,
        /// What it said.
        detail: String,
    },
    /// An ID token cannot be trusted (OpenID Connect Core section 3.1.3.7). Nothing of it was used.
    #[error(
        "The sign-in at {issuer} cannot be trusted: {detail}. Nothing of it was used; try again, and if it happens again ask your administrator."
    )]
    IdTokenInvalid {
        /// The identity provider.
        issuer: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Enterprise-managed authorization was asked for, and no identity provider was given.
    #[error(
        "Your organization's sign-in is not configured here: give the identity provider's issuer and the client id that this program has there."
    )]
    EnterpriseNotConfigured,
    /// Enterprise-managed authorization was asked for; it is configured, and switched off.
    #[error(
        "Your organization's sign-in by {issuer} is configured here, but switched off. Switch it on, or connect without it."
    )]
    EnterpriseDisabled {
        /// The identity provider.
        issuer: String,
    },
    /// Somebody stopped it.
    #[error("{what} was cancelled. Nothing was lost; try again when you like.")]
    Cancelled {
        /// What was stopped.
        what: &'static str,
    },
    /// It took too long.
    #[error("{what} took longer than {seconds} s. Try again.")]
    Timeout {
        /// What took too long.
        what: String,
        /// The limit in seconds.
        seconds: u64,
    },
    /// The store could not be read or written.
    #[error("The credential store failed: {detail}")]
    Store {
        /// What happened, with the store's place.
        detail: String,
        /// What the application's own store failed by.
        #[source]
        cause: Option<Cause>,
    },
    /// An HTTP exchange outside token renewal failed.
    #[error("{url} could not be used: {detail}")]
    Http {
        /// The address, without its query.
        url: String,
        /// What happened.
        detail: String,
        /// What the application's own HTTP client failed by.
        #[source]
        cause: Option<Cause>,
    },
    /// The application's own callback failed.
    #[error("The application could not do its part: {detail}")]
    Host {
        /// What it said.
        detail: String,
        /// What it failed by.
        #[source]
        cause: Option<Cause>,
    },
    /// The session was set up in a way that cannot work.
    #[error("This cannot work as set up: {detail}")]
    Config {
        /// What is wrong and where.
        detail: String,
    },
}

impl Error {
    /// The stable code, in snake_case; the same in every language.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::ConsentDenied { .. } => "consent_denied",
            Self::ScopeNotGranted { .. } => "scope_not_granted",
            Self::StepUpLimit { .. } => "step_up_limit",
            Self::InteractionRequired { .. } => "interaction_required",
            Self::Unauthorized { .. } => "unauthorized",
            Self::RefreshUnavailable { .. } => "refresh_unavailable",
            Self::RefreshRejected { .. } => "refresh_rejected",
            Self::IssuerMismatch { .. } => "issuer_mismatch",
            Self::StateMismatch => "state_mismatch",
            Self::AuthorizationDenied { .. } => "authorization_denied",
            Self::ResourceMismatch { .. } => "resource_mismatch",
            Self::MetadataInvalid { .. } => "metadata_invalid",
            Self::PkceUnsupported { .. } => "pkce_unsupported",
            Self::RegistrationRejected { .. } => "registration_rejected",
            Self::InsecureEndpoint { .. } => "insecure_endpoint",
            Self::BlockedEndpoint { .. } => "blocked_endpoint",
            Self::PolicyDenied { .. } => "policy_denied",
            Self::IdTokenInvalid { .. } => "id_token_invalid",
            Self::EnterpriseNotConfigured => "enterprise_not_configured",
            Self::EnterpriseDisabled { .. } => "enterprise_disabled",
            Self::Cancelled { .. } => "cancelled",
            Self::Timeout { .. } => "timeout",
            Self::Store { .. } => "store",
            Self::Http { .. } => "http",
            Self::Host { .. } => "host",
            Self::Config { .. } | Self::ClientIssuerUnknown { .. } => "config",
        }
    }

    /// The server that did not renew a credential, where the error is of one.
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

    /// The challenge behind the error, where there is one: its scopes, metadata URL and description tell
    /// a program what it would take.
    #[must_use]
    pub fn challenge(&self) -> Option<&AuthChallenge> {
        match self {
            Self::InsufficientScope { challenge, .. }
            | Self::ConsentDenied { challenge, .. }
            | Self::StepUpLimit { challenge, .. }
            | Self::InteractionRequired { challenge, .. }
            | Self::Unauthorized { challenge, .. } => Some(challenge),
            _ => None,
        }
    }

    /// An error of a [`TokenStore`](crate::TokenStore): what happened, with the store's place.
    #[must_use]
    pub fn store(detail: impl Into<String>) -> Self {
        Self::Store {
            detail: detail.into(),
            cause: None,
        }
    }

    /// An error of an [`AuthHost`](crate::AuthHost): what it could not do, and why.
    #[must_use]
    pub fn host(detail: impl Into<String>) -> Self {
        Self::Host {
            detail: detail.into(),
            cause: None,
        }
    }

    /// Keeps what the application's own part failed by, for an error of [`store`](Self::store) or
    /// [`host`](Self::host); of any other error, nothing is kept.
    #[must_use]
    pub fn caused_by(mut self, error: impl StdError + Send + Sync + 'static) -> Self {
        if let Self::Store { cause, .. } | Self::Host { cause, .. } = &mut self {
            *cause = Some(Cause::new(error));
        }
        self
    }

    /// What the application's own part failed by, as it was given to [`caused_by`](Self::caused_by) or to
    /// [`HttpError::caused_by`].
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

    /// The answer to the JSON-RPC request `id` that says why it failed: for transports that have no other way to
    /// tell. Its `data` has the `code` and, where there is one, the `challenge`.
    #[must_use]
    pub fn to_json_rpc(&self, id: &Value) -> Value {
        let mut data = json!({ "code": self.code() });
        if let Some(challenge) = self.challenge() {
            data["challenge"] = json!(challenge);
        }
        json!({
            "jsonrpc": "2.0",
            "id": id,
            "error": { "code": JSON_RPC_CODE, "message": self.to_string(), "data": data },
        })
    }

    /// An error of set-up: what is wrong and where.
    #[must_use]
    pub fn config(detail: impl Into<String>) -> Self {
        Self::Config {
            detail: detail.into(),
        }
    }

    /// A document that cannot be used. What is wrong with it may quote it, so it is made fit to be shown.
    pub(crate) fn metadata(url: &str, detail: impl AsRef<str>) -> Self {
        Self::MetadataInvalid {
            url: shown(url),
            detail: text::displayable(detail.as_ref()).unwrap_or_default(),
        }
    }

    /// An address in a network that is not to be reached.
    pub(crate) fn blocked(url: &str) -> Self {
        Self::BlockedEndpoint { url: shown(url) }
    }

    /// An address that is not protected, made fit to be shown.
    pub(crate) fn insecure(url: &str) -> Self {
        Self::InsecureEndpoint { url: shown(url) }
    }

    /// An HTTP failure; the query of `url` is left out, since it can carry what nobody should see.
    pub(crate) fn http(url: &str, trouble: impl Into<Trouble>) -> Self {
        let Trouble { detail, cause, .. } = trouble.into();
        Self::Http {
            url: shown(url),
            detail: text::displayable(&detail).unwrap_or_default(),
            cause,
        }
    }

    /// Trouble on the way to a renewal by `issuer`.
    pub(crate) fn unavailable(issuer: &str, trouble: impl Into<Trouble>) -> Self {
        let Trouble {
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

/// Passing trouble with another's service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What happened.
    pub(crate) detail: String,
    /// How many seconds the service asked to wait.
    pub(crate) retry_after: Option<u64>,
    /// How far the request got.
    pub(crate) delivery: Delivery,
    /// What the application's own HTTP client failed by.
    pub(crate) cause: Option<Cause>,
}

/// How far a request got that brought nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// No connection could be made.
    Unsent,
    /// The connection broke: nothing is known of what became of it.
    Broken,
    /// No answer came in time.
    Late,
    /// The server answered.
    #[default]
    Answered,
}

impl Trouble {
    /// The same, of a request that presented a code: that is used up, whatever became of the answer.
    pub(crate) fn of_sign_in(mut self) -> Self {
        if matches!(self.delivery, Delivery::Broken | Delivery::Late) {
            let detail = self.detail;
            self.detail =
                format!("the answer to the sign-in was lost on the way ({detail}). Sign in again");
        }
        self
    }
}

impl From<String> for Trouble {
    fn from(detail: String) -> Self {
        Self {
            detail,
            ..Self::default()
        }
    }
}

impl From<HttpError> for Trouble {
    fn from(error: HttpError) -> Self {
        let detail = error.to_string();
        let delivery = match &error {
            HttpError::Connection { unsent: true, .. } => Delivery::Unsent,
            HttpError::Connection { .. } => Delivery::Broken,
            HttpError::Timeout(_) => Delivery::Late,
            _ => Delivery::Answered,
        };
        let cause = match error {
            HttpError::Connection { cause, .. } => cause,
            _ => None,
        };
        Self {
            cause,
            delivery,
            ..detail.into()
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self {
            cause: error.own_cause().cloned(),
            ..error.to_string().into()
        }
    }
}

/// What an application's own part failed by. Two are equal if they are one and the same.
#[derive(Clone)]
pub struct Cause(Arc<dyn StdError + Send + Sync>);

impl Cause {
    /// Keeps an error.
    #[must_use]
    pub fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Cause {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Nothing of it: what an application keeps in its errors is not for logs, and an HTTP client's may quote a token.
impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cause(..)")
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// An address, made fit to be shown: its query, user name and password can hold secrets.
fn shown(url: &str) -> String {
    let url = text::without_password(text::without_query(url));
    text::displayable(&url).unwrap_or_default()
}

fn scopes(set: &ScopeSet) -> String {
    // A server may name any number, of any length.
    let shown = text::displayable(&set.to_string()).unwrap_or_default();
    match set.len() {
        0 => "more access".to_owned(),
        1 => format!("scope {shown}"),
        _ => format!("scopes {shown}"),
    }
}

fn said(challenge: &AuthChallenge) -> String {
    detail(challenge.message.as_deref())
}

fn detail(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| format!(" (\u{201c}{text}\u{201d})"))
}

fn at(url: Option<&str>) -> String {
    url.map_or_else(String::new, |url| format!(" at {url}"))
}

fn after(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| " later".to_owned(), |s| format!(" in {s} s"))
}
