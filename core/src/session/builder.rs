//! The builder of a session.

use std::sync::Arc;

use url::Url;

use crate::client::Client;
use crate::credentials::Credentials;
use crate::defaults::defaults;
use crate::enterprise::{IdentityProvider, Idp};
use crate::error::Error;
use crate::host::{AuthHost, Event, Listener, check_redirect_uri};
use crate::http::{Guard, HttpClient, check_allowed, is_secure};
use crate::jose::SigningKey;
use crate::oauth::registration::ClientIdentity;
use crate::policy::{Dpop, Policy};
use crate::runtime::Runtime;
use crate::scope::ScopeSet;
use crate::session::client::SessionClient;
use crate::session::client::possession::Possession;
use crate::session::events::Events;
use crate::session::held::Held;
use crate::session::idp_renewals::IdpRenewals;
use crate::session::inner::Inner;
use crate::session::renewals::Renewals;
use crate::session::user::User;
use crate::session::ways::{Way, Ways};
use crate::session::{AuthSession, Handle};
use crate::settings::Settings;
use crate::store::{MemoryStore, StoreKey, TokenStore};
use crate::text;
use crate::threads::{MaybeSend, MaybeSync};

/// Builds an [`AuthSession`].
#[must_use = "nothing happens before `open`"]
pub struct AuthSessionBuilder {
    server: String,
    settings: Settings,
    credentials: Credentials,
    dpop_key: Option<Arc<dyn SigningKey>>,
    host: Option<Arc<dyn AuthHost>>,
    listener: Option<Listener>,
    store: Option<Arc<dyn TokenStore>>,
    http: Option<Arc<dyn HttpClient>>,
    runtime: Option<Arc<dyn Runtime>>,
}

impl AuthSessionBuilder {
    pub(crate) fn new(server: String) -> Self {
        Self {
            server,
            settings: Settings::default(),
            credentials: Credentials::default(),
            dpop_key: None,
            host: None,
            listener: None,
            store: None,
            http: None,
            runtime: None,
        }
    }

    /// Sets how the session obtains its tokens (default: the user signs in, with a client that registers itself).
    /// Passing a [`Client`](crate::Client) means that the user signs in with that client.
    pub fn credentials(mut self, credentials: impl Into<Credentials>) -> Self {
        self.credentials = credentials.into();
        self
    }

    /// Sets all settings at once, replacing those set before.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets [`Settings::client_name`].
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.settings.client_name = name.into();
        self
    }

    /// Sets [`Settings::client_metadata_url`].
    pub fn client_metadata_url(mut self, url: impl Into<String>) -> Self {
        self.settings.client_metadata_url = Some(url.into());
        self
    }

    /// Sets [`Settings::redirect_uri`].
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.settings.redirect_uri = Some(uri.into());
        self
    }

    /// Sets [`Settings::dpop`].
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.settings.dpop = dpop;
        self
    }

    /// Sets the key that tokens are bound to, if the application keeps it itself (default: the session generates a key
    /// and stores it with its tokens).
    pub fn dpop_key(mut self, key: impl SigningKey) -> Self {
        self.dpop_key = Some(Arc::new(key));
        self
    }

    /// Sets [`Settings::push_requests`].
    pub fn push_requests(mut self, push: bool) -> Self {
        self.settings.push_requests = push;
        self
    }

    /// Sets [`Settings::consent_prompt`].
    pub fn consent_prompt(mut self, prompt: bool) -> Self {
        self.settings.consent_prompt = prompt;
        self
    }

    /// Adds one of [`Settings::allow_endpoints`].
    pub fn allow_endpoint(mut self, origin: impl Into<String>) -> Self {
        self.settings.allow_endpoints.push(origin.into());
        self
    }

    /// Sets [`Settings::scopes`].
    pub fn scopes(mut self, scopes: ScopeSet) -> Self {
        self.settings.scopes = scopes;
        self
    }

    /// Sets [`Settings::send_resource`].
    pub fn send_resource(mut self, send: bool) -> Self {
        self.settings.send_resource = send;
        self
    }

    /// Sets [`Settings::profile`].
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.settings.profile = profile.into();
        self
    }

    /// Sets [`Settings::policy`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Sets the host: it asks the user, shows pages and receives events. Without a host, nothing that needs the user is
    /// done. Sessions may share one (an `Arc` of a host is a host).
    pub fn host(mut self, host: impl AuthHost) -> Self {
        self.host = Some(Arc::new(host));
        self
    }

    /// Sets a listener that receives the same events as the host ([`AuthHost::event`]), even without a host. It must
    /// return quickly, because requests wait for it.
    pub fn on_event(mut self, listener: impl Fn(&Event) + MaybeSend + MaybeSync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Sets the store of records (default: in memory). Sessions may share one (an `Arc` of a store is a store).
    pub fn store(mut self, store: impl TokenStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Sets the HTTP client for the protocol's own requests (default: reqwest with rustls, one client for all sessions
    /// of a tokio runtime, created when the first of them sends a request).
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.http = Some(Arc::new(client));
        self
    }

    /// Sets the clock, sleeping and spawning (default: the current tokio runtime).
    pub fn runtime(mut self, runtime: impl Runtime) -> Self {
        self.runtime = Some(Arc::new(runtime));
        self
    }

    /// Opens the session: checks the settings and reads the record, without network access.
    ///
    /// # Errors
    /// [`Error::Config`] that names an invalid setting, [`Error::InsecureEndpoint`] if the server's URL is neither
    /// https nor on this machine, [`Error::Store`] if the record cannot be read.
    pub async fn open(self) -> Result<AuthSession, Error> {
        self.check()?;
        let mut allowed = self.settings.allow_endpoints.clone();
        let client = self.credentials.client();
        // A configured issuer is always allowed.
        allowed.extend(client.and_then(|client| client.issuer.clone()));
        let guard = Guard::new(&self.server, &allowed);
        let (http, runtime) = defaults(self.http, self.runtime, guard)?;
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        let (way, client) = way(self.credentials, |provider| Idp {
            key: StoreKey::of_idp(&self.settings.profile, &provider.issuer),
            http: http.starting_at(&provider.issuer),
            provider,
            store: Arc::clone(&store),
            runtime: Arc::clone(&runtime),
        });
        let key = StoreKey {
            profile: self.settings.profile.clone(),
            server: self.server,
        };
        let events = Events {
            listener: self.listener,
            host: self.host.clone(),
        };
        let idp = way.idp().ok().cloned();
        let issuer = idp.as_ref().map(|idp| idp.issuer().to_owned());
        let runtime_of_user = Arc::clone(&runtime);
        let held = Arc::new(Held::new(key, store, runtime, events, issuer).await?);
        let settings = Arc::new(self.settings);
        let client = Arc::new(SessionClient {
            held: Arc::clone(&held),
            settings: Arc::clone(&settings),
            identity: ClientIdentity {
                name: settings.client_name.clone(),
                preregistered: client,
                metadata_url: settings.client_metadata_url.clone(),
            },
            http,
            possession: Possession::new(settings.dpop, self.dpop_key),
            is_workload: matches!(way, Way::Workload(_)),
        });
        let ways = Arc::new(Ways {
            client: Arc::clone(&client),
            way,
        });
        let inner = Inner {
            user: User::new(self.host, Arc::clone(&settings), runtime_of_user),
            renewals: Arc::new(Renewals::new(Arc::clone(&ways))),
            idp: idp.map(|idp| Arc::new(IdpRenewals::new(idp, Arc::clone(&held)))),
            settings,
            held,
            client,
            ways,
            interactions: Default::default(),
            rejected: Default::default(),
            redirected: Default::default(),
        };
        Ok(AuthSession {
            handle: Arc::new(Handle {
                inner: Arc::new(inner),
            }),
        })
    }

    fn check(&self) -> Result<(), Error> {
        let url = Url::parse(&self.server).map_err(|error| {
            Error::config(format!(
                "the server address {:?} is not a URL ({error}); write it as https://host/path",
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
        if let Some(url) = &self.settings.client_metadata_url {
            let parsed = Url::parse(url).ok().filter(|url| url.scheme() == "https");
            if parsed.is_none_or(|url| url.path() == "/") {
                return Err(Error::config(format!(
                    "the client metadata URL {:?} must be https and have a path",
                    text::without_password(url)
                )));
            }
        }
        if let Some(uri) = &self.settings.redirect_uri {
            check_redirect_uri(uri).map_err(Error::config)?;
        }
        let mut allowed = self.settings.allow_endpoints.iter();
        allowed.try_for_each(|url| check_allowed(url))?;
        self.credentials.check()
    }
}

/// Returns how a session with these credentials obtains tokens, and the client that the application configured.
fn way(
    credentials: Credentials,
    idp: impl FnOnce(IdentityProvider) -> Idp,
) -> (Way, Option<Client>) {
    match credentials {
        Credentials::Person { client } => (Way::Person, client),
        Credentials::ClientCredentials { client } => (Way::ClientCredentials, Some(client)),
        Credentials::Workload { client, identity } => (Way::Workload(identity), Some(client)),
        Credentials::Enterprise { provider, client } => {
            let idp = provider.map(|provider| Arc::new(idp(provider)));
            (Way::Enterprise(idp), client)
        }
    }
}
