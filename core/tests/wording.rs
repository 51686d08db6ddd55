//! What the user reads after a failure, for every error.

mod every_error;

use mcp_reauth::{Error, ErrorCode, ScopeSet, wording};

use every_error::every_error;

#[test]
fn every_error_has_its_own_code_and_reads_as_a_sentence() {
    let errors = every_error();
    let codes: std::collections::HashSet<ErrorCode> = errors.iter().map(Error::code).collect();
    assert_eq!(codes.len(), errors.len());
    for code in ErrorCode::ALL {
        // Bindings report defects; core has no such error.
        let is_error = codes.contains(code) || *code == ErrorCode::Internal;
        assert!(is_error, "{code} is the code of no error");
        let snake = |b| matches!(b, b'a'..=b'z' | b'_');
        assert!(code.as_str().bytes().all(snake), "{code}");
    }
    for error in errors {
        let code = error.code();
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
        assert_eq!(
            has,
            expected.contains(&error.code().as_str()),
            "{}",
            error.code()
        );
        if let Some(challenge) = error.challenge() {
            assert_eq!(challenge.required_scopes, ScopeSet::parse("a b"));
            assert_eq!(challenge.message.as_deref(), Some("Why"));
        }
    }
}
