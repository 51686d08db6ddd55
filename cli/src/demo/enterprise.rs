//! The second act: an organization manages access to two servers.

use std::sync::Arc;
use std::time::Duration;

use mcp_reauth::{AuthSession, Credentials, FileStore, IdentityProvider, Revocation};
use mcp_reauth_fixture::config::{
    GrantType, IdentityProvider as Trusted, IdpClient, OwnIdentityProvider, Policy,
    PreRegisteredClient,
};
use mcp_reauth_fixture::{Config, Fixture};
use tempfile::TempDir;

use super::clock::Clock;
use super::consent;
use super::stage::{Ended, Stage, Step, check, fails, prompting, silent, succeeds};
use super::user::User;
use crate::connection::{Client, connect};
use crate::failure::Failure;

/// The client ID at the identity provider and at the authorization servers.
const CLIENT_ID: &str = "mcp-reauth-demo";
/// The lifetime of ID tokens.
const ID_TOKEN_LIFE: Duration = Duration::from_secs(600);

/// Two servers behind one identity provider, one user, and one store.
pub(super) struct Enterprise {
    user: Arc<User>,
    clock: Clock,
    first: Place,
    second: Place,
    _folder: TempDir,
}

/// A server, and the session for it.
struct Place {
    fixture: Fixture,
    session: AuthSession,
    client: Option<Client>,
}

impl Enterprise {
    pub(super) async fn set_up(browser: bool) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()
            .map_err(|error| Failure::Other(format!("a folder for the demo's store: {error}")))?;
        let store = folder.path().join("credentials.json");
        let (user, clock) = (Arc::new(User::new(browser)), Clock::default());
        let open = async |trusted| {
            let fixture = Fixture::start(managed(trusted, browser)).await;
            let fixture = fixture.map_err(|error| Failure::Other(error.to_string()))?;
            let idp = fixture.idp_issuer().unwrap_or_default().to_owned();
            let session = AuthSession::builder(fixture.mcp_url())
                .client_name("mcp-reauth demo")
                .credentials(Credentials::Enterprise {
                    provider: Some(IdentityProvider::new(&idp, CLIENT_ID)),
                    client: Some(mcp_reauth::Client::public(CLIENT_ID)),
                })
                .store(FileStore::new(&store))
                .runtime(clock.clone())
                .host(Arc::clone(&user));
            let session = session.open().await?;
            let client = None;
            Ok::<_, Failure>((
                Place {
                    fixture,
                    session,
                    client,
                },
                idp,
            ))
        };
        let (first, issuer) = open(Trusted::Own(Box::new(own()))).await?;
        let (second, _) = open(Trusted::At { issuer }).await?;
        Ok(Self {
            user,
            clock,
            first,
            second,
            _folder: folder,
        })
    }

    pub(super) async fn shutdown(self) {
        self.second.fixture.shutdown().await;
        self.first.fixture.shutdown().await;
    }

    fn places(&self) -> [&Place; 2] {
        [&self.first, &self.second]
    }
}

/// An identity provider at which the demo is registered.
fn own() -> OwnIdentityProvider {
    let client = IdpClient {
        client_id: CLIENT_ID.to_owned(),
        redirect_uris: vec!["http://127.0.0.1/oauth/callback".to_owned()],
        ..IdpClient::default()
    };
    OwnIdentityProvider {
        clients: vec![client],
        id_token_ttl_seconds: ID_TOKEN_LIFE.as_secs() as u32,
        ..OwnIdentityProvider::default()
    }
}

/// The configuration of a server that trusts an identity provider.
fn managed(identity_provider: Trusted, browser: bool) -> Config {
    let mut config = Config {
        identity_provider,
        consent: consent(browser),
        ..Config::default()
    };
    config.registration.dynamic = false;
    config.registration.clients = vec![PreRegisteredClient {
        client_id: CLIENT_ID.to_owned(),
        grant_types: vec![GrantType::JwtBearer],
        ..PreRegisteredClient::default()
    }];
    config
}

impl Stage for Enterprise {
    fn reset_counters(&self) {
        for place in self.places() {
            place.fixture.control().reset_counters();
        }
    }

    fn requests(&self) -> u64 {
        let counters = self
            .places()
            .map(|place| place.fixture.control().counters());
        counters.iter().map(|c| c.http_requests()).sum()
    }

    fn user(&self) -> &User {
        &self.user
    }
}

impl Place {
    async fn client(&mut self) -> Result<&Client, String> {
        if self.client.is_none() {
            let client = connect(&self.session).await;
            self.client = Some(client.map_err(|failure| failure.to_string())?);
        }
        let client = self.client.as_ref();
        client.ok_or_else(|| "there is no client".to_owned())
    }

    fn scopes(&self) -> String {
        let authorization = self.session.authorization();
        authorization.map_or_else(String::new, |a| a.scopes().to_string())
    }

    /// Checks that the user never visited the authorization server's own sign-in page.
    fn check_visits(&self) -> Result<(), String> {
        let visits = self.fixture.control().counters().authorize_visits;
        check(visits == 0, "the authorization server was visited")
    }
}

pub(super) const STEPS: &[Step<Enterprise>] = &[
    Step {
        title: "an organization signs in",
        expect: prompting(9, 9, 0, 1),
        play: |act| Box::pin(sign_in(act)),
    },
    Step {
        title: "a second server is used",
        expect: silent(6, 6),
        play: |act| Box::pin(second_server(act)),
    },
    Step {
        title: "its token expires",
        expect: silent(4, 4),
        play: |act| Box::pin(token_expires(act)),
    },
    Step {
        title: "one of its tools needs more scope",
        expect: silent(4, 4),
        play: |act| Box::pin(more_scope(act)),
    },
    Step {
        title: "the ID token expires as well",
        expect: silent(5, 5),
        play: |act| Box::pin(id_token_expires(act)),
    },
    Step {
        title: "the organization refuses a scope",
        expect: silent(3, 3),
        play: |act| Box::pin(refused(act)),
    },
    Step {
        title: "signing out of the organization",
        expect: silent(3, 3),
        play: |act| Box::pin(sign_out(act)),
    },
];

async fn sign_in(act: &mut Enterprise) -> Ended {
    act.first.client().await?;
    act.first.check_visits()?;
    let pages = act.first.fixture.control().counters().idp_authorize;
    check(pages == 1, "the page was not the identity provider's")?;
    Ok(format!(
        "rejected, signed in at the identity provider, exchanged for {}, connected",
        act.first.scopes()
    ))
}

async fn second_server(act: &mut Enterprise) -> Ended {
    act.second.client().await?;
    act.second.check_visits()?;
    Ok("rejected, exchanged the same sign-in, connected".to_owned())
}

async fn token_expires(act: &mut Enterprise) -> Ended {
    act.second.fixture.control().expire_access_tokens();
    succeeds(act.second.client().await?, "echo").await?;
    Ok("rejected, exchanged, granted, answered".to_owned())
}

async fn more_scope(act: &mut Enterprise) -> Ended {
    succeeds(act.second.client().await?, "write_note").await?;
    let scopes = act.second.scopes();
    check(scopes == "mcp:read mcp:write", &format!("granted {scopes}"))?;
    Ok(format!("refused, exchanged for {scopes}, answered"))
}

async fn id_token_expires(act: &mut Enterprise) -> Ended {
    act.clock.advance(ID_TOKEN_LIFE);
    for place in act.places() {
        place.fixture.control().advance(ID_TOKEN_LIFE);
    }
    act.second.fixture.control().expire_access_tokens();
    succeeds(act.second.client().await?, "echo").await?;
    let renewed = act.first.fixture.control().counters().idp_token_refresh;
    check(renewed == 1, "the session was not renewed")?;
    Ok("rejected, session renewed silently, exchanged, granted, answered".to_owned())
}

async fn refused(act: &mut Enterprise) -> Ended {
    let control = act.first.fixture.control().clone();
    control.set_idp_policy(Policy::RefuseScopes(vec!["mcp:admin".to_owned()]));
    let client = act.second.client().await?;
    let refused = fails(client, "delete_note", "policy_denied").await;
    control.set_idp_policy(Policy::Allow);
    refused?;
    succeeds(client, "echo").await?;
    check(
        control.live_idp_sessions().len() == 1,
        "the session was ended",
    )?;
    Ok("a typed error for that call; the session continues, the next call was answered".to_owned())
}

async fn sign_out(act: &mut Enterprise) -> Ended {
    let idp = act.first.session.identity_provider();
    let idp = idp.ok_or_else(|| "there is no identity provider".to_owned())?;
    let revocation = idp.sign_out().await.map_err(|error| error.to_string())?;
    check(
        revocation == Revocation::Done,
        &format!("revoking ended in {revocation:?}"),
    )?;
    for place in act.places() {
        let state = place.session.connection_state().await;
        let state = state.map_err(|error| error.to_string())?;
        let gone = !state.signed_in && place.session.authorization().is_none();
        check(gone, "a token is still in the store")?;
        let live = place.fixture.control().live_tokens();
        check(live.is_empty(), &format!("still good: {live:?}"))?;
    }
    let sessions = act.first.fixture.control().live_idp_sessions();
    check(sessions.is_empty(), "the session is still good")?;
    Ok("the session and both servers' tokens are revoked and forgotten".to_owned())
}
