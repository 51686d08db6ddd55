//! What a session is opened with. JavaScript has checked the types, and says which parts it has functions for.

use std::sync::Arc;

use mcp_reauth::{
    AuthSession, AuthSessionBuilder, Client, Credentials, Error, IdentityProvider, PrivateKey,
    Secret, Settings, TokenStore,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bridge::Caller;
use crate::fetch::JsFetch;
use crate::host::{JsHost, JsWorkload};
use crate::public::PublicClient;
use crate::store::JsStore;

/// Reads JSON that came from JavaScript. Errors name the place and quote nothing, since it may hold secrets.
pub(crate) fn read<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Error::config(format!(
            "{what} cannot be read (line {line}, column {column})"
        ))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    server_url: String,
    #[serde(default)]
    settings: Settings,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    client_key: Option<Secret>,
    client_issuer: Option<String>,
    #[serde(default)]
    client_at_any_issuer: bool,
    #[serde(default)]
    client_credentials: bool,
    /// There is a function for its assertions.
    #[serde(default)]
    workload_identity: bool,
    /// `null`: it was asked for, and is not configured.
    #[serde(default, deserialize_with = "present")]
    identity_provider: Option<Option<Provider>>,
    dpop_key: Option<Secret>,
    /// There is a host in JavaScript.
    #[serde(default)]
    host: bool,
    redirect_uri: Option<String>,
    /// There is a store in JavaScript, and what it calls its place.
    store: Option<StoreOptions>,
    #[serde(default)]
    egress: Egress,
}

/// Where requests of the authorization protocol may go.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Egress {
    /// Wherever the MCP server may lead.
    #[default]
    Local,
    Public,
}

#[derive(Deserialize)]
struct StoreOptions {
    place: Option<String>,
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

/// Tells a `null` from what is not there.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

fn key(option: &str, text: &Secret) -> Result<PrivateKey, Error> {
    PrivateKey::read(text.expose()).map_err(|error| match error {
        Error::Config { detail } => Error::config(format!("{option}: {detail}")),
        other => other,
    })
}

fn one_of(one: &str, other: &str) -> Error {
    Error::config(format!(
        "{one} and {other} are given, and only one of them can be meant"
    ))
}

impl Options {
    /// The client that is registered already, if one is given.
    fn client(&mut self) -> Result<Option<Client>, Error> {
        let id = self.client_id.take();
        let proof = (self.client_secret.take(), self.client_key.take());
        let issuer = self.client_issuer.take();
        let given = id.is_some() || proof != (None, None) || issuer.is_some();
        if !given && !self.client_at_any_issuer {
            return Ok(None);
        }
        // What has no id is told of by core.
        let id = id.unwrap_or_default();
        let client = match proof {
            (None, None) => Client::public(id),
            (Some(secret), None) => Client::secret(id, secret),
            (None, Some(text)) => Client::key(id, key("clientKey", &text)?),
            (Some(_), Some(_)) => return Err(one_of("clientSecret", "clientKey")),
        };
        let client = match (issuer, self.client_at_any_issuer) {
            (None, false) => client,
            (Some(issuer), false) => client.at_issuer(issuer),
            (None, true) => client.at_any_issuer(),
            (Some(_), true) => return Err(one_of("clientIssuer", "clientAtAnyIssuer")),
        };
        Ok(Some(client))
    }

    fn credentials(&mut self, caller: &Caller) -> Result<Credentials, Error> {
        let client = self.client()?;
        let needed = || Client::public("");
        let provider = self.identity_provider.take();
        Ok(
            match (self.client_credentials, self.workload_identity, provider) {
                (false, false, None) => Credentials::Person { client },
                (true, false, None) => {
                    Credentials::client_credentials(client.unwrap_or_else(needed))
                }
                (false, true, None) => {
                    let workload = JsWorkload(caller.clone());
                    Credentials::workload(client.unwrap_or_else(needed), workload)
                }
                (false, false, Some(provider)) => Credentials::Enterprise {
                    provider: provider.map(Provider::provider).transpose()?,
                    client,
                },
                (true, true, _) => return Err(one_of("clientCredentials", "workloadIdentity")),
                (true, false, Some(_)) => {
                    return Err(one_of("clientCredentials", "identityProvider"));
                }
                (false, true, Some(_)) => {
                    return Err(one_of("workloadIdentity", "identityProvider"));
                }
            },
        )
    }

    pub(crate) fn builder(
        mut self,
        caller: Caller,
        store: Option<Arc<dyn TokenStore>>,
    ) -> Result<AuthSessionBuilder, Error> {
        let credentials = self.credentials(&caller)?;
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
            Egress::Local => builder.http_client(JsFetch(caller.clone())),
            Egress::Public => builder.http_client(PublicClient::new(caller.clone())),
        };
        builder = match (store, self.store) {
            (Some(store), _) => builder.shared_store(store),
            (None, Some(StoreOptions { place })) => builder.store(JsStore {
                caller: caller.clone(),
                place,
            }),
            (None, None) => builder,
        };
        if self.host {
            builder = builder.host(JsHost {
                caller,
                redirect_uri: self.redirect_uri,
            });
        }
        Ok(builder)
    }
}

impl Provider {
    fn provider(self) -> Result<IdentityProvider, Error> {
        let mut provider = IdentityProvider::new(self.issuer, self.client_id).enabled(self.enabled);
        provider = match (self.client_secret, &self.client_key) {
            (None, None) => provider,
            (Some(secret), None) => provider.client_secret(secret),
            (None, Some(text)) => provider.client_key(key("identityProvider.clientKey", text)?),
            (Some(_), Some(_)) => {
                let (secret, key) = (
                    "identityProvider.clientSecret",
                    "identityProvider.clientKey",
                );
                return Err(one_of(secret, key));
            }
        };
        Ok(provider)
    }
}
