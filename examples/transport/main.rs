//! A custom transport: it sends and receives, and an `Exchange` says what to do.
//!
//! ```console
//! $ cargo run -p mcp-reauth-examples --bin transport -- https://mcp.example.com/mcp
//! ```

use std::error::Error;

use http::{HeaderMap, HeaderValue, Method};
use mcp_reauth::AuthSession;
use mcp_reauth::loopback::TerminalHost;
use mcp_reauth::mcp::{Exchange, Look, Next, Outgoing, Piece, Watched};
use reqwest::Response;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).ok_or("usage: transport SERVER")?;
    let session = AuthSession::builder(server)
        .client_name("Transport example")
        .host(TerminalHost::default())
        .open()
        .await?;
    // The exchange says which redirects to follow.
    let http = reqwest::Client::builder()
        .redirect(Policy::none())
        .build()?;

    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "Transport example", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "_meta": meta });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params });
    let answer = send(&session, &http, &message.to_string()).await?;
    // The response is a message, or an event stream whose last event is the answer.
    let mut lines = answer.lines().rev();
    let data = lines.find_map(|line| line.strip_prefix("data: "));
    let answer: Value = serde_json::from_str(data.unwrap_or(&answer))?;
    for tool in answer["result"]["tools"].as_array().into_iter().flatten() {
        println!("{}", tool["name"].as_str().unwrap_or_default());
    }
    session.settle().await;
    Ok(())
}

/// Sends a message until there is a response for the caller.
async fn send(
    session: &AuthSession,
    http: &reqwest::Client,
    message: &str,
) -> Result<String, Box<dyn Error>> {
    let mut own = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
    ] {
        own.insert(name, HeaderValue::from_static(value));
    }
    let outgoing = Outgoing::new(Method::POST, session.server(), &own);
    let mut exchange = Exchange::new(session, outgoing.with_message(message.to_owned()));
    loop {
        // Starts from the original header fields: the last try's credential must not be sent again.
        let mut headers = own.clone();
        if let Some(credential) = exchange.authorize().await? {
            credential.insert_into(&mut headers);
        }
        let request = http.post(exchange.url()).headers(headers);
        let response = request.body(message.to_owned()).send().await?;
        let status = response.status();
        let next = exchange.receive(status, response.headers()).await?;
        let answer = match next {
            Next::Send => None,
            Next::Deliver(Look::Events) => events(&mut exchange, response).await?,
            Next::Deliver(look) => {
                let body = response.bytes().await?;
                let again = look == Look::Message && exchange.inspect(&body).await?;
                (!again).then(|| body.into())
            }
        };
        match answer {
            None => {}
            Some(answer) if status.is_success() => return Ok(String::from_utf8(answer)?),
            Some(_) => return Err(format!("the server answered {status}").into()),
        }
    }
}

/// Reads the events of a response; `None` if a challenge in them was recovered from and the message must be sent again.
/// A client that shows progress would pass each event on as it arrives.
async fn events(
    exchange: &mut Exchange,
    mut response: Response,
) -> Result<Option<Vec<u8>>, Box<dyn Error>> {
    let mut watch = exchange.events();
    let mut passed = Vec::new();
    loop {
        let chunk = response.chunk().await?;
        let pieces = match &chunk {
            Some(chunk) => match watch.push(chunk)? {
                Watched::AsIs => vec![Piece::Pass(chunk.to_vec())],
                Watched::Pieces(pieces) => pieces,
            },
            None => watch.finish(),
        };
        for piece in pieces {
            match piece {
                Piece::Pass(events) => passed.extend(events),
                Piece::Suspect { data, .. } if exchange.inspect(&data).await? => return Ok(None),
                Piece::Suspect { event, .. } => passed.extend(event),
            }
        }
        if chunk.is_none() {
            return Ok(Some(passed));
        }
    }
}
