//! What a sign-in requests, and from which server. Decided before the user is asked, so that the question matches the
//! request that follows.

use crate::challenge::Reason;
use crate::error::Error;
use crate::grant::Grant;
use crate::issuer::same_issuer;
use crate::oauth::discovery::{Discovered, Preference, discover};
use crate::oauth::known::Known;
use crate::recovery::Scoping;
use crate::scope::ScopeSet;
use crate::session::client::SessionClient;
use crate::session::need::Need;
use crate::store::record::Record;

/// The scope that asks for a refresh token (OpenID Connect Core section 11).
const OFFLINE_ACCESS: &str = "offline_access";

/// A planned sign-in.
pub(crate) struct SignInPlan {
    pub(super) found: Discovered,
    /// The metadata to record.
    pub(super) known: Known,
    pub(crate) scopes: ScopeSet,
}

impl SignInPlan {
    /// Decides which scopes a sign-in at the discovered server requests.
    pub(crate) fn new(client: &SessionClient, need: &Need, record: &Record, known: Known) -> Self {
        let found = known.found();
        Self {
            scopes: wanted(&client.settings.scopes, need, record, &found),
            known,
            found,
        }
    }
}

/// Finds the authorization server for a sign-in. Reads its metadata unless the recorded metadata is still valid.
pub(crate) async fn find_server(
    client: &SessionClient,
    need: &Need,
    record: &Record,
) -> Result<Known, Error> {
    let now = client.held.now();
    let named = need.challenge.resource_metadata.as_deref();
    let bound = client.bound_issuer(record);
    let at_home = |known: &&Known| {
        let bound = bound.as_deref();
        bound.is_none_or(|bound| same_issuer(bound, known.issuer()))
    };
    let known = record.known.as_ref().filter(at_home);
    if let Some(known) = known {
        let grant = record.grant.as_ref();
        let fresh = !need.reads_metadata && known.is_fresh(named, now);
        if fresh || is_proven(known, grant, need) {
            return Ok(known.clone());
        }
    }
    let preference = Preference {
        required: bound.as_deref(),
        current: record
            .grant
            .as_ref()
            .map(|grant| grant.grantor.issuer.as_str()),
        known: known.and_then(|known| known.server_at(now)),
        usable: &|server| {
            server.require_code_flow()?;
            let recorded = record.client_at(&server.issuer);
            client.identity.fits(server, recorded)
        },
    };
    let found = discover(&client.http, client.server(), named, &preference).await?;
    client.check_may_authenticate(&found, bound.as_deref())?;
    Ok(Known::new(&found, named, known, now))
}

/// Returns the scopes to request. They include those requested before at the same issuer and, for a step-up, those
/// granted (SEP-2350), so that a new sign-in does not lose what the user has agreed to.
fn wanted(configured: &ScopeSet, need: &Need, record: &Record, found: &Discovered) -> ScopeSet {
    let held = record.grant.as_ref();
    let held = held.filter(|grant| same_issuer(&grant.grantor.issuer, &found.server.issuer));
    let before = match (held, need.ask) {
        (None, _) => ScopeSet::new(),
        (Some(_), Scoping::Unchanged) => record.requested.clone(),
        (Some(grant), Scoping::Union) => record.requested.union(&grant.granted),
    };
    let required = &need.challenge.required_scopes;
    let mut wanted = before.union(configured).union(required);
    if required.is_empty() && configured.is_empty() {
        wanted = wanted.union(&found.scopes_supported);
    }
    let mut wanted = without_offline_access(&wanted);
    let supported = &found.server.scopes_supported;
    // Alone, it would request a refresh token for no access.
    if !wanted.is_empty() && supported.iter().any(|scope| scope == OFFLINE_ACCESS) {
        wanted.insert(OFFLINE_ACCESS);
    }
    wanted
}

/// Whether a sign-in that requests `scopes` asks for the consent page: only if that page is known to be necessary for a
/// refresh token.
pub(super) fn prompts_for_consent(record: &Record, issuer: &str, scopes: &ScopeSet) -> bool {
    let quirks = record.quirks.get(issuer);
    let helps = quirks.and_then(|quirks| quirks.consent_prompt) == Some(true);
    helps && scopes.contains(OFFLINE_ACCESS)
}

/// Whether the server's rejection shows that it accepts the token, so that the token's issuer is still its
/// authorization server.
fn is_proven(known: &Known, grant: Option<&Grant>, need: &Need) -> bool {
    let challenge = &need.challenge;
    let takes = matches!(
        challenge.reason,
        Reason::InsufficientScope | Reason::InsufficientUserAuthentication
    );
    // A sign-in that the application requests has no server response.
    let said = challenge.raw.www_authenticate.is_some();
    // A challenge without scopes leaves them to the resource's metadata, which may have changed.
    let named =
        challenge.reason != Reason::InsufficientScope || !challenge.required_scopes.is_empty();
    let same = grant.is_some_and(|grant| same_issuer(&grant.grantor.issuer, known.issuer()));
    takes && said && named && same
}

/// Returns the scopes other than `offline_access`.
pub(crate) fn without_offline_access(scopes: &ScopeSet) -> ScopeSet {
    scopes.difference(&ScopeSet::parse(OFFLINE_ACCESS))
}

/// Whether a refresh token was requested.
pub(super) fn asks_for_refresh_token(scopes: &ScopeSet) -> bool {
    scopes.contains(OFFLINE_ACCESS)
}
