//! What only the application can do: ask for consent, show a page to the person, hear what happens.

use std::fmt;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::callback::CallbackParams;
use crate::challenge::AuthChallenge;
use crate::error::{Error, ErrorCode};
use crate::scope::ScopeSet;
use crate::secret::Secret;

/// The application around a session.
///
/// Both interactive shapes work. A terminal or desktop program stays where it is: its
/// [`authorize`](AuthHost::authorize) opens the address, waits for the callback and returns its parameters.
/// A web page navigates away: it returns [`Authorized::Elsewhere`], and the code that receives the callback later,
/// also after a restart, hands it to
/// [`AuthSession::complete_authorization`](crate::AuthSession::complete_authorization).
#[auto_impl::auto_impl(Arc)]
pub trait AuthHost: Send + Sync + 'static {
    /// The redirect URI of the authorization that is about to start. A host with an ephemeral port opens it
    /// here, since the URI must be registered first. A host whose address is always the same says it to the session
    /// ([`Settings::redirect_uri`](crate::Settings::redirect_uri)), and is not asked.
    ///
    /// # Errors
    /// [`Error::Host`] when no callback can be received.
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        let missing =
            "it has no redirect URI: give the session one (redirect_uri), or have the host say it";
        Box::pin(std::future::ready(Err(Error::host(missing))))
    }

    /// As [`redirect_uri`](Self::redirect_uri), for a client that was registered beforehand or has a metadata document.
    /// It is registered for certain addresses, so that this must be one of them, and never one that a host chooses at
    /// the moment, such as a free port in place of one that is taken.
    ///
    /// # Errors
    /// [`Error::Host`] when no callback can be received there.
    fn registered_redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        self.redirect_uri()
    }

    /// Asks the person whether to extend access. `false` is a no; the session lives on.
    ///
    /// # Errors
    /// [`Error::Host`] when the person could not be asked, [`Error::Cancelled`] when they stopped it.
    fn confirm_step_up(&self, request: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>>;

    /// Sends the person to sign in or to grant access.
    ///
    /// # Errors
    /// [`Error::Host`] when the page could not be shown, [`Error::Cancelled`] when the person stopped it.
    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>>;

    /// Tells the user that another session or program has the sign-in page for `server` open, which this one waits for.
    /// The future is dropped when the wait is over. The default tells nothing.
    fn sign_in_elsewhere(&self, server: &str) -> BoxFuture<'_, ()> {
        let _ = server;
        Box::pin(std::future::ready(()))
    }

    /// Hears what happens. Must return quickly; it is called while requests wait.
    fn event(&self, event: Event) {
        let _ = event;
    }
}

/// Hears what happens.
pub(crate) type Listener = Box<dyn Fn(&Event) + Send + Sync>;

/// Why an address cannot be where callbacks come (RFC 6749 section 3.1.2).
pub(crate) fn check_redirect_uri(uri: &str) -> Result<(), String> {
    match Url::parse(uri) {
        Ok(url) if url.fragment().is_none() => Ok(()),
        _ => Err(format!(
            "the redirect URI {uri:?} is no absolute address without a fragment (#)"
        )),
    }
}

/// Where the assertions of a workload come from by which it gets its tokens (RFC 7523 section 2.1): from its platform.
#[auto_impl::auto_impl(Arc)]
pub trait WorkloadIdentity: Send + Sync + 'static {
    /// An assertion that is meant for the authorization server with the issuer `audience`. It is asked for each time
    /// one is needed, and used once: give a fresh one where the platform makes them. Where it makes none for an
    /// audience of one's choice, bind the client to its issuer
    /// ([`at_issuer`](crate::Client::at_issuer)): an MCP server may name any.
    ///
    /// # Errors
    /// [`Error::Host`] when there is none.
    fn assertion(&self, audience: &str) -> BoxFuture<'_, Result<Secret, Error>>;
}

/// What the person is asked to agree to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StepUpRequest {
    /// The MCP server.
    pub server: String,
    /// What the server asked for, with the operation it was asked for.
    pub challenge: AuthChallenge,
    /// The scopes that are new.
    pub new_scopes: ScopeSet,
    /// All scopes that would be asked for.
    pub scopes: ScopeSet,
    /// The organization's identity provider, if it would be asked, silently, and not the person's own access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_provider: Option<String>,
}

/// An authorization that has been prepared: the person goes to `url`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationRequest {
    /// The page to show.
    pub url: String,
    /// The `state` that the callback must carry.
    pub state: String,
    /// Where the callback will come.
    pub redirect_uri: String,
    /// The MCP server.
    pub server: String,
    /// The authorization server; enterprise-managed, the identity provider.
    pub issuer: String,
    /// Whether that is the organization's identity provider.
    pub at_identity_provider: bool,
    /// The scopes asked for.
    pub scopes: ScopeSet,
    /// What made it necessary.
    pub challenge: AuthChallenge,
}

/// How an authorization went on.
#[derive(Debug, Clone)]
pub enum Authorized {
    /// The callback came; these are its parameters, unread.
    Callback(CallbackParams),
    /// The person is on another page; the callback will arrive elsewhere.
    Elsewhere,
}

/// What happens in a session, for a host to show or to log. Events hold no secrets.
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
        /// What the server asked for.
        challenge: AuthChallenge,
    },
    /// The credential was renewed silently.
    Renewed {
        /// By which server.
        issuer: String,
        /// What is granted now.
        scopes: ScopeSet,
    },
    /// Another session or process had renewed it already.
    Adopted,
    /// The session at the organization's identity provider was renewed silently.
    IdpSessionRenewed {
        /// The identity provider.
        issuer: String,
    },
    /// Silent renewal failed. A session that only waited for another's renewal does not hear of it.
    RenewalFailed {
        /// The authorization server, or the identity provider.
        issuer: String,
        /// The error's code.
        code: ErrorCode,
        /// What happened.
        message: String,
    },
    /// The person was asked whether to extend access.
    ConsentAsked {
        /// The scopes that are new.
        new_scopes: ScopeSet,
    },
    /// The person was sent to an authorization server.
    AuthorizationStarted {
        /// Which one.
        issuer: String,
        /// The scopes asked for.
        scopes: ScopeSet,
    },
    /// The person's authorization arrived.
    Authorized {
        /// By which server.
        issuer: String,
        /// What is granted now.
        scopes: ScopeSet,
    },
    /// The user is needed, and no caller waits: for the next user action.
    InteractionRequired {
        /// What the server asked for.
        challenge: AuthChallenge,
    },
    /// The credential was cleared.
    SignedOut,
}

/// The code of an event, as in its JSON form.
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
