//! HTTP clients with a client certificate, and the additional allowed origins.

use std::fs;
use std::path::Path;

use mcp_reauth::enterprise::IdpSessionBuilder;
use mcp_reauth::http::ReqwestClient;
use mcp_reauth::{AuthSession, AuthSessionBuilder, Error};
use mcp_reauth_rmcp::{Client, ReauthClient};
use reqwest::Identity;

use crate::args::ReachArgs;
use crate::failure::Failure;

impl ReachArgs {
    pub(crate) fn apply(&self, builder: AuthSessionBuilder) -> Result<AuthSessionBuilder, Failure> {
        let allow = AuthSessionBuilder::allow_endpoint;
        let builder = self.allowed.iter().fold(builder, allow);
        Ok(match self.identity()? {
            Some(identity) => builder.http_client(presenting(identity)),
            None => builder,
        })
    }

    pub(crate) fn apply_to_idp(
        &self,
        builder: IdpSessionBuilder,
    ) -> Result<IdpSessionBuilder, Failure> {
        let allow = IdpSessionBuilder::allow_endpoint;
        let builder = self.allowed.iter().fold(builder, allow);
        Ok(match self.identity()? {
            Some(identity) => builder.http_client(presenting(identity)),
            None => builder,
        })
    }

    /// The client for requests to the MCP server.
    pub(crate) fn client(&self, session: &AuthSession) -> Result<ReauthClient, Failure> {
        let http = match self.identity()? {
            Some(identity) => presenting(identity),
            None => ReqwestClient::new(),
        };
        let http = http.client_to(session.server());
        let http = http.map_err(|error| Failure::of_setup(Error::config(error.to_string())))?;
        Ok(ReauthClient::with_client(Client::with_http_client(
            session.clone(),
            http,
        )))
    }

    fn identity(&self) -> Result<Option<Identity>, Failure> {
        let Some(certificate) = &self.client_cert else {
            return Ok(None);
        };
        let mut pem = read("--client-cert", certificate)?;
        if let Some(key) = &self.client_cert_key {
            pem.push(b'\n');
            pem.extend(read("--client-cert-key", key)?);
        }
        Identity::from_pem(&pem).map(Some).map_err(|_| {
            Failure::Usage(format!(
                "--client-cert {}: a certificate and an unencrypted private key are required, both as PEM; the key may be in a separate file, --client-cert-key",
                certificate.display()
            ))
        })
    }
}

fn presenting(identity: Identity) -> ReqwestClient {
    ReqwestClient::with_settings(move |builder| builder.identity(identity.clone()))
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| {
        Failure::Usage(format!("{flag} {} cannot be read: {error}", path.display()))
    })
}
