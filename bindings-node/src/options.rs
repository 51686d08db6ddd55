//! What a session is opened with. JavaScript has checked the types, and says which parts it has functions for.

use std::sync::Arc;
use std::time::Duration;

use mcp_reauth::{
    AuthSession, AuthSessionBuilder, Dpop, Error, IdentityProvider, OnInsufficientScope, Policy,
    PrivateKey, ScopeSet, Secret, TokenStore,
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
    client_name: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    client_key: Option<Secret>,
    client_issuer: Option<String>,
    #[serde(default)]
    client_at_any_issuer: bool,
    client_metadata_url: Option<String>,
    #[serde(default)]
    client_credentials: bool,
    /// There is a function for its assertions.
    #[serde(default)]
    workload_identity: bool,
    /// `null`: it was asked for, and is not configured.
    #[serde(default, deserialize_with = "present")]
    identity_provider: Option<Option<Provider>>,
    #[serde(default)]
    scopes: ScopeSet,
    profile: Option<String>,
    #[serde(default)]
    policy: PolicyOptions,
    #[serde(default)]
    dpop: Dpop,
    dpop_key: Option<Secret>,
    #[serde(default = "yes")]
    send_resource: bool,
    #[serde(default)]
    push_requests: bool,
    #[serde(default = "yes")]
    consent_prompt: bool,
    #[serde(default)]
    allow_endpoints: Vec<String>,
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

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct PolicyOptions {
    on_insufficient_scope: Option<OnInsufficientScope>,
    max_step_up_retries: Option<u8>,
    confirm_enterprise_step_up: Option<bool>,
    interaction: Option<bool>,
    refresh_ahead_ms: Option<u64>,
    interaction_timeout_ms: Option<u64>,
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

impl Options {
    pub(crate) fn builder(
        self,
        caller: Caller,
        store: Option<Arc<dyn TokenStore>>,
    ) -> Result<AuthSessionBuilder, Error> {
        let mut builder = AuthSession::builder(self.server_url)
            .policy(self.policy.policy())
            .scopes(self.scopes)
            .dpop(self.dpop)
            .send_resource(self.send_resource)
            .push_requests(self.push_requests)
            .consent_prompt(self.consent_prompt);
        #[cfg(feature = "testing")]
        {
            builder = builder.runtime(crate::testing::Clock);
        }
        for origin in self.allow_endpoints {
            builder = builder.allow_endpoint(origin);
        }
        if let Some(name) = self.client_name {
            builder = builder.client_name(name);
        }
        if let Some(profile) = self.profile {
            builder = builder.profile(profile);
        }
        if self.client_id.is_some() || self.client_secret.is_some() {
            // What has no id is told of by core.
            builder = builder.client_id(self.client_id.unwrap_or_default(), self.client_secret);
        }
        if let Some(text) = &self.client_key {
            builder = builder.client_key(key("clientKey", text)?);
        }
        if let Some(issuer) = self.client_issuer {
            builder = builder.client_issuer(issuer);
        }
        if self.client_at_any_issuer {
            builder = builder.client_at_any_issuer();
        }
        if let Some(url) = self.client_metadata_url {
            builder = builder.client_metadata_url(url);
        }
        if self.client_credentials {
            builder = builder.client_credentials();
        }
        if self.workload_identity {
            builder = builder.workload_identity(JsWorkload(caller.clone()));
        }
        if let Some(provider) = self.identity_provider {
            let provider = provider.map(Provider::provider).transpose()?;
            builder = builder.enterprise_managed(provider);
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
        if let Some(secret) = self.client_secret {
            provider = provider.client_secret(secret);
        }
        if let Some(text) = &self.client_key {
            provider = provider.client_key(key("identityProvider.clientKey", text)?);
        }
        Ok(provider)
    }
}

impl PolicyOptions {
    fn policy(self) -> Policy {
        let default = Policy::default();
        let ms = |ms: Option<u64>, default| ms.map_or(default, Duration::from_millis);
        Policy {
            on_insufficient_scope: self
                .on_insufficient_scope
                .unwrap_or(default.on_insufficient_scope),
            max_step_up_retries: self
                .max_step_up_retries
                .unwrap_or(default.max_step_up_retries),
            confirm_enterprise_step_up: self
                .confirm_enterprise_step_up
                .unwrap_or(default.confirm_enterprise_step_up),
            interaction: self.interaction.unwrap_or(default.interaction),
            refresh_ahead: ms(self.refresh_ahead_ms, default.refresh_ahead),
            interaction_timeout: ms(self.interaction_timeout_ms, default.interaction_timeout),
        }
    }
}
