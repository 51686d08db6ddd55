//! The log of all requests.

use std::collections::BTreeMap;

/// The kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// To the MCP server.
    Mcp,
    /// Protected resource metadata.
    Prm,
    /// Authorization server metadata.
    Meta,
    Register,
    /// The user at the authorization endpoint.
    Visit,
    Token,
    Revoke,
    /// A pushed authorization request.
    Push,
    /// The identity provider's metadata.
    IdpMeta,
    /// Its keys.
    IdpKeys,
    /// The user at its authorization endpoint.
    IdpVisit,
    /// A code or a refresh token at its token endpoint.
    IdpToken,
    /// An ID token at its token endpoint.
    Exchange,
    IdpRevoke,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    /// The parameters of the query, the form or the JSON document.
    pub(crate) params: BTreeMap<String, String>,
    /// The `Authorization` header.
    pub(crate) authorization: Option<String>,
    /// The `DPoP` header.
    pub(crate) proof: Option<String>,
}

impl Seen {
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// Whether the request contains `text` anywhere.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        let headers = self.authorization.iter().chain(&self.proof);
        let mut all = self.params.values().chain(headers);
        self.url.contains(text) || all.any(|value| value.contains(text))
    }
}
