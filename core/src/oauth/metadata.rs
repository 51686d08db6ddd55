//! Metadata documents: of a protected resource (RFC 9728) and of an authorization server (RFC 8414).
//!
//! Identifiers stay strings, byte for byte; a URL type would add a slash. URLs are parsed only to find
//! out where a document is, and whether one address lies within another.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::Error;
use crate::http;

/// Protected resource metadata (RFC 9728 section 2), as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ResourceMetadata {
    pub(crate) resource: String,
    #[serde(default)]
    pub(crate) authorization_servers: Vec<String>,
    pub(crate) scopes_supported: Option<Vec<String>>,
    /// RFC 9728 section 2, for RFC 9449.
    #[serde(default)]
    pub(crate) dpop_bound_access_tokens_required: bool,
}

/// Authorization server metadata (RFC 8414 section 2), as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerMetadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: Option<String>,
    pub(crate) token_endpoint: Option<String>,
    pub(crate) registration_endpoint: Option<String>,
    pub(crate) revocation_endpoint: Option<String>,
    #[serde(default)]
    pub(crate) scopes_supported: Vec<String>,
    pub(crate) code_challenge_methods_supported: Option<Vec<String>>,
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    pub(crate) client_id_metadata_document_supported: bool,
    /// RFC 9126 section 5.
    pub(crate) pushed_authorization_request_endpoint: Option<String>,
    #[serde(default)]
    pub(crate) require_pushed_authorization_requests: bool,
    /// RFC 9449 section 5.1.
    pub(crate) dpop_signing_alg_values_supported: Option<Vec<String>>,
    /// Where an identity provider's keys are (OpenID Connect Discovery section 3).
    pub(crate) jwks_uri: Option<String>,
    /// Not from a document: the endpoints every server of 2025-03-26 has.
    #[serde(skip)]
    pub(crate) assumed: bool,
}

impl ServerMetadata {
    /// What a server without any metadata is taken to offer (MCP 2025-03-26, fallbacks for servers
    /// without metadata discovery).
    pub(crate) fn assumed(origin: &str) -> Self {
        let endpoint = |path| Some(format!("{origin}{path}"));
        Self {
            issuer: origin.to_owned(),
            authorization_endpoint: endpoint("/authorize"),
            token_endpoint: endpoint("/token"),
            registration_endpoint: endpoint("/register"),
            revocation_endpoint: None,
            scopes_supported: Vec::new(),
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

    pub(crate) fn authorization_endpoint(&self) -> Result<&str, Error> {
        self.secure(
            "authorization_endpoint",
            self.authorization_endpoint.as_deref(),
        )
    }

    /// Where authorization requests are pushed to (RFC 9126), if the server insists on it, or `wanted` and offered.
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

    /// Whether proofs signed by `algorithm` may be sent (RFC 9449 section 5.1). A server that lists none may not
    /// know what they are.
    pub(crate) fn takes_proofs(&self, algorithm: &str) -> Option<bool> {
        let offered = self.dpop_signing_alg_values_supported.as_deref()?;
        Some(offered.iter().any(|own| own == algorithm))
    }

    /// PKCE with S256 is a must (MCP, authorization code protection).
    pub(crate) fn require_pkce(&self) -> Result<(), Error> {
        let offered = self.code_challenge_methods_supported.as_deref();
        if self.assumed || offered.is_some_and(|methods| methods.iter().any(|m| m == "S256")) {
            return Ok(());
        }
        Err(Error::PkceUnsupported {
            issuer: self.issuer.clone(),
        })
    }

    fn secure<'a>(&self, name: &str, url: Option<&'a str>) -> Result<&'a str, Error> {
        let url = url.ok_or_else(|| Error::metadata(&self.issuer, format!("it has no {name}")))?;
        // Browsers take a backslash for a slash, others for a part of the host: nobody is sent on such a way.
        if !url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(Error::metadata(
                &self.issuer,
                format!("its {name} is no URL"),
            ));
        }
        if http::is_secure(url) {
            return Ok(url);
        }
        Err(Error::insecure(url))
    }
}

/// Where a resource's metadata may be: at its path, then at the root (RFC 9728 section 3.1, MCP
/// authorization server discovery).
pub(crate) fn resource_metadata_urls(server: &str) -> Vec<String> {
    well_known("oauth-protected-resource", server)
}

/// Where an authorization server's metadata may be, in the order of MCP authorization server discovery.
pub(crate) fn server_metadata_urls(issuer: &str) -> Vec<String> {
    let (origin, path) = split(issuer);
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

/// Where an identity provider's metadata may be: the place that OpenID Connect Discovery gives it, then the others.
pub(crate) fn openid_metadata_urls(issuer: &str) -> Vec<String> {
    let mut urls = server_metadata_urls(issuer);
    // Its own place is the last of them.
    urls.reverse();
    urls
}

fn well_known(name: &str, url: &str) -> Vec<String> {
    let (origin, path) = split(url);
    let root = format!("{origin}/.well-known/{name}");
    if path.is_empty() {
        return vec![root];
    }
    vec![format!("{root}{path}"), root]
}

/// The origin part of an address, exactly as written.
pub(crate) fn origin(url: &str) -> &str {
    split(url).0
}

/// Splits an address into origin and path, both exactly as written; query, fragment and a trailing slash
/// are left out.
fn split(url: &str) -> (&str, &str) {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    (&url[..end], url[end..].trim_end_matches('/'))
}

/// Whether `resource` is the server at `server` or a parent of it (RFC 9728 section 3.3 as MCP applies it).
pub(crate) fn protects(resource: &str, server: &str) -> bool {
    if resource == server {
        return true;
    }
    if resource.contains('#') || !http::same_origin(resource, server) {
        return false;
    }
    let (Ok(resource), Ok(server)) = (Url::parse(resource), Url::parse(server)) else {
        return false;
    };
    if resource.query().is_some() {
        return resource.path() == server.path() && resource.query() == server.query();
    }
    let parent = resource.path().trim_end_matches('/');
    let rest = server.path().strip_prefix(parent);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_metadata() {
        assert_eq!(
            resource_metadata_urls("https://a.example:8443/public/mcp?x=1"),
            [
                "https://a.example:8443/.well-known/oauth-protected-resource/public/mcp",
                "https://a.example:8443/.well-known/oauth-protected-resource",
            ]
        );
        assert_eq!(
            resource_metadata_urls("https://a.example/"),
            ["https://a.example/.well-known/oauth-protected-resource"]
        );
        assert_eq!(
            server_metadata_urls("https://as.example/tenant1"),
            [
                "https://as.example/.well-known/oauth-authorization-server/tenant1",
                "https://as.example/.well-known/openid-configuration/tenant1",
                "https://as.example/tenant1/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            server_metadata_urls("https://as.example"),
            [
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration",
            ]
        );
    }

    #[test]
    fn a_resource_is_the_server_or_a_parent() {
        let server = "https://a.example/team/mcp";
        for resource in [
            "https://a.example/team/mcp",
            "https://a.example/team/",
            "https://a.example/team",
            "https://a.example",
            "https://A.example/",
            "https://a.example:443/team",
        ] {
            assert!(protects(resource, server), "{resource}");
        }
        for resource in [
            "https://a.example/te",
            "https://a.example/team/mcp/x",
            "https://a.example/other",
            "http://a.example/team/mcp",
            "https://a.example:8443/team/mcp",
            "https://evil.example/team/mcp",
            "https://a.example.evil.example/",
            "https://a.example/team/mcp#f",
            "https://a.example?x=1",
            "a.example",
            "",
        ] {
            assert!(!protects(resource, server), "{resource}");
        }
    }
}
