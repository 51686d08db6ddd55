//! How a session obtains its tokens, and how its client authenticates.

use std::fmt;
use std::sync::Arc;

use crate::client::Client;
use crate::enterprise::IdentityProvider;
use crate::error::Error;
use crate::host::WorkloadIdentity;

/// How a session obtains its tokens. By default the user signs in, with a client that registers itself.
///
/// ```
/// # use mcp_reauth::{AuthSession, Client, Credentials, Secret};
/// # fn secret() -> Secret { Secret::new("s") }
/// let issuer = "https://auth.example.com";
/// // The user signs in, with a client that is registered already.
/// let session = AuthSession::builder("https://mcp.example.com/mcp")
///     .credentials(Client::public("my-client").at_issuer(issuer));
/// // The client acts for itself (RFC 6749 section 4.4).
/// let machine = Client::secret("my-service", secret()).at_issuer(issuer);
/// let session = AuthSession::builder("https://mcp.example.com/mcp")
///     .credentials(Credentials::client_credentials(machine));
/// ```
#[derive(Clone)]
pub enum Credentials {
    /// The user signs in (authorization code grant, RFC 6749 section 4.1).
    Person {
        /// A pre-registered client. With `None`, the client uses its metadata URL or registers itself (RFC 7591).
        client: Option<Client>,
    },
    /// The client acts for itself (client credentials grant, RFC 6749 section 4.4): no user, no host.
    ClientCredentials {
        /// A client with a secret or a key.
        client: Client,
    },
    /// The client is a workload that presents its platform's assertions (RFC 7523 section 2.1): no user, no host.
    Workload {
        /// The workload's pre-registered client.
        client: Client,
        /// Provides the assertions.
        identity: Arc<dyn WorkloadIdentity>,
    },
    /// An organization manages access through its identity provider ([`enterprise`](crate::enterprise)).
    Enterprise {
        /// Where users sign in. With `None`, or with a provider that is not [enabled](IdentityProvider::enabled),
        /// [`open`](crate::AuthSessionBuilder::open) fails with an error that says so.
        provider: Option<IdentityProvider>,
        /// A client that is pre-registered at the MCP server's authorization server; `None` as for `Person`.
        client: Option<Client>,
    },
}

impl Default for Credentials {
    fn default() -> Self {
        Self::Person { client: None }
    }
}

/// The user signs in with this client.
impl From<Client> for Credentials {
    fn from(client: Client) -> Self {
        Self::Person {
            client: Some(client),
        }
    }
}

impl Credentials {
    /// The client acts for itself.
    #[must_use]
    pub fn client_credentials(client: Client) -> Self {
        Self::ClientCredentials { client }
    }

    /// The client is a workload.
    #[must_use]
    pub fn workload(client: Client, identity: impl WorkloadIdentity) -> Self {
        Self::Workload {
            client,
            identity: Arc::new(identity),
        }
    }

    /// An organization manages access, and the client registers itself.
    #[must_use]
    pub fn enterprise(provider: impl Into<Option<IdentityProvider>>) -> Self {
        Self::Enterprise {
            provider: provider.into(),
            client: None,
        }
    }

    pub(crate) fn client(&self) -> Option<&Client> {
        match self {
            Self::ClientCredentials { client } | Self::Workload { client, .. } => Some(client),
            Self::Person { client } | Self::Enterprise { client, .. } => client.as_ref(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let nameless = self.client().is_some_and(|client| client.id.is_empty());
        match self {
            Self::ClientCredentials { client } if nameless || !client.authenticates() => Err(
                Error::config("client credentials need a client id, and its secret or key"),
            ),
            Self::Workload { .. } if nameless => {
                Err(Error::config("a workload identity needs a client id"))
            }
            _ if nameless => Err(Error::config(
                "there is a client secret, key or issuer, but no client id",
            )),
            Self::Enterprise { provider: None, .. } => Err(Error::EnterpriseNotConfigured),
            Self::Enterprise {
                provider: Some(provider),
                ..
            } => provider.check(),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Person { .. } => "Person",
            Self::ClientCredentials { .. } => "ClientCredentials",
            Self::Workload { .. } => "Workload",
            Self::Enterprise { .. } => "Enterprise",
        };
        let mut shown = f.debug_struct(name);
        shown.field("client", &self.client());
        if let Self::Enterprise { provider, .. } = self {
            shown.field("provider", provider);
        }
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn what_a_client_proves_itself_by_is_not_shown() {
        let client = Client::secret("known", Secret::new("canary")).at_issuer("https://as.example");
        let provider = IdentityProvider::new("https://idp.example", "desk");
        let shown = format!(
            "{:?}",
            Credentials::Enterprise {
                provider: Some(provider.client_secret(Secret::new("canary"))),
                client: Some(client),
            }
        );
        assert!(!shown.contains("canary"), "{shown}");
        for told in [
            "known",
            "secret",
            "https://as.example",
            "https://idp.example",
            "desk",
        ] {
            assert!(shown.contains(told), "{told} in {shown}");
        }
    }

    #[test]
    fn last_word_on_the_issuer_counts() {
        let client = Client::public("known").at_issuer("https://as.example");
        let anywhere = client.clone().at_any_issuer();
        assert!(anywhere.any_issuer && anywhere.issuer.is_none());
        let bound = anywhere.at_issuer("https://as.example");
        assert!(!bound.any_issuer && bound.issuer == client.issuer);
    }
}
