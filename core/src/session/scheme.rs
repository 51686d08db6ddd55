//! What a sign-in will ask for, and where: settled before the user is asked, so that the question and the request
//! that follows it are about the same.

use crate::challenge::Reason;
use crate::error::Error;
use crate::grant::{Grant, Registration};
use crate::issuer::same_issuer;
use crate::oauth::discovery::{Discovered, Preference, discover};
use crate::oauth::known::Known;
use crate::recovery::Ask;
use crate::scope::ScopeSet;
use crate::session::Inner;
use crate::session::interaction::Need;
use crate::store::record::Record;

/// The scope that asks for a refresh token (OpenID Connect Core section 11).
const OFFLINE_ACCESS: &str = "offline_access";

/// A sign-in before it is prepared.
pub(super) struct Scheme {
    pub(super) found: Discovered,
    /// As it is to be recorded.
    pub(super) known: Known,
    pub(super) scopes: ScopeSet,
}

impl Inner {
    /// Settles which scopes a sign-in at the server that was found asks for.
    pub(super) fn scheme(&self, need: &Need, record: &Record, known: Known) -> Scheme {
        let found = known.found();
        Scheme {
            scopes: self.wanted(need, record, &found),
            known,
            found,
        }
    }

    /// Finds the authorization server that a sign-in goes to. Reads metadata as far as that is not on record.
    pub(super) async fn find_server(&self, need: &Need, record: &Record) -> Result<Known, Error> {
        let now = self.now();
        let named = need.challenge.resource_metadata.as_deref();
        let bound = self.bound_issuer(record);
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
            current: record.grant.as_ref().map(|grant| grant.by.issuer.as_str()),
            known: known.and_then(|known| known.server_at(now)),
            usable: &|server| {
                server.require_code_flow()?;
                self.identity.fits(server, record.client_at(&server.issuer))
            },
        };
        let found = discover(&self.http, &self.server, named, &preference).await?;
        self.may_be_shown(&found, bound.as_deref())?;
        Ok(Known::new(&found, named, known, now))
    }

    /// Whether the server that was found may see what the client proves itself by.
    pub(super) fn may_be_shown(
        &self,
        found: &Discovered,
        bound: Option<&str>,
    ) -> Result<(), Error> {
        let client = self.identity.preregistered.as_ref();
        let Some(client) = client.filter(|client| client.proves() || self.workload.is_some())
        else {
            return Ok(());
        };
        if bound.is_some() || client.any_issuer {
            return Ok(());
        }
        Err(Error::ClientIssuerUnknown {
            server: self.server.clone(),
            client_id: client.id.clone(),
            issuer: found.server.issuer.clone(),
        })
    }

    /// The issuer that a client brought along is bound to: the one it was said to be registered at, else the one that
    /// it was shown to before. A resource may name any server; that is no reason to show it the client's secret
    /// (MCP 2026-07-28, authorization server binding).
    pub(super) fn bound_issuer(&self, record: &Record) -> Option<String> {
        let client = self.identity.preregistered.as_ref()?;
        let proves = client.proves() || self.workload.is_some();
        let same = |known: &Registration| {
            // An id alone is no secret: where it was used before says nothing of where a secret belongs.
            let shown = known.proves() || !proves || self.workload.is_some();
            !known.dynamic && known.client_id == client.id && shown
        };
        let grant = record.grant.as_ref();
        let current = grant.filter(|grant| grant.client.as_ref().is_some_and(same));
        let used_at = || {
            let before = || record.clients.iter().find(|(_, known)| same(known));
            let issuer = current.map(|grant| &grant.by.issuer);
            issuer.or_else(|| Some(before()?.0)).cloned()
        };
        client.issuer.clone().or_else(used_at)
    }

    /// The scopes to ask for. What was asked for and granted before at the same issuer always comes along
    /// (SEP-2350): a user who signs in again does not want to lose what they had agreed to.
    fn wanted(&self, need: &Need, record: &Record, found: &Discovered) -> ScopeSet {
        let held = record.grant.as_ref();
        let held = held.filter(|grant| same_issuer(&grant.by.issuer, &found.server.issuer));
        let before = match (held, need.ask) {
            (None, _) => ScopeSet::new(),
            (Some(_), Ask::Afresh) => record.requested.clone(),
            (Some(grant), Ask::Union) => record.requested.union(&grant.granted),
        };
        let required = &need.challenge.required_scopes;
        let mut wanted = before.union(&self.settings.scopes).union(required);
        if required.is_empty() && self.settings.scopes.is_empty() {
            wanted = wanted.union(&found.scopes_supported);
        }
        let mut wanted = without_offline_access(&wanted);
        let supported = &found.server.scopes_supported;
        // Alone it would ask for a refresh token of an access to nothing.
        if !wanted.is_empty() && supported.iter().any(|scope| scope == OFFLINE_ACCESS) {
            wanted.insert(OFFLINE_ACCESS);
        }
        wanted
    }

    /// Whether a sign-in that asks for `scopes` is to have the user asked for consent: only where that is known to
    /// bring a refresh token that does not come without.
    pub(super) fn prompts_for_consent(
        &self,
        record: &Record,
        issuer: &str,
        scopes: &ScopeSet,
    ) -> bool {
        let habits = record.habits.get(issuer);
        let helps = habits.and_then(|habits| habits.consent_prompt) == Some(true);
        self.settings.consent_prompt && helps && scopes.contains(OFFLINE_ACCESS)
    }
}

/// Whether a server that refused the request has shown that it takes the token, and so that the token's issuer is still
/// its authorization server.
fn is_proven(known: &Known, grant: Option<&Grant>, need: &Need) -> bool {
    let challenge = &need.challenge;
    let takes = matches!(
        challenge.reason,
        Reason::InsufficientScope | Reason::InsufficientUserAuthentication
    );
    // A sign-in that the application asks for comes without a server's answer.
    let said = challenge.raw.www_authenticate.is_some();
    // Where it does not say what it lacks, the resource's metadata may, and that can have changed.
    let named =
        challenge.reason != Reason::InsufficientScope || !challenge.required_scopes.is_empty();
    let same = grant.is_some_and(|grant| same_issuer(&grant.by.issuer, known.issuer()));
    takes && said && named && same
}

/// The scopes that are about the resource.
pub(super) fn without_offline_access(scopes: &ScopeSet) -> ScopeSet {
    scopes.difference(&ScopeSet::parse(OFFLINE_ACCESS))
}

/// Whether a refresh token was asked for.
pub(super) fn asks_for_refresh_token(scopes: &ScopeSet) -> bool {
    scopes.contains(OFFLINE_ACCESS)
}
