//! Metadata documents: of a protected resource (RFC 9728) and of an authorization server (RFC 8414).
//!
//! Identifiers stay strings, byte for byte; a URL type would add a slash. URLs are parsed only to find out where a
//! document is, and whether one URL lies within another. A null member counts as absent, and so does a null element of
//! a list: libraries write null for what is not set.

use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use crate::error::Error;
use crate::http::{self, GuardedClient};

/// The well-known path of resource metadata (RFC 9728 section 3).
const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";

/// Protected resource metadata (RFC 9728 section 2), as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ResourceMetadata {
    pub(crate) resource: String,
    #[serde(default, deserialize_with = "list")]
    pub(crate) authorization_servers: Vec<String>,
    #[serde(default, deserialize_with = "list_or_none")]
    pub(crate) scopes_supported: Option<Vec<String>>,
    /// RFC 9728 section 2, for RFC 9449.
    #[serde(default, deserialize_with = "flag")]
    pub(crate) dpop_bound_access_tokens_required: bool,
    /// For how many seconds it is fresh.
    #[serde(skip)]
    pub(crate) fresh_for: u64,
}

/// Authorization server metadata (RFC 8414 section 2), as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerMetadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: Option<String>,
    pub(crate) token_endpoint: Option<String>,
    pub(crate) registration_endpoint: Option<String>,
    pub(crate) revocation_endpoint: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub(crate) scopes_supported: Vec<String>,
    #[serde(default, deserialize_with = "list_or_none")]
    pub(crate) response_types_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "list_or_none")]
    pub(crate) code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "list_or_none")]
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "flag")]
    pub(crate) authorization_response_iss_parameter_supported: bool,
    #[serde(default, deserialize_with = "flag")]
    pub(crate) client_id_metadata_document_supported: bool,
    /// RFC 9126 section 5.
    pub(crate) pushed_authorization_request_endpoint: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    pub(crate) require_pushed_authorization_requests: bool,
    /// RFC 9449 section 5.1.
    #[serde(default, deserialize_with = "list_or_none")]
    pub(crate) dpop_signing_alg_values_supported: Option<Vec<String>>,
    /// The URL of an identity provider's keys (OpenID Connect Discovery section 3).
    pub(crate) jwks_uri: Option<String>,
    /// Not from a document: the default endpoints of MCP 2025-03-26.
    #[serde(skip)]
    pub(crate) assumed: bool,
}

impl ResourceMetadata {
    pub(crate) fn fresh_for(self, seconds: u64) -> Self {
        Self {
            fresh_for: seconds,
            ..self
        }
    }
}

impl ServerMetadata {
    /// Returns what a server without any metadata is assumed to offer (MCP 2025-03-26, fallbacks for servers without
    /// metadata discovery).
    pub(crate) fn assumed(origin: &str) -> Self {
        let endpoint = |path| Some(format!("{origin}{path}"));
        Self {
            issuer: origin.to_owned(),
            authorization_endpoint: endpoint("/authorize"),
            token_endpoint: endpoint("/token"),
            registration_endpoint: endpoint("/register"),
            revocation_endpoint: None,
            scopes_supported: Vec::new(),
            response_types_supported: None,
            code_challenge_methods_supported: None,
            token_endpoint_auth_methods_supported: None,
            authorization_response_iss_parameter_supported: false,
            client_id_metadata_document_supported: false,
            pushed_authorization_request_endpoint: None,
            require_pushed_authorization_requests: false,
            dpop_signing_alg_values_supported: None,
            jwks_uri: None,
            assumed: true,
        }
    }

    pub(crate) fn token_endpoint(&self) -> Result<&str, Error> {
        self.secure("token_endpoint", self.token_endpoint.as_deref())
    }

    /// Returns where the user is sent for a code. A server that lists its response types without `code` would show an
    /// error (RFC 8414 section 2).
    pub(crate) fn authorization_endpoint(&self) -> Result<&str, Error> {
        let types = self.response_types_supported.as_deref();
        if types.is_some_and(|types| !types.iter().any(|own| own == "code")) {
            return Err(Error::metadata(
                &self.issuer,
                "its response_types_supported lacks code, which the authorization code grant needs",
            ));
        }
        self.secure(
            "authorization_endpoint",
            self.authorization_endpoint.as_deref(),
        )
    }

    pub(crate) fn registration_endpoint(&self) -> Result<Option<&str>, Error> {
        let endpoint = self.registration_endpoint.as_deref();
        endpoint
            .map(|url| self.secure("registration_endpoint", Some(url)))
            .transpose()
    }

    /// Returns where to push authorization requests (RFC 9126), if the server requires it, or offers it and `wanted` is
    /// set.
    pub(crate) fn push_to(&self, wanted: bool) -> Result<Option<&str>, Error> {
        let name = "pushed_authorization_request_endpoint";
        let endpoint = self.pushed_authorization_request_endpoint.as_deref();
        if self.require_pushed_authorization_requests || (wanted && endpoint.is_some()) {
            return self.secure(name, endpoint).map(Some);
        }
        Ok(None)
    }

    pub(crate) fn jwks_uri(&self) -> Result<&str, Error> {
        self.secure("jwks_uri", self.jwks_uri.as_deref())
    }

    /// Whether the server accepts proofs signed with `algorithm` (RFC 9449 section 5.1). `None` if its metadata lists
    /// no algorithms: it may not support DPoP.
    pub(crate) fn takes_proofs(&self, algorithm: &str) -> Option<bool> {
        let offered = self.dpop_signing_alg_values_supported.as_deref()?;
        Some(offered.iter().any(|own| own == algorithm))
    }

    /// Checks that the server offers PKCE with S256, which is mandatory (MCP, authorization code protection).
    fn require_pkce(&self) -> Result<(), Error> {
        let offered = self.code_challenge_methods_supported.as_deref();
        if self.assumed || offered.is_some_and(|methods| methods.iter().any(|m| m == "S256")) {
            return Ok(());
        }
        Err(Error::PkceUnsupported {
            issuer: self.issuer.clone(),
        })
    }

    /// Checks that the user can be sent there for a code, and that the code can be redeemed.
    pub(crate) fn require_code_flow(&self) -> Result<(), Error> {
        self.authorization_endpoint()?;
        self.token_endpoint()?;
        self.require_pkce()
    }

    /// Checks that the user and the resulting code may be sent there, before the client registers or the user signs in
    /// for nothing.
    pub(crate) async fn check_reach(&self, http: &GuardedClient) -> Result<(), Error> {
        http.check_reach(self.authorization_endpoint()?).await?;
        http.check_reach(self.token_endpoint()?).await
    }

    fn secure<'a>(&self, name: &str, url: Option<&'a str>) -> Result<&'a str, Error> {
        let url = url.ok_or_else(|| Error::metadata(&self.issuer, format!("it has no {name}")))?;
        // Browsers treat a backslash as a slash, other clients as a part of the host: no such URL is used.
        if !url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(Error::metadata(
                &self.issuer,
                format!("its {name} is not a URL"),
            ));
        }
        if !http::is_secure(url) {
            return Err(Error::insecure(url));
        }
        if http::has_userinfo(url) {
            let detail = format!("its {name} has a user name or password in it");
            return Err(Error::metadata(&self.issuer, detail));
        }
        Ok(url)
    }
}

/// Returns where a resource's metadata may be: at its path and query, then at the root (RFC 9728 section 3.1, MCP
/// authorization server discovery). In between, without a slash at the end of the path, where many servers have it.
pub(crate) fn resource_metadata_urls(server: &str) -> Vec<String> {
    let (origin, path) = split(server);
    let root = format!("{origin}{RESOURCE_METADATA}");
    // Only a slash that directly follows the host is dropped.
    let path = if path == "/" { "" } else { path };
    let query = query(server);
    let bare = path.trim_end_matches('/');
    let mut urls = vec![
        format!("{root}{path}{query}"),
        format!("{root}{bare}{query}"),
        root,
    ];
    urls.dedup();
    urls
}

/// Returns where an authorization server's metadata may be, in the order of MCP authorization server discovery.
pub(crate) fn server_metadata_urls(issuer: &str) -> Vec<String> {
    let (origin, path) = split(issuer);
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return vec![
            format!("{origin}/.well-known/oauth-authorization-server"),
            format!("{origin}/.well-known/openid-configuration"),
        ];
    }
    vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
        format!("{origin}{path}/.well-known/openid-configuration"),
    ]
}

/// Returns where an identity provider's metadata may be: first the URL that OpenID Connect Discovery defines, then the
/// others.
pub(crate) fn openid_metadata_urls(issuer: &str) -> Vec<String> {
    let mut urls = server_metadata_urls(issuer);
    // The URL of OpenID Connect Discovery is the last one.
    urls.reverse();
    urls
}

/// Returns the origin part of a URL, exactly as written.
pub(crate) fn origin(url: &str) -> &str {
    split(url).0
}

/// Splits a URL into origin and path, both exactly as written, without query and fragment.
fn split(url: &str) -> (&str, &str) {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    (&url[..end], &url[end..])
}

/// Returns the query of a URL as written, with its question mark; empty without one.
fn query(url: &str) -> &str {
    let url = url.split('#').next().unwrap_or_default();
    url.find('?').map_or("", |at| &url[at..])
}

/// Whether a resource's metadata at `url` is under the well-known path of the server's origin: the operator of the
/// whole origin publishes it, and not a tenant.
pub(crate) fn is_well_known(url: &str, server: &str) -> bool {
    let Ok(parsed) = Url::parse(url) else {
        return false;
    };
    let path = parsed.path().to_ascii_lowercase();
    // An encoded slash, backslash or dot may lead out of that path.
    let leads_out = ["%2f", "%5c", "%2e"].iter().any(|part| path.contains(part));
    let below = parsed.path().strip_prefix(RESOURCE_METADATA);
    http::same_origin(url, server)
        && !leads_out
        && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether metadata that names `resource` is about the server at `server` (RFC 9728 section 3.3 as MCP applies it): it
/// names that server or, if the document is `well_known`, a parent of it. `/folder/` is no parent of `/folder`.
pub(crate) fn protects(resource: &str, server: &str, well_known: bool) -> bool {
    if resource == server {
        return true;
    }
    if resource.contains('#') || http::has_userinfo(resource) {
        return false;
    }
    let (Ok(resource), Ok(server)) = (Url::parse(resource), Url::parse(server)) else {
        return false;
    };
    if resource == server {
        return true;
    }
    well_known && resource.query().is_none() && is_parent(&resource, &server)
}

/// Whether `url` is the server at `server` or lies below it. A slash at the end of the server's URL makes no
/// difference.
pub(crate) fn lies_within(url: &str, server: &str) -> bool {
    if url == server {
        return true;
    }
    let (Ok(url), Ok(mut server)) = (Url::parse(url), Url::parse(server)) else {
        return false;
    };
    if server.query().is_some() {
        return url == server;
    }
    let bare = server.path().trim_end_matches('/').to_owned();
    server.set_path(&bare);
    is_parent(&server, &url)
}

fn is_parent(parent: &Url, url: &Url) -> bool {
    let origin = parent.origin();
    let rest = url.path().strip_prefix(parent.path());
    origin.is_tuple()
        && origin == url.origin()
        && rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || parent.path().ends_with('/')
        })
}

fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    list_or_none(from).map(Option::unwrap_or_default)
}

fn list_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    let elements = Option::<Vec<Option<String>>>::deserialize(from)?;
    Ok(elements.map(|elements| elements.into_iter().flatten().collect()))
}

fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Option::<bool>::deserialize(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_metadata() {
        let place = |rest: &str| format!("https://a.example:8443{RESOURCE_METADATA}{rest}");
        for (path, places) in [
            ("", &[""][..]),
            ("/", &[""]),
            ("/public/mcp", &["/public/mcp", ""]),
            ("/public/mcp?x=1&y=/a", &["/public/mcp?x=1&y=/a", ""]),
            ("/mcp/", &["/mcp/", "/mcp", ""]),
            ("/mcp/?x#f", &["/mcp/?x", "/mcp?x", ""]),
            ("?x=1", &["?x=1", ""]),
            ("/?x=1", &["?x=1", ""]),
        ] {
            let expected: Vec<_> = places.iter().map(|rest| place(rest)).collect();
            let server = format!("https://a.example:8443{path}");
            assert_eq!(resource_metadata_urls(&server), expected, "{path}");
        }
        assert_eq!(
            server_metadata_urls("https://as.example/tenant1"),
            [
                "https://as.example/.well-known/oauth-authorization-server/tenant1",
                "https://as.example/.well-known/openid-configuration/tenant1",
                "https://as.example/tenant1/.well-known/openid-configuration",
            ]
        );
        for issuer in ["https://as.example", "https://as.example/"] {
            assert_eq!(
                server_metadata_urls(issuer),
                [
                    "https://as.example/.well-known/oauth-authorization-server",
                    "https://as.example/.well-known/openid-configuration",
                ]
            );
        }
    }

    #[test]
    fn a_resource_is_the_server_or_where_that_is_well_known_a_parent() {
        let server = "https://a.example/team/mcp";
        for same in [
            "https://a.example/team/mcp",
            "https://A.example:443/team/mcp",
        ] {
            assert!(protects(same, server, false), "{same}");
        }
        for parent in [
            "https://a.example/team/",
            "https://a.example/team",
            "https://a.example",
            "https://A.example/",
            "https://a.example:443/team",
        ] {
            assert!(protects(parent, server, true), "{parent}");
            assert!(!protects(parent, server, false), "{parent}");
        }
        for resource in [
            "https://a.example/te",
            "https://a.example/team/mcp/",
            "https://a.example/team/mcp/x",
            "https://a.example/other",
            "http://a.example/team/mcp",
            "https://a.example:8443/team/mcp",
            "https://evil.example/team/mcp",
            "https://a.example.evil.example/",
            "https://user@a.example/team/mcp",
            "https://a.example/team/mcp#f",
            "https://a.example?x=1",
            "a.example",
            "",
        ] {
            assert!(!protects(resource, server, true), "{resource}");
        }
    }

    #[test]
    fn a_slash_at_the_end_makes_another_folder() {
        let (bare, slashed) = ("https://a.example/folder", "https://a.example/folder/");
        assert!(!protects(slashed, bare, true));
        assert!(protects(bare, slashed, true) && !protects(bare, slashed, false));
        // A slash that follows the host makes no difference.
        for well_known in [true, false] {
            assert!(protects(
                "https://a.example/",
                "https://a.example",
                well_known
            ));
            assert!(protects(
                "https://a.example",
                "https://a.example/",
                well_known
            ));
        }
        assert!(protects(bare, "https://a.example/folder?x=1", true));
        assert!(!protects(
            "https://a.example/folder?x=2",
            "https://a.example/folder?x=1",
            true
        ));
    }

    #[test]
    fn credentials_go_to_the_server_and_below_it() {
        for (url, server) in [
            ("https://a.example/mcp", "https://a.example/mcp"),
            ("https://a.example/mcp/", "https://a.example/mcp"),
            ("https://a.example/mcp", "https://a.example/mcp/"),
            ("https://a.example/mcp/x?y", "https://a.example/mcp"),
            ("https://a.example/mcp?x", "https://a.example/mcp?x"),
            ("https://a.example/x", "https://a.example"),
        ] {
            assert!(lies_within(url, server), "{url} {server}");
        }
        for (url, server) in [
            ("https://a.example/mcpx", "https://a.example/mcp"),
            ("https://a.example/", "https://a.example/mcp/"),
            ("https://a.example/mcp?y", "https://a.example/mcp?x"),
            ("https://b.example/mcp", "https://a.example/mcp"),
            ("http://a.example/mcp", "https://a.example/mcp"),
            ("", "https://a.example/mcp"),
        ] {
            assert!(!lies_within(url, server), "{url} {server}");
        }
    }

    #[test]
    fn what_is_well_known_is_at_its_place_at_the_servers_origin() {
        let server = "https://a.example/team/mcp";
        for rest in ["", "/", "/team/mcp", "/team?x=1", "/other"] {
            let url = format!("https://A.example:443{RESOURCE_METADATA}{rest}");
            assert!(is_well_known(&url, server), "{url}");
        }
        for url in [
            "https://a.example/team/.well-known/oauth-protected-resource",
            "https://a.example/.well-known/oauth-protected-resources",
            "https://a.example/.well-known/oauth-protected-resource/../../team/x",
            "https://a.example/.well-known/oauth-protected-resource/%2e%2E/%2e%2e/team/x",
            "https://a.example/.well-known/oauth-protected-resource/..%2f..%2Fteam/x",
            "https://a.example/.well-known/oauth-protected-resource/..%5cteam",
            "https://a.example/.well-known/oauth-protected-resource%2fteam",
            "https://evil.example/.well-known/oauth-protected-resource/team",
            "http://a.example/.well-known/oauth-protected-resource/team",
            "/.well-known/oauth-protected-resource",
        ] {
            assert!(!is_well_known(url, server), "{url}");
        }
    }

    #[test]
    fn null_counts_as_absent() {
        let resource: ResourceMetadata = serde_json::from_str(
            r#"{"resource":"r","authorization_servers":[null,"a",null],"scopes_supported":null,
            "dpop_bound_access_tokens_required":null}"#,
        )
        .expect("metadata");
        assert_eq!(resource.authorization_servers, ["a"]);
        assert!(resource.scopes_supported.is_none() && !resource.dpop_bound_access_tokens_required);
        let members = [
            "authorization_endpoint",
            "token_endpoint",
            "registration_endpoint",
            "revocation_endpoint",
            "scopes_supported",
            "response_types_supported",
            "code_challenge_methods_supported",
            "token_endpoint_auth_methods_supported",
            "authorization_response_iss_parameter_supported",
            "client_id_metadata_document_supported",
            "pushed_authorization_request_endpoint",
            "require_pushed_authorization_requests",
            "dpop_signing_alg_values_supported",
            "jwks_uri",
        ];
        let nulls = members.map(|name| format!(r#""{name}":null"#)).join(",");
        let with = format!(r#"{{"issuer":"i",{nulls}}}"#);
        let read = |text: &str| serde_json::from_str::<ServerMetadata>(text).expect("metadata");
        let without = format!("{:?}", read(r#"{"issuer":"i"}"#));
        assert_eq!(format!("{:?}", read(&with)), without);
        // Identifiers are required.
        assert!(serde_json::from_str::<ServerMetadata>(r#"{"issuer":null}"#).is_err());
    }
}
