//! Who the program is, to authorization servers and to an organization's identity provider.

use std::path::Path;

use mcp_reauth::{AuthSessionBuilder, IdentityProvider, Policy, Secret};

use crate::args::{ClientArgs, OrganizationArgs};
use crate::failure::Failure;
use crate::files::{self, ProjectedToken};

impl ClientArgs {
    pub(crate) fn apply(
        &self,
        mut builder: AuthSessionBuilder,
    ) -> Result<AuthSessionBuilder, Failure> {
        if let Some(id) = &self.client_id {
            let secret = secret(&self.client_secret, self.client_secret_file.as_deref())?;
            builder = builder.client_id(id, secret);
        }
        if let Some(path) = &self.private_key {
            builder = builder.client_key(files::private_key(path)?);
        }
        if let Some(issuer) = &self.client_issuer {
            builder = builder.client_issuer(issuer);
        }
        if let Some(url) = &self.client_metadata_url {
            builder = builder.client_metadata_url(url);
        }
        if self.client_credentials {
            builder = builder.client_credentials();
        }
        if let Some(path) = &self.workload_token_file {
            builder = builder.workload_identity(ProjectedToken(path.clone()));
        }
        Ok(builder)
    }
}

impl OrganizationArgs {
    pub(crate) fn apply(&self, builder: AuthSessionBuilder) -> Result<AuthSessionBuilder, Failure> {
        if !self.ema {
            return Ok(builder);
        }
        let policy = Policy {
            confirm_enterprise_step_up: self.ask_step_up,
            ..Policy::default()
        };
        Ok(builder.policy(policy).enterprise_managed(self.provider()?))
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

/// A secret that is given itself, or in a file.
fn secret(given: &Option<String>, file: Option<&Path>) -> Result<Option<Secret>, Failure> {
    match (given, file) {
        (Some(secret), _) => Ok(Some(Secret::new(secret))),
        (None, Some(path)) => files::secret(path).map(Some),
        (None, None) => Ok(None),
    }
}
