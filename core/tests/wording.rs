//! What a person reads when something failed, for every error there is.

use mcp_reauth::{AuthChallenge, Error, ScopeSet, wording};

fn every_error() -> Vec<Error> {
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

#[test]
fn every_error_has_its_own_code_and_reads_as_a_sentence() {
    let errors = every_error();
    let codes: std::collections::HashSet<&str> = errors.iter().map(Error::code).collect();
    assert_eq!(codes.len(), errors.len());
    for error in errors {
        let code = error.code();
        assert!(
            code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{code}"
        );
        for text in [error.to_string(), wording::failure(&error)] {
            assert!(!text.contains(['{', '}', '\n']), "{code}: {text}");
            assert!(
                text.chars().next().is_some_and(|c| !c.is_lowercase()) || text.starts_with("http"),
                "{code}: {text}"
            );
            assert!(text.len() < 512, "{code}: {text}");
        }
    }
}

#[test]
fn a_program_finds_the_challenge_in_the_error() {
    for error in every_error() {
        let has = error.challenge().is_some();
        let expected = [
            "insufficient_scope",
            "consent_denied",
            "step_up_limit",
            "interaction_required",
            "unauthorized",
        ];
        assert_eq!(has, expected.contains(&error.code()), "{}", error.code());
        if let Some(challenge) = error.challenge() {
            assert_eq!(challenge.required_scopes, ScopeSet::parse("a b"));
            assert_eq!(challenge.message.as_deref(), Some("Why"));
        }
    }
}
