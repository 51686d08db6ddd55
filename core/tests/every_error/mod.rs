//! Errors, for tests of all of them.

use mcp_reauth::{AuthChallenge, Error, ScopeSet};

/// One error of each code.
pub(crate) fn every_error() -> Vec<Error> {
    let text = || "https://a.example".to_owned();
    let challenge = || {
        let header = r#"Bearer error="insufficient_scope", scope="a b", error_description="Why""#;
        Box::new(AuthChallenge::from_response(403, [header]).expect("a challenge"))
    };
    let (server, issuer, detail, url) = (text, text, text, text);
    vec![
        Error::InsufficientScope {
            server: server(),
            challenge: challenge(),
            next: "Do this.",
        },
        Error::ConsentDenied {
            server: server(),
            wanted: ScopeSet::parse("a b"),
            challenge: challenge(),
        },
        Error::ScopeNotGranted {
            issuer: issuer(),
            missing: ScopeSet::parse("b"),
        },
        Error::StepUpLimit {
            server: server(),
            attempts: 1,
            challenge: challenge(),
        },
        Error::InteractionRequired {
            server: server(),
            challenge: challenge(),
            authorization_url: None,
            next: "Do this.",
        },
        Error::Unauthorized {
            server: server(),
            challenge: challenge(),
        },
        Error::RefreshUnavailable {
            issuer: issuer(),
            detail: detail(),
            retry_after: Some(5),
            connected: true,
            cause: None,
        },
        Error::RefreshRejected {
            issuer: issuer(),
            detail: detail(),
        },
        Error::IssuerMismatch { expected: issuer() },
        Error::StateMismatch,
        Error::AuthorizationDenied {
            issuer: issuer(),
            error: "access_denied".to_owned(),
            description: Some("no".to_owned()),
        },
        Error::ResourceMismatch {
            server: server(),
            resource: text(),
        },
        Error::MetadataInvalid {
            url: url(),
            detail: detail(),
        },
        Error::PkceUnsupported { issuer: issuer() },
        Error::RegistrationRejected {
            issuer: issuer(),
            detail: detail(),
        },
        Error::InsecureEndpoint { url: url() },
        Error::BlockedEndpoint { url: url() },
        Error::IdTokenInvalid {
            issuer: issuer(),
            detail: detail(),
        },
        Error::EnterpriseNotConfigured,
        Error::EnterpriseDisabled { issuer: issuer() },
        Error::PolicyDenied {
            issuer: issuer(),
            detail: detail(),
        },
        Error::Cancelled {
            what: "The sign-in",
        },
        Error::Timeout {
            what: "The sign-in".to_owned(),
            seconds: 900,
        },
        Error::store(detail()),
        Error::Http {
            url: url(),
            detail: detail(),
            cause: None,
        },
        Error::host(detail()),
        Error::Config { detail: detail() },
    ]
}
