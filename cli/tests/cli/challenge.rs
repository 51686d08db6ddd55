//! `mcp-reauth challenge`

use serde_json::{Value, json};

use crate::support::{Ended, Program};

async fn challenge(status: &str, headers: &[&str]) -> Ended {
    let headers = headers.iter().flat_map(|line| ["--header", *line]);
    let program = Program::new(["challenge", "--status", status]).args(headers);
    program.run().await
}

#[tokio::test]
async fn a_401_as_json() {
    let line = "WWW-Authenticate: Bearer error=\"invalid_token\", \
                resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource\"";
    let challenge = challenge("401", &[line]).await.succeeded().json();
    assert_eq!(challenge["reason"], "invalid_token", "{challenge:#}");
    assert_eq!(
        challenge["resourceMetadata"],
        "https://mcp.example.com/.well-known/oauth-protected-resource",
        "{challenge:#}"
    );
}

#[tokio::test]
async fn a_403_for_scopes_and_the_short_option() {
    let line = "www-authenticate: Bearer error=\"insufficient_scope\", scope=\"a b\"";
    let ended = Program::new(["challenge", "--status", "403", "-H", line])
        .run()
        .await;
    let challenge = ended.succeeded().json();
    assert_eq!(challenge["reason"], "insufficient_scope", "{challenge:#}");
    assert_eq!(
        challenge["requiredScopes"],
        json!(["a", "b"]),
        "{challenge:#}"
    );
}

#[tokio::test]
async fn headers_are_repeatable_and_others_are_passed_over() {
    let ended = challenge(
        "401",
        &[
            "Content-Type: text/plain",
            "WWW-Authenticate: Basic realm=\"elsewhere\"",
            "WWW-Authenticate: Bearer error=\"invalid_token\", scope=\"mcp:read\"",
        ],
    )
    .await;
    let challenge = ended.succeeded().json();
    assert_eq!(challenge["reason"], "invalid_token", "{challenge:#}");
    assert_eq!(
        challenge["requiredScopes"],
        json!(["mcp:read"]),
        "{challenge:#}"
    );
}

#[tokio::test]
async fn a_401_without_any_header_asks_for_a_sign_in() {
    let challenge = challenge("401", &[]).await.succeeded().json();
    assert!(challenge.is_object(), "{challenge:#}");
}

#[tokio::test]
async fn a_response_that_is_no_challenge_is_null_and_fails() {
    let bearer = "WWW-Authenticate: Bearer error=\"invalid_token\"";
    let cases: [(&str, &[&str]); 3] = [("200", &[bearer]), ("404", &[]), ("500", &[])];
    for (status, headers) in cases {
        let ended = challenge(status, headers).await.exited(1);
        assert_eq!(ended.json(), Value::Null, "{status}: {ended:#?}");
        assert_eq!(ended.stderr, "", "{status}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_usage_error() {
    challenge("401", &["no colon here"])
        .await
        .failed(2, "--header \"no colon here\": write it as 'Name: value'");
    challenge("4o1", &[]).await.failed(2, "--status");
    challenge("70000", &[]).await.failed(2, "--status");
    Program::new(["challenge"])
        .run()
        .await
        .failed(2, "--status");
}

#[tokio::test]
async fn a_hostile_header_is_no_reason_to_fail() {
    let long = format!("WWW-Authenticate: Bearer scope=\"{}", "a ".repeat(30_000));
    for line in [
        long.as_str(),
        "WWW-Authenticate:",
        "WWW-Authenticate: ,,,",
        "WWW-Authenticate: Bearer \"",
        "WWW-Authenticate: Bearer error=\"\u{1b}[31m\u{202e}\"",
    ] {
        let ended = challenge("401", &[line]).await.succeeded();
        assert!(ended.json().is_object(), "{ended:#?}");
        assert!(!ended.stdout.contains('\u{1b}'), "{ended:#?}");
    }
}
