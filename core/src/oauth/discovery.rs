//! From a rejected request to the authorization server that protects the resource (MCP 2026-07-28,
//! authorization server discovery; for older servers MCP 2025-03-26).

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::metadata::{
    ResourceMetadata, ServerMetadata, openid_metadata_urls, origin, protects,
    resource_metadata_urls, server_metadata_urls,
};
use crate::error::Error;
use crate::http::{HttpError, Limited};
use crate::issuer::same_issuer;
use crate::jose::JwkSet;
use crate::scope::ScopeSet;
use crate::store::record::Grantor;
use crate::text;

/// The longest issuer identifier that is taken for one.
const MAX_ISSUER: usize = 2048;

/// What discovery found.
#[derive(Debug, Clone)]
pub(crate) struct Discovered {
    /// The resource identifier as the metadata gives it; `None` for a server that has no such metadata.
    pub(crate) resource: Option<String>,
    /// The scopes the resource's metadata lists.
    pub(crate) scopes_supported: ScopeSet,
    /// The resource takes only tokens that are bound to a key (RFC 9449).
    pub(crate) wants_proofs: bool,
    /// For how many seconds the resource's metadata need not be read again.
    pub(crate) fresh_for: u64,
    pub(crate) server: ServerMetadata,
}

impl Discovered {
    /// The grantor that was found. `name_resource`: whether its requests name the resource.
    pub(crate) fn grantor(&self, name_resource: bool) -> Result<Grantor, Error> {
        Ok(Grantor {
            issuer: self.server.issuer.clone(),
            token_endpoint: self.server.token_endpoint()?.to_owned(),
            revocation_endpoint: self.server.revocation_endpoint.clone(),
            resource: self.resource.clone().filter(|_| name_resource),
        })
    }
}

/// What of a resource's authorization servers one would rather use, if it is still among them.
pub(crate) struct Preference<'a> {
    /// The server is bound to this one by configuration: any other is an error.
    pub(crate) required: Option<&'a str>,
    /// The issuer used so far.
    pub(crate) current: Option<&'a str>,
    /// Metadata of an authorization server that was read recently: if the resource names that server, it is not read
    /// again.
    pub(crate) known: Option<&'a ServerMetadata>,
}

/// Finds the authorization server of the resource at `server`. `metadata_url` is what a challenge named.
pub(crate) async fn discover(
    http: &Limited,
    server: &str,
    metadata_url: Option<&str>,
    preference: &Preference<'_>,
) -> Result<Discovered, Error> {
    let Some((_, metadata)) = resource_metadata(http, server, metadata_url).await? else {
        return discover_legacy(http, server, preference).await;
    };
    let issuer = choose(server, &metadata.authorization_servers, preference)?;
    let found = match preference.known.filter(|known| known.issuer == issuer) {
        Some(known) => Some(known.clone()),
        None => server_metadata(http, issuer, server_metadata_urls(issuer)).await?,
    };
    let Some(found) = found else {
        return Err(Error::metadata(
            issuer,
            "the authorization server publishes no metadata",
        ));
    };
    Ok(Discovered {
        resource: Some(metadata.resource),
        scopes_supported: metadata.scopes_supported.unwrap_or_default().into(),
        wants_proofs: metadata.dpop_bound_access_tokens_required,
        fresh_for: 0,
        server: found,
    })
}

/// Whether the resource names no other authorization server than `issuer`, the one in use, if one is. Metadata that is
/// not there names none: a gateway's page in its place, or a 404, is a transient error like any other.
pub(crate) async fn still_names(
    http: &Limited,
    server: &str,
    metadata_url: Option<&str>,
    issuer: Option<&str>,
) -> Result<bool, Error> {
    Ok(match resource_metadata(http, server, metadata_url).await? {
        Some((_, metadata)) => {
            let named = metadata.authorization_servers;
            let in_use = |named: &String| issuer.is_some_and(|issuer| same_issuer(named, issuer));
            named.is_empty() || named.iter().any(in_use)
        }
        None => true,
    })
}

fn choose<'a>(
    server: &str,
    listed: &'a [String],
    preference: &Preference<'_>,
) -> Result<&'a str, Error> {
    let find = |wanted: &str| {
        let mut issuers = listed.iter().map(String::as_str);
        issuers.find(|issuer| same_issuer(issuer, wanted))
    };
    let first = listed.first().map(String::as_str);
    let chosen = match preference.required {
        Some(required) => find(required).ok_or_else(|| Error::RegistrationRejected {
            issuer: first.and_then(text::displayable).unwrap_or_default(),
            detail: format!(
                "the client id given is registered at {required}, which {server} does not use (any more). If it is registered there too, say so by its issuer"
            ),
        })?,
        None => preference
            .current
            .and_then(find)
            .or(first)
            .ok_or_else(|| Error::metadata(server, "it names no authorization server"))?,
    };
    // An issuer is kept and shown as it was written, so it must be fit for both (RFC 8414 section 2).
    if chosen.bytes().all(|b| b.is_ascii_graphic()) && chosen.len() <= MAX_ISSUER {
        return Ok(chosen);
    }
    Err(Error::metadata(server, "the issuer it names is no URL"))
}

/// Servers of 2025-03-26: the authorization server is at the server's own origin.
async fn discover_legacy(
    http: &Limited,
    server: &str,
    preference: &Preference<'_>,
) -> Result<Discovered, Error> {
    let origin = origin(server);
    // A server that stops publishing its metadata does not thereby become the one a client is bound to.
    choose(server, &[origin.to_owned()], preference)?;
    let found = server_metadata(http, origin, server_metadata_urls(origin)).await?;
    Ok(Discovered {
        resource: None,
        scopes_supported: ScopeSet::new(),
        wants_proofs: false,
        fresh_for: 0,
        server: found.unwrap_or_else(|| ServerMetadata::assumed(origin)),
    })
}

/// The scopes that the resource's metadata lists, if it has any.
pub(crate) async fn scopes_of(
    http: &Limited,
    server: &str,
    metadata_url: Option<&str>,
) -> Result<ScopeSet, Error> {
    let metadata = resource_metadata(http, server, metadata_url).await?;
    let scopes = metadata.and_then(|(_, metadata)| metadata.scopes_supported);
    Ok(scopes.unwrap_or_default().into())
}

async fn resource_metadata(
    http: &Limited,
    server: &str,
    named: Option<&str>,
) -> Result<Option<(String, ResourceMetadata)>, Error> {
    let guesses = resource_metadata_urls(server);
    let urls = named.into_iter().chain(guesses.iter().map(String::as_str));
    let mut asked: Vec<&str> = Vec::new();
    let mut unusable = None;
    for url in urls {
        if asked.contains(&url) {
            continue;
        }
        asked.push(url);
        let metadata = match document::<ResourceMetadata>(http, url).await? {
            Document::Found(metadata) => metadata,
            Document::Absent => continue,
            // Where it was named, and not guessed, there is nowhere else to look.
            Document::Unusable(error) if named == Some(url) => return Err(error),
            Document::Unusable(error) => {
                unusable.get_or_insert(error);
                continue;
            }
        };
        if !protects(&metadata.resource, server) {
            return Err(Error::ResourceMismatch {
                server: server.to_owned(),
                resource: text::displayable(&metadata.resource).unwrap_or_default(),
            });
        }
        return Ok(Some((url.to_owned(), metadata)));
    }
    unusable.map_or(Ok(None), Err)
}

/// The metadata of an identity provider (OpenID Connect Discovery section 4).
pub(crate) async fn identity_provider(
    http: &Limited,
    issuer: &str,
) -> Result<ServerMetadata, Error> {
    let found = server_metadata(http, issuer, openid_metadata_urls(issuer)).await?;
    found.ok_or_else(|| {
        Error::metadata(
            issuer,
            "the identity provider publishes no metadata; check its issuer",
        )
    })
}

/// A published set of keys.
pub(crate) async fn keys(http: &Limited, url: &str) -> Result<JwkSet, Error> {
    match document::<JwkSet>(http, url).await? {
        Document::Found(keys) => Ok(keys.usable()),
        Document::Unusable(error) => Err(error),
        Document::Absent => Err(Error::metadata(url, "there are no keys")),
    }
}

/// The metadata of `issuer`, or `None` when there is none anywhere. A document about another issuer is
/// never used (RFC 8414 section 3.3). The issuer as the document writes it is the one that counts from then on.
async fn server_metadata(
    http: &Limited,
    issuer: &str,
    urls: Vec<String>,
) -> Result<Option<ServerMetadata>, Error> {
    let mut unusable = None;
    for url in urls {
        match document::<ServerMetadata>(http, &url).await? {
            Document::Found(metadata) if same_issuer(&metadata.issuer, issuer) => {
                return Ok(Some(metadata));
            }
            Document::Found(metadata) => {
                let detail = format!("it is about {}, not about {issuer}", metadata.issuer);
                unusable.get_or_insert(Error::metadata(&url, detail));
            }
            Document::Unusable(error) => {
                unusable.get_or_insert(error);
            }
            Document::Absent => {}
        }
    }
    unusable.map_or(Ok(None), Err)
}

/// What is at one of the places where a document may be.
enum Document<T> {
    Found(T),
    /// Nothing: another place may have it.
    Absent,
    /// Something else. Another place may have it all the same: gateways send unknown paths to a sign-in page,
    /// and single-page applications answer any path with their own.
    Unusable(Error),
}

/// Reads a document. A server in trouble is an error, not an absence.
async fn document<T: DeserializeOwned>(http: &Limited, url: &str) -> Result<Document<T>, Error> {
    let response = match http.get_json(url).await {
        Ok(response) => response,
        Err(error @ (HttpError::Redirect(_) | HttpError::BodyTooLarge)) => {
            return Ok(Document::Unusable(error.at(url)));
        }
        Err(error) => return Err(error.at(url)),
    };
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(Error::http(url, format!("the server answered {status}")));
    }
    if !status.is_success() {
        return Ok(Document::Absent);
    }
    let is_object = serde_json::from_slice::<serde_json::Value>(response.body())
        .is_ok_and(|value| value.is_object());
    if !is_object {
        return Ok(Document::Absent);
    }
    Ok(match serde_json::from_slice(response.body()) {
        Ok(found) => Document::Found(found),
        Err(error) => Document::Unusable(Error::metadata(url, error.to_string())),
    })
}
