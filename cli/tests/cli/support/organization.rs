//! Servers to which one organization manages access.

use mcp_reauth_fixture::Config;
use mcp_reauth_fixture::config::{
    GrantType, IdentityProvider, IdpClient, OwnIdentityProvider, PreRegisteredClient,
};

use super::{Program, World};

/// The client ID at the identity provider.
const AT_IDP: &str = "cli-at-idp";
/// The client secret at the identity provider.
const IDP_SECRET: &str = "idp-s3cret/with+odd=characters-90aa";
/// The client ID at the servers' authorization servers.
const AT_SERVERS: &str = "cli";

/// An identity provider at which the program is registered.
pub(crate) fn own_idp() -> OwnIdentityProvider {
    let client = IdpClient {
        client_id: AT_IDP.to_owned(),
        client_secret: Some(IDP_SECRET.to_owned()),
        redirect_uris: vec!["http://127.0.0.1/oauth/callback".to_owned()],
        resource_client_id: Some(AT_SERVERS.to_owned()),
        ..IdpClient::default()
    };
    OwnIdentityProvider {
        clients: vec![client],
        ..OwnIdentityProvider::default()
    }
}

/// Two servers behind one identity provider, and one user's folder (in the first server's world).
pub(crate) struct Organization {
    pub(crate) first: World,
    pub(crate) second: World,
}

impl Organization {
    pub(crate) async fn start() -> Self {
        Self::with(own_idp()).await
    }

    pub(crate) async fn with(idp: OwnIdentityProvider) -> Self {
        let first = World::with(managed(IdentityProvider::Own(Box::new(idp)))).await;
        let issuer = first.fixture.idp_issuer().expect("its own").to_owned();
        let second = World::with(managed(IdentityProvider::At { issuer })).await;
        Self { first, second }
    }

    /// An organization whose user is signed in to the first server, with all counters reset.
    pub(crate) async fn signed_in() -> Self {
        let organization = Self::start().await;
        organization.sign_in().await;
        organization
    }

    pub(crate) async fn sign_in(&self) {
        let login = self.connecting(["login", self.first.url()]);
        login.run().await.succeeded().showed(1);
        self.first.control().reset_counters();
    }

    pub(crate) fn issuer(&self) -> &str {
        self.first.fixture.idp_issuer().expect("its own")
    }

    /// A program that signs in through the organization when needed.
    pub(crate) fn connecting<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Program {
        let program = self.first.connecting(args);
        let program = program.args(["--ema", "--idp", self.issuer(), "--idp-client-id", AT_IDP]);
        program
            .args(["--client-id", AT_SERVERS])
            .env("MCP_REAUTH_IDP_CLIENT_SECRET", IDP_SECRET)
    }

    pub(crate) fn call(&self, world: &World, tool: &str) -> Program {
        self.connecting(["call", world.url(), tool, "--arg", "text=hello"])
    }

    /// Every secret that was issued.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let [first, second] = [&self.first, &self.second].map(|w| w.control().issued_secrets());
        [first, second, vec![IDP_SECRET.to_owned()]].concat()
    }

    /// Writes the program's secret at the identity provider to a file.
    pub(crate) fn secret_file(&self) -> String {
        let path = self.first.folder.path().join("idp-secret");
        std::fs::write(&path, format!("{IDP_SECRET}\n")).expect("a file");
        path.display().to_string()
    }
}

fn managed(identity_provider: IdentityProvider) -> Config {
    let mut config = Config {
        identity_provider,
        ..Config::default()
    };
    config.registration.dynamic = false;
    config.registration.clients = vec![PreRegisteredClient {
        client_id: AT_SERVERS.to_owned(),
        grant_types: vec![GrantType::JwtBearer],
        ..PreRegisteredClient::default()
    }];
    config
}
