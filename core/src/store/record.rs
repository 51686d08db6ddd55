//! The record: all that is known of one profile at one resource, enough to continue after a restart.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Deleted, Reservation, Saved, StoreKey, Stored, TokenStore};
use crate::error::Error;
use crate::grant::{Grant, Grantor, KeyBinding, Registration};
use crate::issuer::same_issuer;
use crate::oauth::known::Known;
use crate::scope::ScopeSet;
use crate::secret::Secret;

/// The version of the record's format that this program writes and reads.
pub(crate) const FORMAT: u32 = 1;
/// How often a write is tried again when other sessions write at the same time. Each failed try means that one of them
/// has written, and many processes that sign in at once write a few times each.
const WRITE_TRIES: usize = 256;
/// The maximum number of pending authorizations; the oldest are dropped. Each of many processes may have a page open.
const MAX_PENDING: usize = 64;

/// What a store keeps under one key.
pub(crate) trait Document: Default + PartialEq + Serialize + DeserializeOwned {
    /// Returns the version of its format.
    fn format(&self) -> u32;
}

impl Document for Record {
    fn format(&self) -> u32 {
        self.format
    }
}

/// All that is known of one profile at one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    format: u32,
    /// The current credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grant: Option<Grant>,
    /// The registration to use next, by issuer.
    #[serde(default)]
    pub(crate) clients: BTreeMap<String, Registration>,
    /// Authorizations that were started and not completed, by `state`.
    #[serde(default)]
    pub(crate) pending: BTreeMap<String, Pending>,
    /// Scopes requested over time (SEP-2350): every step-up includes them.
    #[serde(default)]
    pub(crate) requested: ScopeSet,
    /// The last result of discovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) known: Option<Known>,
    /// How authorization servers deviate from others, by issuer.
    #[serde(default, alias = "habits", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) quirks: BTreeMap<String, Quirks>,
    /// What the user declined last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) declined: Option<Declined>,
}

/// A refusal by the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Declined {
    /// Seconds since 1970.
    pub(crate) at: u64,
    /// The requested scopes.
    pub(crate) scopes: ScopeSet,
    /// The authorization server on whose page the user declined; `None`: the user declined the question before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
}

/// How an authorization server deviates from others, as its responses have shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quirks {
    /// A refresh that does not name the granted scopes returns others.
    #[serde(default)]
    pub(crate) scoped_refresh: bool,
    /// Whether `prompt=consent` yields the refresh token that is not issued without it; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) consent_prompt: Option<bool>,
}

impl Quirks {
    /// Records whether a sign-in that requested a refresh token yielded one. `prompted`: its page was to ask for
    /// consent.
    pub(crate) fn note_consent_prompt(&mut self, prompted: bool, brought: bool) {
        match (prompted, brought) {
            // No token without the prompt: perhaps with it.
            (false, false) if self.consent_prompt.is_none() => self.consent_prompt = Some(true),
            (true, false) => self.consent_prompt = Some(false),
            _ => {}
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            format: FORMAT,
            grant: None,
            clients: BTreeMap::new(),
            pending: BTreeMap::new(),
            requested: ScopeSet::new(),
            known: None,
            quirks: BTreeMap::new(),
            declined: None,
        }
    }
}

/// A started authorization: what is needed when its callback arrives, even after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    #[serde(alias = "by")]
    pub(crate) grantor: Grantor,
    /// The issuer promised `iss` in its responses (RFC 9207 section 2.3).
    pub(crate) iss_expected: bool,
    pub(crate) verifier: Secret,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: ScopeSet,
    /// A step-up: its scopes are added to those requested before. Otherwise they replace them.
    pub(crate) widen: bool,
    pub(crate) client: Registration,
    pub(crate) created_at: u64,
    /// Its client was registered for an earlier sign-in.
    #[serde(default)]
    pub(crate) reused: bool,
    /// The page was to ask for consent (`prompt=consent`).
    #[serde(default)]
    pub(crate) prompted: bool,
    /// The required scopes, without which the authorization would be useless.
    pub(crate) required: ScopeSet,
    /// The key that the tokens are bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) binding: Option<KeyBinding>,
    /// It is a sign-in at an identity provider, which returns an ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) idp: Option<IdpLeg>,
}

/// What is needed to verify the ID token of a sign-in (OpenID Connect Core section 3.1.3.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdpLeg {
    pub(crate) nonce: Secret,
    pub(crate) jwks_uri: String,
    /// The URL of the MCP server's metadata, if the challenge named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource_metadata: Option<String>,
}

/// Reads a document.
pub(crate) fn decode<D: Document>(stored: &Stored) -> Result<D, Error> {
    let data = stored.data.expose();
    match serde_json::from_str::<D>(data) {
        Ok(document) if document.format() == FORMAT => Ok(document),
        Ok(_) => Err(unreadable(data, None)),
        Err(error) => Err(unreadable(data, Some(&error))),
    }
}

pub(crate) fn encode(document: &impl Document) -> Result<Secret, Error> {
    serde_json::to_string(document)
        .map(Secret::new)
        .map_err(|error| Error::store(error.to_string()))
}

impl Record {
    /// Makes `grant` the current one, and its client the one to use next.
    pub(crate) fn set_grant(&mut self, grant: &Grant) {
        if let Some(client) = &grant.client {
            self.set_client(&grant.grantor.issuer, client);
        }
        self.grant = Some(grant.clone());
        self.declined = None;
    }

    /// Returns the registration to use next at `issuer`.
    pub(crate) fn client_at(&self, issuer: &str) -> Option<&Registration> {
        let mut clients = self.clients.iter();
        clients.find_map(|(at, client)| same_issuer(at, issuer).then_some(client))
    }

    /// Makes `client` the one to use next at `issuer`.
    pub(crate) fn set_client(&mut self, issuer: &str, client: &Registration) {
        self.clients.retain(|at, _| !same_issuer(at, issuer));
        self.clients.insert(issuer.to_owned(), client.clone());
    }

    /// Records that the server refused these scopes to a client, which then registers again before it requests more
    /// than it was registered for. Returns whether this changed anything.
    pub(crate) fn note_refused(&mut self, issuer: &str, id: &str, scopes: &ScopeSet) -> bool {
        let at_issuer = self.clients.iter_mut();
        let next = at_issuer.filter_map(|(at, client)| same_issuer(at, issuer).then_some(client));
        let grant = self.grant.as_mut();
        let grant = grant.filter(|grant| same_issuer(&grant.grantor.issuer, issuer));
        let current = grant.and_then(|grant| grant.client.as_mut());
        let noted = next.chain(current).filter(|client| client.client_id == id);
        let changed = noted.map(|client| client.note_refused(scopes));
        changed.fold(false, |any, changed| any | changed)
    }

    /// Adds a started authorization, and drops those older than `oldest` and the oldest ones beyond the maximum.
    pub(crate) fn add_pending(&mut self, state: String, pending: Pending, oldest: u64) {
        self.pending.retain(|_, p| p.created_at >= oldest);
        while self.pending.len() >= MAX_PENDING {
            let first = self.pending.iter().min_by_key(|(_, p)| p.created_at);
            let Some(state) = first.map(|(state, _)| state.clone()) else {
                break;
            };
            self.pending.remove(&state);
        }
        self.pending.insert(state, pending);
    }
}

/// Explains why a record cannot be read.
fn unreadable(data: &str, error: Option<&serde_json::Error>) -> Error {
    /// Another format may differ in anything else.
    #[derive(Deserialize)]
    struct Form {
        format: u32,
    }
    let what = match serde_json::from_str(data) {
        Err(_) => "was not written by mcp-reauth".to_owned(),
        Ok(Form { format }) if format != FORMAT => {
            format!("has format {format}, and this program reads {FORMAT}; use a newer mcp-reauth")
        }
        // The message of a JSON error can quote what it found, which may be a secret: only the position is reported.
        Ok(_) => {
            let (line, column) = error.map_or((0, 0), |error| (error.line(), error.column()));
            format!("is damaged (line {line}, column {column})")
        }
    };
    Error::store(format!("a record in it {what}. It was left as it is"))
}

/// A document as it was read, with the version that a write replaces.
#[derive(Debug, Clone, Default)]
pub(crate) struct Versioned<D = Record> {
    pub(crate) version: Option<u64>,
    pub(crate) record: D,
}

/// How much a record may grow, in bytes: a new token goes into a header, which servers limit to less than this.
const GROWTH: u64 = 64 << 10;

/// Reserves the space that `document` needs after its tokens are renewed.
pub(crate) async fn reserve(
    store: &dyn TokenStore,
    key: &StoreKey,
    document: &impl Document,
) -> Result<Reservation, Error> {
    let now = encode(document)?.expose().len();
    let now = u64::try_from(now).unwrap_or(u64::MAX);
    store.reserve(key, now.saturating_add(GROWTH)).await
}

/// Adds the store's place to its error.
fn at_its_place(store: &dyn TokenStore, error: Error) -> Error {
    match (error, store.place()) {
        (Error::Store { detail, .. }, Some(place)) => Error::store(format!("{place}: {detail}")),
        (error, _) => error,
    }
}

/// Reads the document of `key`; a missing one is empty.
pub(crate) async fn read<D: Document>(
    store: &dyn TokenStore,
    key: &StoreKey,
) -> Result<Versioned<D>, Error> {
    let Some(stored) = store.load(key).await? else {
        return Ok(Versioned {
            version: None,
            record: D::default(),
        });
    };
    let record = decode(&stored).map_err(|error| at_its_place(store, error))?;
    Ok(Versioned {
        version: Some(stored.version),
        record,
    })
}

/// Changes the document of `key`: reads it, calls `change`, and writes it; starts over if another session wrote first.
/// `change` returns whether there is anything to write. A caller that has just read it, and will write, passes it as
/// `known`.
pub(crate) async fn update<D: Document>(
    store: &dyn TokenStore,
    key: &StoreKey,
    mut known: Option<Versioned<D>>,
    mut change: impl FnMut(&mut D) -> bool,
) -> Result<Versioned<D>, Error> {
    for _ in 0..WRITE_TRIES {
        let mut read = match known.take() {
            Some(known) => known,
            None => read(store, key).await?,
        };
        if !change(&mut read.record) {
            return Ok(read);
        }
        if let Some(version) = write(store, key, &read).await? {
            read.version = version;
            return Ok(read);
        }
    }
    let error = Error::store("other programs kept writing the same record; nothing was changed");
    Err(at_its_place(store, error))
}

/// Writes a document, or deletes it if it is empty, and returns its new version; `None` after a conflict.
async fn write<D: Document>(
    store: &dyn TokenStore,
    key: &StoreKey,
    read: &Versioned<D>,
) -> Result<Option<Option<u64>>, Error> {
    if read.record != D::default() {
        let data = encode(&read.record)?;
        return Ok(match store.save(key, data, read.version).await? {
            Saved::As(version) => Some(Some(version)),
            Saved::Conflict => None,
        });
    }
    let Some(version) = read.version else {
        return Ok(Some(None));
    };
    Ok(match store.delete(key, version).await? {
        Deleted::Done => Some(None),
        Deleted::Conflict => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_the_member_names_of_earlier_builds_is_read() {
        let old = r#"{"format":1,"requested":[],"clients":{},"habits":{"i":{"scoped_refresh":true}},"pending":{"s":{
            "by":{"issuer":"i","token_endpoint":"t"},"iss_expected":false,"verifier":"v","redirect_uri":"x:/","scopes":[],
            "widen":false,"client":{"client_id":"c","auth_method":"none","redirect_uris":[],"dynamic":false},
            "created_at":1,"required":[]}}}"#;
        let record: Record = serde_json::from_str(old).expect("a record");
        assert!(record.quirks["i"].scoped_refresh);
        assert_eq!(record.pending["s"].grantor.issuer, "i");
    }
}
