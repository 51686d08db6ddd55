//! A sign-in before any request was made: what the server would ask for, it is asked itself.

use http::{HeaderValue, Method, header};

use crate::challenge::{AuthChallenge, RawResponse, Reason};
use crate::session::Inner;

/// A message that any MCP server takes or refuses without consequences. Only the refusal matters.
const PING: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

impl Inner {
    /// The challenge of the MCP server for a request without a credential (MCP 2026-07-28, authorization server
    /// discovery: its `resource_metadata` and `scope` come first). A server that does not refuse the request, or
    /// cannot be reached, has none: then the well-known addresses are what is left.
    pub(super) async fn first_challenge(&self) -> AuthChallenge {
        let empty = AuthChallenge::unauthenticated();
        let Some(found) = self.refusal_without_credential().await else {
            return empty;
        };
        AuthChallenge {
            required_scopes: found.required_scopes,
            resource_metadata: found.resource_metadata,
            acr_values: found.acr_values,
            message: found.message,
            // However it was refused, a sign-in is what was asked for.
            reason: Reason::TokenExpired,
            raw: RawResponse {
                www_authenticate: found.raw.www_authenticate,
                ..empty.raw
            },
            ..empty
        }
    }

    async fn refusal_without_credential(&self) -> Option<AuthChallenge> {
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(self.server.as_str())
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::CONTENT_TYPE, "application/json")
            .body(PING.to_vec())
            .ok()?;
        let answer = match self.http.send(request).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(server = %self.server, %error, "no challenge could be obtained");
                return None;
            }
        };
        let lines = answer.headers().get_all(header::WWW_AUTHENTICATE);
        let lines: Vec<_> = lines.iter().map(HeaderValue::as_bytes).collect();
        let lines: Vec<_> = lines.into_iter().map(String::from_utf8_lossy).collect();
        AuthChallenge::from_response(answer.status().as_u16(), lines.iter().map(|line| &**line))
    }
}
