//! One request of an MCP client over HTTP, from before it is sent until the caller gets its response: the part that all
//! transports share. It does no I/O: a transport sends and receives, and asks an [`Exchange`] what to send, where to
//! send it, and what a response means (MCP, Streamable HTTP transport).
//!
//! ```no_run
//! # use http::{HeaderMap, Method, StatusCode};
//! # use mcp_reauth::mcp::{Exchange, Look, Next, Outgoing};
//! # use mcp_reauth::{AuthSession, Error};
//! # struct Response { status: StatusCode, headers: HeaderMap, body: Vec<u8> }
//! # async fn post(url: &str, headers: &HeaderMap, body: &[u8]) -> Response { todo() }
//! # fn todo() -> Response { Response { status: StatusCode::OK, headers: HeaderMap::new(), body: vec![] } }
//! # async fn run(session: AuthSession, headers: HeaderMap, body: Vec<u8>) -> Result<Response, Error> {
//! let outgoing = Outgoing::new(Method::POST, session.server(), &headers).with_message(body.clone());
//! let mut exchange = Exchange::new(&session, outgoing);
//! loop {
//!     let mut sent = headers.clone();
//!     if let Some(credential) = exchange.authorize().await? {
//!         credential.insert_into(&mut sent);
//!     }
//!     let response = post(exchange.url(), &sent, &body).await;
//!     match exchange.receive(response.status, &response.headers).await? {
//!         Next::Send => {}
//!         Next::Deliver(Look::Message) if exchange.inspect(&response.body).await? => {}
//!         // For the events of a stream see `EventWatch`.
//!         Next::Deliver(_) => return Ok(response),
//!     }
//! }
//! # }
//! ```

mod events;
mod exchange;
mod message;
mod outgoing;
mod redirect;

pub use events::{EventTooLong, EventWatch, Piece, Watched, event_of};
pub use exchange::{Exchange, Look, Next};
pub use message::{failure_of, quotable};
pub use outgoing::{Kind, Outgoing, Redirects};

/// The default maximum length of a response, and of an event in a stream, that a transport reads, in bytes.
pub const MAX_ANSWER: usize = 16 * 1024 * 1024;
