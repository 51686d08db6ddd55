//! Setting a session up.

use std::sync::Arc;

use url::Url;

use crate::enterprise::{IdentityProvider, Idp};
use crate::error::Error;
use crate::host::{AuthHost, WorkloadIdentity};
use crate::http::{Guard, HttpClient, Limited, check_allowed, is_secure};
use crate::jose::SigningKey;
use crate::oauth::registration::{ClientIdentity, Preregistered};
use crate::policy::{Dpop, Policy};
use crate::runtime::Runtime;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::session::credential::Current;
use crate::session::possession::Possession;
use crate::session::watch::Watch;
use crate::session::{AuthSession, GrantType, Handle, Inner};
use crate::store::{MemoryStore, StoreKey, TokenStore};
use crate::text;

/// Sets up an [`AuthSession`].
#[must_use = "nothing happens before `open`"]
pub struct AuthSessionBuilder {
    server: String,
    profile: String,
    policy: Policy,
    grant_type: GrantType,
    identity: ClientIdentity,
    scopes: ScopeSet,
    send_resource: bool,
    push_requests: bool,
    consent_prompt: bool,
    allowed: Vec<String>,
    workload: Option<Arc<dyn WorkloadIdentity>>,
    provider: Option<IdentityProvider>,
    dpop: Dpop,
    dpop_key: Option<Arc<dyn SigningKey>>,
    host: Option<Arc<dyn AuthHost>>,
    store: Option<Arc<dyn TokenStore>>,
    http: Option<Arc<dyn HttpClient>>,
    runtime: Option<Arc<dyn Runtime>>,
}

impl AuthSessionBuilder {
    pub(crate) fn new(server: String) -> Self {
        Self {
            server,
            profile: "default".to_owned(),
            policy: Policy::default(),
            grant_type: GrantType::AuthorizationCode,
            identity: ClientIdentity {
                name: "mcp-reauth".to_owned(),
                ..ClientIdentity::default()
            },
            scopes: ScopeSet::new(),
            send_resource: true,
            push_requests: false,
            consent_prompt: true,
            allowed: Vec::new(),
            workload: None,
            provider: None,
            dpop: Dpop::default(),
            dpop_key: None,
            host: None,
            store: None,
            http: None,
            runtime: None,
        }
    }

    /// The name shown on consent pages.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.identity.name = name.into();
        self
    }

    /// A client that is registered already, and its secret if it has one.
    pub fn client_id(mut self, id: impl Into<String>, secret: Option<Secret>) -> Self {
        let client = self.client();
        client.client_id = id.into();
        client.client_secret = secret;
        self
    }

    /// The private key by which the client of [`client_id`](Self::client_id) authenticates (`private_key_jwt`,
    /// RFC 7523 section 2.2).
    pub fn client_key(mut self, key: impl SigningKey) -> Self {
        self.client().client_key = Some(Arc::new(key));
        self
    }

    fn client(&mut self) -> &mut Preregistered {
        let none = Preregistered::default;
        self.identity.preregistered.get_or_insert_with(none)
    }

    /// Binds the client of [`client_id`](Self::client_id) to the authorization server it is registered at. Its
    /// secret, key and assertions go nowhere else, also when the MCP server names another. A client that has any of
    /// these needs this: an MCP server may name any authorization server. Without it, nothing is sent, and the error
    /// ([`Error::ClientIssuerUnknown`]) names the issuer that was found.
    pub fn client_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.client().issuer = Some(issuer.into());
        self
    }

    /// Shows the client's secret, key and assertions to whichever authorization server the MCP server names. Only for
    /// MCP servers that are trusted with them.
    pub fn client_at_any_issuer(mut self) -> Self {
        self.client().any_issuer = true;
        self
    }

    /// An https URL that serves the client's metadata and is its client id wherever that is supported.
    pub fn client_metadata_url(mut self, url: impl Into<String>) -> Self {
        self.identity.metadata_url = Some(url.into());
        self
    }

    /// The client acts for itself (RFC 6749 section 4.4): no person, no host. Needs
    /// [`client_id`](Self::client_id) with a secret, or [`client_key`](Self::client_key).
    pub fn client_credentials(mut self) -> Self {
        self.grant_type = GrantType::ClientCredentials;
        self
    }

    /// The client is a workload, whose platform vouches for it (RFC 7523 section 2.1): no person, no host. Needs
    /// [`client_id`](Self::client_id).
    pub fn workload_identity(mut self, workload: impl WorkloadIdentity) -> Self {
        self.grant_type = GrantType::WorkloadIdentity;
        self.workload = Some(Arc::new(workload));
        self
    }

    /// Access is managed by the organization whose identity provider this is
    /// ([`enterprise`](crate::enterprise)). `None`, or one that is not
    /// [enabled](IdentityProvider::enabled), makes [`open`](Self::open) fail by an error that says so.
    pub fn enterprise_managed(mut self, provider: Option<IdentityProvider>) -> Self {
        self.grant_type = GrantType::Enterprise;
        self.provider = provider;
        self
    }

    /// When tokens are bound to a key (RFC 9449; default: where the server asks for it). Requests then need a proof
    /// each, which [`ResourceRequest::authorize`](crate::ResourceRequest::authorize) makes.
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.dpop = dpop;
        self
    }

    /// The key that tokens are bound to, for an application that keeps it itself (default: one of the session's own,
    /// stored with its tokens).
    pub fn dpop_key(mut self, key: impl SigningKey) -> Self {
        self.dpop_key = Some(Arc::new(key));
        self
    }

    /// Whether authorization requests are pushed to the server beforehand where it offers that (RFC 9126; default
    /// no). Where a server insists on it, they always are.
    pub fn push_requests(mut self, push: bool) -> Self {
        self.push_requests = push;
        self
    }

    /// Whether the authorization server may be told to ask the user for consent (`prompt=consent`, OpenID Connect Core
    /// section 11; default yes). It is told so only after a refresh token was asked for and did not come; where users
    /// may not consent themselves, such a page is a dead end.
    pub fn consent_prompt(mut self, prompt: bool) -> Self {
        self.consent_prompt = prompt;
        self
    }

    /// An origin (`https://login.corp.example`) that the MCP server may lead to although it is in a narrower network
    /// than the server, such as an intranet's authorization server for an MCP server on the internet
    /// ([`Error::BlockedEndpoint`]). The issuer of [`client_issuer`](Self::client_issuer) is allowed anyway. May be
    /// called more than once.
    pub fn allow_endpoint(mut self, origin: impl Into<String>) -> Self {
        self.allowed.push(origin.into());
        self
    }

    /// Scopes to ask for in any case, besides what the server asks for.
    pub fn scopes(mut self, scopes: ScopeSet) -> Self {
        self.scopes = scopes;
        self
    }

    /// Whether to send resource indicators (RFC 8707; default yes). Some servers reject them.
    pub fn send_resource(mut self, send: bool) -> Self {
        self.send_resource = send;
        self
    }

    /// Whose authorization it is (default `default`). Profiles never share anything.
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = profile.into();
        self
    }

    /// What the session may do by itself.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The application: asks, shows, hears. Without one, nothing that needs a person is done.
    pub fn host(self, host: impl AuthHost) -> Self {
        self.shared_host(Arc::new(host))
    }

    /// As [`host`](Self::host), for one that several sessions share.
    pub fn shared_host(mut self, host: Arc<dyn AuthHost>) -> Self {
        self.host = Some(host);
        self
    }

    /// Where records live (default: in memory).
    pub fn store(self, store: impl TokenStore) -> Self {
        self.shared_store(Arc::new(store))
    }

    /// As [`store`](Self::store), for one that several sessions share.
    pub fn shared_store(mut self, store: Arc<dyn TokenStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// What sends the protocol's own requests (default: reqwest with rustls, one client for all sessions of a tokio
    /// runtime, made when the first of them sends something).
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.http = Some(Arc::new(client));
        self
    }

    /// The clock, sleeping and spawning (default: the current tokio runtime).
    pub fn runtime(mut self, runtime: impl Runtime) -> Self {
        self.runtime = Some(Arc::new(runtime));
        self
    }

    /// Opens the session: checks the set-up and reads the record. No network.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting that cannot work, [`Error::InsecureEndpoint`] when the server's
    /// address is neither https nor on this machine, [`Error::Store`].
    pub async fn open(self) -> Result<AuthSession, Error> {
        self.check()?;
        let mut allowed = self.allowed;
        let client = self.identity.preregistered.as_ref();
        // Who configures an issuer knows where it is.
        allowed.extend(client.and_then(|client| client.issuer.clone()));
        let guard = Guard::new(&self.server, &allowed);
        let (http, runtime) = surroundings(self.http, self.runtime, guard)?;
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        let idp = self.provider.map(|provider| {
            Arc::new(Idp {
                key: StoreKey::of_idp(&self.profile, &provider.issuer),
                http: http.starting_at(&provider.issuer),
                provider,
                store: Arc::clone(&store),
                runtime: Arc::clone(&runtime),
            })
        });
        let key = StoreKey {
            profile: self.profile,
            server: self.server.clone(),
        };
        // From before the record is read, so that nothing is missed.
        let watch = Watch::new(store.stamp(&key).await, runtime.now());
        let inner = Inner {
            key,
            watch,
            server: self.server,
            policy: self.policy,
            grant_type: self.grant_type,
            identity: self.identity,
            scopes: self.scopes,
            send_resource: self.send_resource,
            push_requests: self.push_requests,
            consent_prompt: self.consent_prompt,
            workload: self.workload,
            possession: Possession::new(self.dpop, self.dpop_key),
            host: self.host,
            store,
            http,
            runtime,
            current: Current::via(idp.as_ref().map(|idp| idp.issuer().to_owned())),
            renewal: Default::default(),
            idp,
            idp_renewal: Default::default(),
            issuer_check: Default::default(),
            interactions: Default::default(),
            hold: Default::default(),
            rejected: Default::default(),
            idp_hold: Default::default(),
            closed: Default::default(),
            unsettled: Default::default(),
            ended: Default::default(),
        };
        inner.reload().await?;
        let inner = Arc::new(inner);
        Ok(AuthSession {
            handle: Arc::new(Handle { inner }),
        })
    }

    fn check(&self) -> Result<(), Error> {
        let url = Url::parse(&self.server).map_err(|error| {
            Error::config(format!(
                "the server address {:?} is no URL ({error}); write it as https://host/path",
                text::without_password(&self.server)
            ))
        })?;
        if !is_secure(&self.server) {
            return Err(Error::insecure(&self.server));
        }
        if url.fragment().is_some() {
            return Err(Error::config("the server address has a fragment (#)"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::config(
                "the server address has a user name or password in it; it would be stored and shown",
            ));
        }
        if let Some(url) = &self.identity.metadata_url {
            let parsed = Url::parse(url).ok().filter(|url| url.scheme() == "https");
            if parsed.is_none_or(|url| url.path() == "/") {
                return Err(Error::config(format!(
                    "the client metadata URL {:?} must be https and have a path",
                    text::without_password(url)
                )));
            }
        }
        self.allowed.iter().try_for_each(|url| check_allowed(url))?;
        self.check_client()
    }

    fn check_client(&self) -> Result<(), Error> {
        let client = self.identity.preregistered.as_ref();
        if client.is_some_and(|client| client.client_id.is_empty()) {
            return Err(Error::config(
                "there is a client secret, key or issuer, but no client id",
            ));
        }
        let proves = client
            .is_some_and(|client| client.client_secret.is_some() || client.client_key.is_some());
        match self.grant_type {
            GrantType::AuthorizationCode => Ok(()),
            GrantType::ClientCredentials if proves => Ok(()),
            GrantType::ClientCredentials => Err(Error::config(
                "client credentials need a client id, and its secret or key",
            )),
            GrantType::WorkloadIdentity if client.is_some() => Ok(()),
            GrantType::WorkloadIdentity => {
                Err(Error::config("a workload identity needs a client id"))
            }
            GrantType::Enterprise => match &self.provider {
                Some(provider) => provider.check(),
                None => Err(Error::EnterpriseNotConfigured),
            },
        }
    }
}

/// What was given, else what this build has of its own.
pub(crate) fn surroundings(
    http: Option<Arc<dyn HttpClient>>,
    runtime: Option<Arc<dyn Runtime>>,
    guard: Guard,
) -> Result<(Limited, Arc<dyn Runtime>), Error> {
    let runtime = runtime.map_or_else(default_runtime, Ok)?;
    let http = http.map_or_else(default_http, Ok)?;
    Ok((Limited::new(http, Arc::clone(&runtime), guard), runtime))
}

#[cfg(feature = "tokio")]
#[allow(clippy::unnecessary_wraps)]
fn default_runtime() -> Result<Arc<dyn Runtime>, Error> {
    Ok(Arc::new(crate::runtime::TokioRuntime))
}

#[cfg(not(feature = "tokio"))]
fn default_runtime() -> Result<Arc<dyn Runtime>, Error> {
    Err(Error::config(
        "no runtime was given, and this build has none of its own",
    ))
}

#[cfg(feature = "reqwest")]
#[allow(clippy::unnecessary_wraps)]
fn default_http() -> Result<Arc<dyn HttpClient>, Error> {
    Ok(Arc::new(crate::http::SharedClient::default()))
}

#[cfg(not(feature = "reqwest"))]
fn default_http() -> Result<Arc<dyn HttpClient>, Error> {
    Err(Error::config(
        "no HTTP client was given, and this build has none of its own",
    ))
}
