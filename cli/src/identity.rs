//! The program's credentials for authorization servers and for an organization's identity provider.

use std::path::Path;

use mcp_reauth::{Client, Credentials, IdentityProvider, Policy, Secret};

use crate::args::{ClientArgs, OrganizationArgs};
use crate::failure::Failure;
use crate::files::{self, ProjectedToken};

/// The credentials from the command line.
pub(crate) fn credentials(
    client: &ClientArgs,
    organization: &OrganizationArgs,
) -> Result<Credentials, Failure> {
    let registered = client.registered()?;
    if organization.ema {
        return Ok(Credentials::Enterprise {
            provider: organization.provider()?,
            client: registered,
        });
    }
    Ok(match (registered, &client.workload_token_file) {
        (Some(registered), Some(path)) => {
            Credentials::workload(registered, ProjectedToken(path.clone()))
        }
        (Some(registered), None) if client.client_credentials => {
            Credentials::client_credentials(registered)
        }
        (client, _) => Credentials::Person { client },
    })
}

impl ClientArgs {
    /// The pre-registered client, if one is named.
    fn registered(&self) -> Result<Option<Client>, Failure> {
        let Some(id) = &self.client_id else {
            return Ok(None);
        };
        let secret = secret(&self.client_secret, self.client_secret_file.as_deref())?;
        let has_secret = self.private_key.is_none() && secret.is_some();
        let client = match (&self.private_key, secret) {
            (Some(path), _) => Client::key(id, files::private_key(path)?),
            (None, Some(secret)) => Client::secret(id, secret),
            (None, None) => Client::public(id),
        };
        let client = match self.client_auth {
            Some(_) if !has_secret => {
                return Err(Failure::Usage(
                    "--client-auth needs a secret: add --client-secret-file, or omit --client-auth"
                        .to_owned(),
                ));
            }
            Some(method) => client.secret_method(method.into()),
            None => client,
        };
        Ok(Some(match &self.client_issuer {
            Some(issuer) => client.at_issuer(issuer),
            None => client,
        }))
    }
}

impl OrganizationArgs {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            confirm_enterprise_step_up: self.ema && self.ask_step_up,
            ..Policy::default()
        }
    }

    fn provider(&self) -> Result<Option<IdentityProvider>, Failure> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let (Some(issuer), Some(client_id)) = (given(&self.idp), given(&self.idp_client_id)) else {
            return Ok(None);
        };
        let mut provider = IdentityProvider::new(issuer, client_id);
        let file = self.idp_client_secret_file.as_deref();
        if let Some(secret) = secret(&self.idp_client_secret, file)? {
            provider = provider.client_secret(secret);
        }
        if let Some(path) = &self.idp_private_key {
            provider = provider.client_key(files::private_key(path)?);
        }
        Ok(Some(provider))
    }
}

/// The secret given directly or in a file.
fn secret(given: &Option<String>, file: Option<&Path>) -> Result<Option<Secret>, Failure> {
    match (given, file) {
        (Some(secret), _) => Ok(Some(Secret::new(secret))),
        (None, Some(path)) => files::secret(path).map(Some),
        (None, None) => Ok(None),
    }
}
