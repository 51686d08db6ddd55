//! Obtains the first challenge, for a sign-in before any request was rejected.

use http::{Method, header};

use crate::challenge::{AuthChallenge, RawResponse, Reason};
use crate::session::client::SessionClient;
use crate::text::header_text;

/// A message that any MCP server accepts or rejects without side effects.
const PING: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// Sends a request without a credential and returns the MCP server's challenge, whose `resource_metadata` and `scope`
/// take precedence (MCP 2026-07-28, authorization server discovery). If the server does not reject the request or
/// cannot be reached, returns an empty challenge, and discovery uses the well-known URLs.
pub(super) async fn first_challenge(client: &SessionClient) -> AuthChallenge {
    let empty = AuthChallenge::unauthenticated();
    let Some(found) = rejection_without_credential(client).await else {
        return empty;
    };
    AuthChallenge {
        required_scopes: found.required_scopes,
        resource_metadata: found.resource_metadata,
        acr_values: found.acr_values,
        message: found.message,
        // Whatever the status, the server asks for a sign-in.
        reason: Reason::TokenExpired,
        raw: RawResponse {
            www_authenticate: found.raw.www_authenticate,
            ..empty.raw
        },
        ..empty
    }
}

async fn rejection_without_credential(client: &SessionClient) -> Option<AuthChallenge> {
    let request = http::Request::builder()
        .method(Method::POST)
        .uri(client.server())
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::CONTENT_TYPE, "application/json")
        .body(PING.to_vec())
        .ok()?;
    let answer = match client.http.send(request).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(server = %client.server(), %error, "no challenge could be obtained");
            return None;
        }
    };
    let lines = answer.headers().get_all(header::WWW_AUTHENTICATE);
    let lines: Vec<_> = lines
        .iter()
        .map(|line| header_text(line.as_bytes()))
        .collect();
    AuthChallenge::from_response(answer.status().as_u16(), lines.iter().map(|line| &**line))
}
