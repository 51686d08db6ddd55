//! What only the application can do: ask for consent, show a page to the user, receive events.

use std::fmt;

use crate::threads::{BoxFuture, MaybeSend, MaybeSync};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::callback::CallbackParams;
use crate::challenge::AuthChallenge;
use crate::error::{Error, ErrorCode};
use crate::scope::ScopeSet;
use crate::secret::Secret;

/// The application around a session.
///
/// There are two kinds of host. In a terminal or desktop program, [`authorize`](AuthHost::authorize) opens the URL,
/// waits for the callback and returns its parameters. In a web page that navigates away, it returns
/// [`Authorized::Elsewhere`], and the code that receives the callback later, even after a restart, passes it to
/// [`AuthSession::complete_authorization`](crate::AuthSession::complete_authorization).
#[auto_impl::auto_impl(Arc)]
pub trait AuthHost: MaybeSend + MaybeSync + 'static {
    /// Returns the redirect URI of the authorization that is about to start. A host with an ephemeral port opens it
    /// here, since the URI must be registered first. If the URI is always the same, set it for the session
    /// ([`Settings::redirect_uri`](crate::Settings::redirect_uri)) instead; the host is then not asked.
    ///
    /// # Errors
    /// [`Error::Host`] if no callback can be received.
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        let missing = "there is no redirect URI: set redirect_uri for the session, or return one from the host";
        Box::pin(std::future::ready(Err(Error::host(missing))))
    }

    /// As [`redirect_uri`](Self::redirect_uri), for a client that is pre-registered or has a metadata document. Such a
    /// client is registered for certain URIs: return one of them, never one chosen on the spot, such as one with a free
    /// port because the registered port is taken.
    ///
    /// # Errors
    /// [`Error::Host`] if no callback can be received there.
    fn registered_redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        self.redirect_uri()
    }

    /// Asks the user whether to extend access. `false` declines; the session continues.
    ///
    /// # Errors
    /// [`Error::Host`] if the user could not be asked, [`Error::Cancelled`] if the user cancelled.
    fn confirm_step_up(&self, request: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>>;

    /// Sends the user to sign in or to grant access.
    ///
    /// # Errors
    /// [`Error::Host`] if the page could not be shown, [`Error::Cancelled`] if the user cancelled.
    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>>;

    /// Tells the user that this session waits for the sign-in page for `server` that another session or program has
    /// open. The future is dropped when the wait is over. Does nothing by default.
    fn sign_in_elsewhere(&self, server: &str) -> BoxFuture<'_, ()> {
        let _ = server;
        Box::pin(std::future::ready(()))
    }

    /// Receives an event. Must return quickly: requests wait for it.
    fn event(&self, event: Event) {
        let _ = event;
    }
}

/// Receives events.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) type Listener = Box<dyn Fn(&Event) + Send + Sync>;
#[cfg(target_arch = "wasm32")]
pub(crate) type Listener = Box<dyn Fn(&Event)>;

/// Checks a redirect URI (RFC 6749 section 3.1.2); the error says what is wrong.
pub(crate) fn check_redirect_uri(uri: &str) -> Result<(), String> {
    match Url::parse(uri) {
        Ok(url) if url.fragment().is_none() => Ok(()),
        _ => Err(format!(
            "the redirect URI {uri:?} is not an absolute URL without a fragment (#)"
        )),
    }
}

/// Provides the assertions of a workload's platform, which the workload exchanges for tokens (RFC 7523 section 2.1).
#[auto_impl::auto_impl(Arc)]
pub trait WorkloadIdentity: MaybeSend + MaybeSync + 'static {
    /// Returns an assertion for the authorization server with the issuer `audience`. It is requested each time one is
    /// needed, and used once: return a fresh one if the platform can issue it. If the platform cannot issue one for any
    /// given audience, bind the client to its issuer ([`at_issuer`](crate::Client::at_issuer)), because an MCP server
    /// may name any.
    ///
    /// # Errors
    /// [`Error::Host`] if no assertion is available.
    fn assertion(&self, audience: &str) -> BoxFuture<'_, Result<Secret, Error>>;
}

/// What the user is asked to agree to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StepUpRequest {
    /// The MCP server.
    pub server: String,
    /// The server's challenge, with the rejected operation.
    pub challenge: AuthChallenge,
    /// The new scopes.
    pub new_scopes: ScopeSet,
    /// All scopes that would be requested.
    pub scopes: ScopeSet,
    /// The organization's identity provider, if access would be extended silently through it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_provider: Option<String>,
}

/// A prepared authorization: the host sends the user to `url`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationRequest {
    /// The page to show.
    pub url: String,
    /// The `state` that the callback must carry.
    pub state: String,
    /// Where the callback will arrive.
    pub redirect_uri: String,
    /// The MCP server.
    pub server: String,
    /// The authorization server, or the identity provider if access is enterprise-managed.
    pub issuer: String,
    /// Whether `issuer` is the organization's identity provider.
    pub at_identity_provider: bool,
    /// The requested scopes.
    pub scopes: ScopeSet,
    /// The challenge that made it necessary.
    pub challenge: AuthChallenge,
}

/// What [`AuthHost::authorize`] returns.
#[derive(Debug, Clone)]
pub enum Authorized {
    /// The callback arrived; its parameters are not checked yet.
    Callback(CallbackParams),
    /// The user is on another page; the callback will arrive elsewhere.
    Elsewhere,
}

/// An event of a session, for a host to show or to log. Events contain no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum Event {
    /// A request was rejected.
    Challenged {
        /// The server's challenge.
        challenge: AuthChallenge,
    },
    /// The credential was renewed silently.
    Renewed {
        /// The authorization server.
        issuer: String,
        /// The scopes that are granted now.
        scopes: ScopeSet,
    },
    /// Another session or process had already renewed the credential.
    Adopted,
    /// The session at the organization's identity provider was renewed silently.
    IdpSessionRenewed {
        /// The identity provider.
        issuer: String,
    },
    /// Silent renewal failed. A session that only waited for another session's renewal does not receive this event.
    RenewalFailed {
        /// The authorization server, or the identity provider.
        issuer: String,
        /// The error's code.
        code: ErrorCode,
        /// What happened.
        message: String,
    },
    /// The user was asked whether to extend access.
    ConsentAsked {
        /// The new scopes.
        new_scopes: ScopeSet,
    },
    /// The user was sent to an authorization server.
    AuthorizationStarted {
        /// Its issuer.
        issuer: String,
        /// The requested scopes.
        scopes: ScopeSet,
    },
    /// The user authorized the client.
    Authorized {
        /// The authorization server.
        issuer: String,
        /// The scopes that are granted now.
        scopes: ScopeSet,
    },
    /// The user is needed, but no caller waits: the host prompts at the next user action.
    InteractionRequired {
        /// The server's challenge.
        challenge: AuthChallenge,
    },
    /// The credential was cleared.
    SignedOut,
}

/// The `kind` of an event, as in its JSON form.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Challenged { .. } => "challenged",
            Self::Renewed { .. } => "renewed",
            Self::Adopted => "adopted",
            Self::IdpSessionRenewed { .. } => "idp_session_renewed",
            Self::RenewalFailed { .. } => "renewal_failed",
            Self::ConsentAsked { .. } => "consent_asked",
            Self::AuthorizationStarted { .. } => "authorization_started",
            Self::Authorized { .. } => "authorized",
            Self::InteractionRequired { .. } => "interaction_required",
            Self::SignedOut => "signed_out",
        })
    }
}
