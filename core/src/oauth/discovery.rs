//! Finds the authorization server that protects a resource (MCP 2026-07-28, authorization server discovery; for older
//! servers MCP 2025-03-26).

use url::Url;

use super::document::{NotFound, Search};
use super::metadata::{
    ResourceMetadata, ServerMetadata, is_well_known, openid_metadata_urls, origin, protects,
    resource_metadata_urls, server_metadata_urls,
};
use crate::error::Error;
use crate::grant::Grantor;
use crate::http::{GuardedClient, has_userinfo, is_secure};
use crate::issuer::same_issuer;
use crate::jose::JwkSet;
use crate::scope::ScopeSet;
use crate::text;

/// The maximum length of an issuer identifier.
const MAX_ISSUER: usize = 2048;
/// The maximum number of a resource's authorization servers that are tried.
const MAX_SERVERS: usize = 3;

/// The result of discovery.
#[derive(Debug, Clone)]
pub(crate) struct Discovered {
    /// The resource identifier as the metadata gives it; `None` for a server without such metadata.
    pub(crate) resource: Option<String>,
    /// The scopes the resource's metadata lists.
    pub(crate) scopes_supported: ScopeSet,
    /// The resource accepts only tokens that are bound to a key (RFC 9449).
    pub(crate) wants_proofs: bool,
    /// For how many seconds the resource's metadata need not be read again.
    pub(crate) fresh_for: u64,
    pub(crate) server: ServerMetadata,
}

impl Discovered {
    /// Returns the grantor that was found. `name_resource`: whether its requests name the resource.
    pub(crate) fn grantor(&self, name_resource: bool) -> Result<Grantor, Error> {
        Ok(Grantor {
            issuer: self.server.issuer.clone(),
            token_endpoint: self.server.token_endpoint()?.to_owned(),
            revocation_endpoint: self.server.revocation_endpoint.clone(),
            resource: self.resource.clone().filter(|_| name_resource),
        })
    }
}

impl Grantor {
    /// Returns the same server, with the endpoints that its metadata names now.
    pub(crate) fn at_endpoints_of(&self, server: &ServerMetadata) -> Result<Self, Error> {
        Ok(Self {
            token_endpoint: server.token_endpoint()?.to_owned(),
            revocation_endpoint: server.revocation_endpoint.clone(),
            ..self.clone()
        })
    }
}

/// Whether a server offers what is needed; the error says what it lacks.
#[cfg(not(target_arch = "wasm32"))]
type Usable<'a> = dyn Fn(&ServerMetadata) -> Result<(), Error> + Sync + 'a;
#[cfg(target_arch = "wasm32")]
type Usable<'a> = dyn Fn(&ServerMetadata) -> Result<(), Error> + 'a;

/// Which of a resource's authorization servers to prefer.
pub(crate) struct Preference<'a> {
    /// The only one that the client's configuration allows: any other is an error.
    pub(crate) required: Option<&'a str>,
    /// The issuer used so far.
    pub(crate) current: Option<&'a str>,
    /// Recently read metadata of an authorization server: if the resource names that server, it is not read again.
    pub(crate) known: Option<&'a ServerMetadata>,
    pub(crate) usable: &'a Usable<'a>,
}

/// Finds the authorization server of the resource at `server`. `metadata_url` is the URL that a challenge named. If the
/// resource names several, the first usable one is chosen.
pub(crate) async fn discover(
    http: &GuardedClient,
    server: &str,
    metadata_url: Option<&str>,
    preference: &Preference<'_>,
) -> Result<Discovered, Error> {
    let metadata = match resource_metadata(http, server, metadata_url).await? {
        Lookup::Found(metadata) => metadata,
        Lookup::NotFound(nowhere) => {
            return discover_legacy(http, server, nowhere, preference).await;
        }
    };
    let mut failure = None;
    for issuer in candidates(server, &metadata.authorization_servers, preference)? {
        let error = match authorization_server(http, server, issuer, preference).await {
            Ok(found) => {
                return Ok(Discovered {
                    resource: Some(metadata.resource),
                    scopes_supported: metadata.scopes_supported.unwrap_or_default().into(),
                    wants_proofs: metadata.dpop_bound_access_tokens_required,
                    // A choice that is due to another server's failure is not kept.
                    fresh_for: failure.map_or(metadata.fresh_for, |_| 0),
                    server: found,
                });
            }
            Err(error) => error,
        };
        tracing::warn!(%server, %error, "an authorization server cannot be used");
        let current = preference
            .current
            .is_some_and(|own| same_issuer(own, issuer));
        // A transient error is no reason to leave the server of the current grant.
        if current && matches!(error, Error::Http { .. }) {
            return Err(error);
        }
        failure.get_or_insert(error);
    }
    Err(failure.unwrap_or_else(|| Error::metadata(server, "it names no authorization server")))
}

/// Whether the resource names no other authorization server than `issuer`, the one in use, if any. Missing metadata
/// names none: a gateway's page in its place, or a 404, is a transient error like any other.
pub(crate) async fn still_names(
    http: &GuardedClient,
    server: &str,
    metadata_url: Option<&str>,
    issuer: Option<&str>,
) -> Result<bool, Error> {
    Ok(match resource_metadata(http, server, metadata_url).await? {
        Lookup::Found(metadata) => {
            let named = metadata.authorization_servers;
            let in_use = |named: &String| issuer.is_some_and(|issuer| same_issuer(named, issuer));
            named.is_empty() || named.iter().any(in_use)
        }
        Lookup::NotFound(_) => true,
    })
}

/// Returns the authorization servers to try, in this order.
fn candidates<'a>(
    server: &str,
    listed: &'a [String],
    preference: &Preference<'_>,
) -> Result<Vec<&'a str>, Error> {
    let issuers = || listed.iter().map(String::as_str);
    let find = |wanted: &str| issuers().find(|issuer| same_issuer(issuer, wanted));
    if let Some(required) = preference.required {
        let found = find(required).ok_or_else(|| Error::RegistrationRejected {
            issuer: issuers().next().and_then(text::displayable).unwrap_or_default(),
            detail: format!(
                "the client is registered at {required}, which {server} does not use (any more). If it is registered there too, set that issuer for it"
            ),
        })?;
        return Ok(vec![found]);
    }
    let mut ordered: Vec<&str> = Vec::new();
    for issuer in preference
        .current
        .and_then(find)
        .into_iter()
        .chain(issuers())
    {
        if !ordered.contains(&issuer) && ordered.len() < MAX_SERVERS {
            ordered.push(issuer);
        }
    }
    Ok(ordered)
}

/// Returns the metadata of an authorization server that the resource at `server` names, if it is usable.
async fn authorization_server(
    http: &GuardedClient,
    server: &str,
    issuer: &str,
    preference: &Preference<'_>,
) -> Result<ServerMetadata, Error> {
    // An issuer is stored and shown as it was written, so it must be fit for both (RFC 8414 section 2).
    if !issuer.bytes().all(|b| b.is_ascii_graphic()) || issuer.len() > MAX_ISSUER {
        return Err(Error::metadata(server, "the issuer it names is not a URL"));
    }
    if !is_secure(issuer) {
        return Err(Error::insecure(issuer));
    }
    if has_userinfo(issuer) {
        let detail = "the issuer it names has a user name or password in it";
        return Err(Error::metadata(server, detail));
    }
    let known = preference.known;
    // If the resource spells it differently now, its own metadata may do so too.
    let found = match known.filter(|known| known.issuer == issuer) {
        Some(known) => known.clone(),
        None => {
            let urls = server_metadata_urls(issuer);
            match server_metadata(http, issuer, urls).await? {
                Lookup::Found(found) => found,
                Lookup::NotFound(nowhere) => {
                    let detail = "the authorization server publishes no metadata";
                    let none = || Error::metadata(issuer, detail);
                    return Err(nowhere.page.unwrap_or_else(none));
                }
            }
        }
    };
    (preference.usable)(&found)?;
    Ok(found)
}

/// For servers of MCP 2025-03-26: the authorization server is at the server's own origin.
async fn discover_legacy(
    http: &GuardedClient,
    server: &str,
    resource: NotFound,
    preference: &Preference<'_>,
) -> Result<Discovered, Error> {
    let origin = origin(server);
    // A server that stops publishing its metadata does not thereby become the one that the client is bound to.
    candidates(server, &[origin.to_owned()], preference)?;
    let found = match server_metadata(http, origin, server_metadata_urls(origin)).await? {
        Lookup::Found(found) => found,
        // Endpoints are assumed only if there certainly is no metadata. A page in its place may be a gateway's.
        Lookup::NotFound(own) => match resource.page.or(own.page) {
            Some(page) => return Err(page),
            None => ServerMetadata::assumed(origin),
        },
    };
    (preference.usable)(&found)?;
    Ok(Discovered {
        resource: None,
        scopes_supported: ScopeSet::new(),
        wants_proofs: false,
        fresh_for: 0,
        server: found,
    })
}

/// Returns the scopes that the resource's metadata lists, if there is any.
pub(crate) async fn scopes_of(
    http: &GuardedClient,
    server: &str,
    metadata_url: Option<&str>,
) -> Result<ScopeSet, Error> {
    let scopes = match resource_metadata(http, server, metadata_url).await? {
        Lookup::Found(metadata) => metadata.scopes_supported,
        Lookup::NotFound(_) => None,
    };
    Ok(scopes.unwrap_or_default().into())
}

/// The result of a search.
enum Lookup<T> {
    Found(T),
    NotFound(NotFound),
}

/// Returns the metadata of the resource at `server`: from the URL that the challenge named, if that is usable,
/// otherwise from the well-known URLs.
async fn resource_metadata(
    http: &GuardedClient,
    server: &str,
    named: Option<&str>,
) -> Result<Lookup<ResourceMetadata>, Error> {
    let mut search = Search::new(http);
    if let Some(url) = named {
        match check_named(url, server) {
            Ok(()) => {
                let check = |metadata: &ResourceMetadata| check_resource(metadata, url, server);
                if let Some(found) = search.at(url, check).await {
                    return Ok(Lookup::Found(found.fresh_for(search.fresh_for())));
                }
            }
            Err(error) => search.fail(error),
        }
        match search.trouble() {
            Some(error) => {
                tracing::warn!(%server, %error, "the resource metadata that a challenge names is ignored");
            }
            None => {
                tracing::warn!(%server, "there is no resource metadata where a challenge names it")
            }
        }
    }
    for url in resource_metadata_urls(server) {
        let check = |metadata: &ResourceMetadata| check_resource(metadata, &url, server);
        if let Some(found) = search.at(&url, check).await {
            // A substitute for a document that could not be read is not kept.
            let fresh = search.trouble().map_or(search.fresh_for(), |_| 0);
            return Ok(Lookup::Found(found.fresh_for(fresh)));
        }
    }
    search.end().map(Lookup::NotFound)
}

/// Checks the URL of the resource metadata that a challenge names.
fn check_named(url: &str, server: &str) -> Result<(), Error> {
    if Url::parse(url).is_err() {
        let detail = "the resource_metadata of its challenge is not an absolute URL";
        return Err(Error::metadata(server, detail));
    }
    if !is_secure(url) {
        return Err(Error::insecure(url));
    }
    if has_userinfo(url) {
        let detail = "the resource_metadata of its challenge has a user name or password in it";
        return Err(Error::metadata(server, detail));
    }
    Ok(())
}

fn check_resource(metadata: &ResourceMetadata, at: &str, server: &str) -> Result<(), Error> {
    if protects(&metadata.resource, server, is_well_known(at, server)) {
        return Ok(());
    }
    Err(Error::ResourceMismatch {
        server: server.to_owned(),
        resource: text::displayable(&text::without_password(&metadata.resource))
            .unwrap_or_default(),
    })
}

/// Reads the metadata of an authorization server in use again; `None` if no URL has it.
pub(crate) async fn read_again(
    http: &GuardedClient,
    issuer: &str,
) -> Result<Option<ServerMetadata>, Error> {
    let sought = server_metadata(http, issuer, server_metadata_urls(issuer)).await?;
    Ok(match sought {
        Lookup::Found(found) => Some(found),
        Lookup::NotFound(_) => None,
    })
}

/// Reads the metadata of an identity provider (OpenID Connect Discovery section 4).
pub(crate) async fn identity_provider(
    http: &GuardedClient,
    issuer: &str,
) -> Result<ServerMetadata, Error> {
    let urls = openid_metadata_urls(issuer);
    match server_metadata(http, issuer, urls).await? {
        Lookup::Found(found) => Ok(found),
        Lookup::NotFound(_) => Err(Error::metadata(
            issuer,
            "the identity provider publishes no metadata; check its issuer",
        )),
    }
}

/// Reads a published key set.
pub(crate) async fn keys(http: &GuardedClient, url: &str) -> Result<JwkSet, Error> {
    let mut search = Search::new(http);
    if let Some(keys) = search.at(url, |_: &JwkSet| Ok(())).await {
        return Ok(keys.usable());
    }
    search.end()?;
    Err(Error::metadata(url, "there is no key set"))
}

/// Reads the metadata of `issuer`. A document about another issuer is never used (RFC 8414 section 3.3). From then on,
/// the issuer as its document spells it counts.
async fn server_metadata(
    http: &GuardedClient,
    issuer: &str,
    urls: Vec<String>,
) -> Result<Lookup<ServerMetadata>, Error> {
    let mut search = Search::new(http);
    for url in urls {
        let check = |metadata: &ServerMetadata| match same_issuer(&metadata.issuer, issuer) {
            true => Ok(()),
            false => {
                let about = text::without_password(&metadata.issuer);
                let detail = format!("it is for the issuer {about}, not for {issuer}");
                Err(Error::metadata(&url, detail))
            }
        };
        if let Some(found) = search.at(&url, check).await {
            return Ok(Lookup::Found(found));
        }
    }
    search.end().map(Lookup::NotFound)
}
