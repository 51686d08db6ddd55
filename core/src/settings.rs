//! The settings of a session that are plain data.

use serde::{Deserialize, Serialize};

use crate::policy::{Dpop, Policy};
use crate::scope::ScopeSet;

/// The settings of a session: plain data with the same names in every language, which may come from a file. Absent
/// settings have their defaults; an unknown name is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// The name shown on consent pages.
    pub client_name: String,
    /// An https URL that serves the client's metadata and is its client ID where the server supports that (MCP
    /// 2026-07-28, client ID metadata documents).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_metadata_url: Option<String>,
    /// The redirect URI, absolute and without a fragment (RFC 6749 section 3.1.2), if it is always the same, as for a
    /// web server. The host is then not asked ([`AuthHost::redirect_uri`](crate::AuthHost)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// Scopes to request in addition to those that the server requires.
    pub scopes: ScopeSet,
    /// The user or tenant that the authorization belongs to (default `default`). Profiles share nothing.
    pub profile: String,
    /// What the session may do by itself.
    pub policy: Policy,
    /// When tokens are bound to a key (RFC 9449; default: if the server asks for it). Each request then needs a proof,
    /// which [`ResourceRequest::authorize`](crate::ResourceRequest::authorize) makes.
    pub dpop: Dpop,
    /// Whether to send resource indicators (RFC 8707; default yes). Some servers reject them.
    pub send_resource: bool,
    /// Whether authorization requests are pushed to the server beforehand if it offers that (RFC 9126; default no). If
    /// the server requires it, they always are.
    pub push_requests: bool,
    /// Whether an authorization request may ask for the consent page (`prompt=consent`, OpenID Connect Core section 11;
    /// default yes). It does so only after a refresh token was requested and not issued. Where users may not consent
    /// themselves, such a page is a dead end.
    pub consent_prompt: bool,
    /// Origins (`https://login.corp.example`) that the MCP server may name although they are in a narrower network than
    /// the server, such as an intranet's authorization server for an MCP server on the internet
    /// ([`Error::BlockedEndpoint`](crate::Error::BlockedEndpoint)). The issuer that a client is bound to
    /// ([`at_issuer`](crate::Client::at_issuer)) is always allowed.
    pub allow_endpoints: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_name: "mcp-reauth".to_owned(),
            client_metadata_url: None,
            redirect_uri: None,
            scopes: ScopeSet::new(),
            profile: "default".to_owned(),
            policy: Policy::default(),
            dpop: Dpop::default(),
            send_resource: true,
            push_requests: false,
            consent_prompt: true,
            allow_endpoints: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_written() {
        let settings = Settings {
            profile: "work".to_owned(),
            policy: Policy {
                refresh_ahead: std::time::Duration::from_millis(1500),
                ..Policy::default()
            },
            ..Settings::default()
        };
        let text = serde_json::to_string(&settings).expect("JSON");
        assert!(text.contains(r#""refreshAheadMs":1500"#), "{text}");
        assert_eq!(
            serde_json::from_str::<Settings>(&text).expect("settings"),
            settings
        );
    }

    #[test]
    fn absent_settings_have_their_defaults_and_unknown_ones_are_errors() {
        let read = |text| serde_json::from_str::<Settings>(text);
        assert_eq!(read("{}").expect("settings"), Settings::default());
        assert_eq!(
            read(r#"{"policy":{}}"#).expect("settings"),
            Settings::default()
        );
        for wrong in [
            r#"{"client_name":"x"}"#,
            r#"{"policy":{"refreshAhead":1}}"#,
            r#"{"policy":null}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
