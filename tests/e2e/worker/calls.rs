//! A program that makes many concurrent calls to the MCP server.

use std::sync::Arc;

use futures_util::future::join_all;
use mcp_reauth::recovery::Trigger;
use mcp_reauth::{AuthSession, Error, FileStore, Operation, Recovery, wording};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::clock::Clock;
use crate::person::Person;
use crate::tell;

/// The limit of tries for one request.
const MOST_TRIES: usize = 10;

/// Opens a session, then runs commands: `go N` makes N calls at once, `clock N` advances the clock by N seconds.
pub(crate) async fn run(store: &str, server: &str, options: &[&str]) {
    let speed = options.iter().find_map(|o| o.strip_prefix("speed="));
    let clock = Clock::new(speed.map_or(1.0, |speed| speed.parse().expect("a number")));
    let person = Arc::new(Person::default());
    let mut builder = AuthSession::builder(server)
        .client_name("e2e-worker")
        .runtime(clock.clone())
        .store(FileStore::new(store));
    if options.contains(&"person") {
        builder = builder.host(Arc::clone(&person));
    }
    let session = builder.open().await.expect("the session opens");
    // Skips the system's certificates, because loading them would take longer than everything else.
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build();
    let http = http.expect("an HTTP client");
    tell(&json!({}));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match line.split_once(' ') {
            Some(("go", calls)) => {
                let calls = calls.parse().expect("a number");
                let (session, http, person) = (session.clone(), http.clone(), person.clone());
                tokio::spawn(async move { go(&session, &http, &person, calls).await });
            }
            Some(("clock", seconds)) => {
                clock.advance(seconds.parse().expect("a number"));
                tell(&json!({}));
            }
            _ => panic!("{line:?}: go N, or clock N"),
        }
    }
}

async fn go(session: &AuthSession, http: &reqwest::Client, person: &Person, calls: usize) {
    let calls = join_all((0..calls).map(|_| call(session, http))).await;
    let failed = calls.iter().filter_map(|call| call.as_ref().err());
    let told = |error: &Error| json!([error.code(), error.to_string(), wording::failure(error)]);
    tell(&json!({
        "succeeded": calls.iter().filter(|call| call.is_ok()).count(),
        "failed": failed.map(told).collect::<Vec<_>>(),
        "pages": person.pages(),
        "events": person.events(),
    }));
}

/// Calls a tool that every signed-in client may call.
async fn call(session: &AuthSession, http: &reqwest::Client) -> Result<(), Error> {
    let body = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "echo",
            "arguments": { "text": "hello" },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "e2e-worker", "version": "0" },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let mut request = session.request(Operation::of_message(&body), Trigger::Command);
    for _ in 0..MOST_TRIES {
        let credential = request.authorize("POST", session.server()).await?;
        let mut message = http
            .post(session.server())
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", "echo")
            .body(body.to_string());
        for (name, value) in credential.iter().flat_map(|c| c.headers()) {
            message = message.header(name, value);
        }
        let answer = message.send().await.expect("the server answers");
        match request.recover(answer.status(), answer.headers()).await {
            Recovery::Retry => {}
            Recovery::PassThrough if answer.status().is_success() => return Ok(()),
            Recovery::PassThrough => panic!("unexpected status {}", answer.status()),
            Recovery::Failed(error) => return Err(error),
        }
    }
    panic!("the request was sent {MOST_TRIES} times");
}
