//! The options of a session. A binding of a dynamic language has checked their types. The document says which parts the
//! application implements.

use std::sync::Arc;

use mcp_reauth::{
    AuthSession, AuthSessionBuilder, Client, Credentials, Error, IdentityProvider, PrivateKey,
    Secret, SecretMethod, Settings, TokenStore,
};
use serde::Deserialize;

use crate::bridge::Caller;
use crate::call::Call;
use crate::host::{AppHost, AppWorkload};
use crate::http::AppHttp;
use crate::public::PublicClient;
use crate::store::{AppStore, Leases};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    server_url: String,
    #[serde(default)]
    settings: Settings,
    credentials: CredentialOptions,
    dpop_key: Option<Secret>,
    /// The application implements a host.
    #[serde(default)]
    host: bool,
    /// The application implements a store, and names its location.
    store: Option<StoreOptions>,
    /// The application implements an HTTP client.
    #[serde(default)]
    http_client: bool,
    #[serde(default)]
    egress: Egress,
}

/// Where authorization requests may go.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Egress {
    /// Every address that the MCP server may lead to.
    #[default]
    Local,
    Public,
}

#[derive(Deserialize)]
struct StoreOptions {
    place: Option<String>,
}

/// How the session obtains its tokens.
#[derive(Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
enum CredentialOptions {
    Person {
        client: Option<ClientOptions>,
    },
    ClientCredentials {
        client: ClientOptions,
    },
    /// The application has a function for its assertions.
    Workload {
        client: ClientOptions,
    },
    Enterprise {
        client: Option<ClientOptions>,
        /// `null`: enterprise-managed, but not configured.
        identity_provider: Option<Provider>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClientOptions {
    id: String,
    secret: Option<Secret>,
    secret_method: Option<SecretMethod>,
    key: Option<Secret>,
    issuer: Option<String>,
    #[serde(default)]
    at_any_issuer: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Provider {
    issuer: String,
    client_id: String,
    client_secret: Option<Secret>,
    client_key: Option<Secret>,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

fn key(option: &str, text: &Secret) -> Result<PrivateKey, Error> {
    PrivateKey::read(text.expose()).map_err(|error| match error {
        Error::Config { detail } => Error::config(format!("{option}: {detail}")),
        other => other,
    })
}

fn one_of(one: &str, other: &str) -> Error {
    Error::config(format!("{one} and {other} are both given; give only one"))
}

impl ClientOptions {
    fn client(self) -> Result<Client, Error> {
        let client = match (self.secret, self.key) {
            (None, None) => Client::public(self.id),
            (Some(secret), None) => Client::secret(self.id, secret),
            (None, Some(text)) => Client::key(self.id, key("credentials.client.key", &text)?),
            (Some(_), Some(_)) => {
                return Err(one_of(
                    "credentials.client.secret",
                    "credentials.client.key",
                ));
            }
        };
        let client = match self.secret_method {
            Some(method) => client.secret_method(method),
            None => client,
        };
        Ok(match (self.issuer, self.at_any_issuer) {
            (None, false) => client,
            (Some(issuer), false) => client.at_issuer(issuer),
            (None, true) => client.at_any_issuer(),
            (Some(_), true) => {
                let (issuer, any) = (
                    "credentials.client.issuer",
                    "credentials.client.atAnyIssuer",
                );
                return Err(one_of(issuer, any));
            }
        })
    }
}

impl CredentialOptions {
    fn credentials(self, caller: &Caller) -> Result<Credentials, Error> {
        let known = |client: Option<ClientOptions>| client.map(ClientOptions::client).transpose();
        Ok(match self {
            Self::Person { client } => Credentials::Person {
                client: known(client)?,
            },
            Self::ClientCredentials { client } => Credentials::ClientCredentials {
                client: client.client()?,
            },
            Self::Workload { client } => {
                Credentials::workload(client.client()?, AppWorkload(caller.clone()))
            }
            Self::Enterprise {
                client,
                identity_provider,
            } => Credentials::Enterprise {
                provider: identity_provider.map(Provider::provider).transpose()?,
                client: known(client)?,
            },
        })
    }
}

impl Options {
    pub(crate) fn builder(
        self,
        caller: Caller,
        store: Option<Arc<dyn TokenStore>>,
        leases: Option<&Leases>,
    ) -> Result<AuthSessionBuilder, Error> {
        let credentials = self.credentials.credentials(&caller)?;
        let mut builder = AuthSession::builder(self.server_url)
            .credentials(credentials)
            .settings(self.settings);
        #[cfg(feature = "testing")]
        {
            builder = builder.runtime(crate::testing::Clock);
        }
        if let Some(text) = &self.dpop_key {
            builder = builder.dpop_key(key("dpopKey", text)?);
        }
        builder = match self.egress {
            Egress::Local if self.http_client => builder.http_client(AppHttp(caller.clone())),
            Egress::Local => builder,
            Egress::Public => builder.http_client(PublicClient::new(caller.clone())),
        };
        builder = match (store, self.store) {
            (Some(store), _) => builder.store(store),
            (None, Some(StoreOptions { place })) => {
                builder.store(AppStore::shared(caller.clone(), place, leases))
            }
            (None, None) => builder,
        };
        // Without a host, the application receives the events all the same.
        Ok(match self.host {
            true => builder.host(AppHost(caller)),
            false => builder.on_event(move |event| caller.tell(&Call::Event(event.clone()))),
        })
    }
}

impl Provider {
    fn provider(self) -> Result<IdentityProvider, Error> {
        let mut provider = IdentityProvider::new(self.issuer, self.client_id).enabled(self.enabled);
        provider = match (self.client_secret, &self.client_key) {
            (None, None) => provider,
            (Some(secret), None) => provider.client_secret(secret),
            (None, Some(text)) => {
                provider.client_key(key("credentials.identityProvider.clientKey", text)?)
            }
            (Some(_), Some(_)) => {
                let (secret, key) = (
                    "credentials.identityProvider.clientSecret",
                    "credentials.identityProvider.clientKey",
                );
                return Err(one_of(secret, key));
            }
        };
        Ok(provider)
    }
}
