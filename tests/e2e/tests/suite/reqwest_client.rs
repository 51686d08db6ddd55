//! The reqwest transport without an SDK: the client, and the middleware.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream;
use http::{Extensions, HeaderValue, StatusCode};
use mcp_reauth::{AuthSession, Authorization, ErrorCode};
use mcp_reauth_fixture::Faults;
use mcp_reauth_reqwest::{Client, ReauthMiddleware, find_error};
use reqwest::redirect::Policy;
use reqwest::{Body, Request, Response, Url};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use serde_json::{Value, json};

use crate::support::{Front, Scripted, World};

/// A message that calls a tool.
fn message(tool: &str) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "mcp-reauth-e2e", "version": "0" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": tool, "arguments": { "text": "hello" }, "_meta": meta });
    json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params }).to_string()
}

fn request(session: &AuthSession, tool: &str) -> Request {
    let client = Client::new(session.clone()).expect("TLS can be set up");
    let mut request = client.post(message(tool)).expect("a request");
    let headers = request.headers_mut();
    let name = HeaderValue::from_str(tool).expect("a name");
    headers.insert("mcp-name", name);
    for (name, value) in [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    request
}

/// Middleware that counts requests.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU64>);

impl Counted {
    fn count(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

#[async_trait::async_trait]
impl Middleware for Counted {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        self.0.fetch_add(1, Ordering::Relaxed);
        next.run(request, extensions).await
    }
}

/// Both ways to send a request.
enum Way {
    Client(Client),
    Middleware(ClientWithMiddleware),
}

impl Way {
    fn both(session: &AuthSession) -> [Self; 2] {
        let client = Client::new(session.clone()).expect("TLS can be set up");
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy();
        let http = ClientBuilder::new(http.build().expect("a client"));
        let middleware = ReauthMiddleware::new(session.clone()).expect("TLS can be set up");
        [
            Self::Client(client),
            Self::Middleware(http.with(middleware).build()),
        ]
    }

    async fn send(&self, request: Request) -> Result<Response, ErrorCode> {
        match self {
            Self::Client(client) => client.execute(request).await.map_err(|error| {
                let found = find_error(&error).expect("an error of authorization");
                found.code()
            }),
            Self::Middleware(client) => client.execute(request).await.map_err(|error| {
                let found = find_error(&error).expect("an error of authorization");
                found.code()
            }),
        }
    }

    async fn call(&self, session: &AuthSession, tool: &str) -> Result<Value, ErrorCode> {
        let response = self.send(request(session, tool)).await?;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.url().as_str(), session.server());
        let text = response.text().await.expect("it is whole");
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        Ok(serde_json::from_str(data.unwrap_or(&text)).expect("JSON"))
    }

    async fn succeeds(&self, session: &AuthSession, tool: &str) {
        let answer = self.call(session, tool).await.expect("it is answered");
        assert_eq!(answer["id"], 5, "{answer}");
        assert!(answer["result"]["content"].is_array(), "{answer}");
        assert_ne!(answer["result"]["isError"], true, "{answer}");
    }
}

#[tokio::test]
async fn a_rejected_call_is_answered_all_the_same() {
    let world = World::new().await;
    for (way, more) in Way::both(&world.session)
        .iter()
        .zip(["write_note", "delete_note"])
    {
        way.succeeds(&world.session, "echo").await;
        world.reset();
        world.control().expire_access_tokens();
        way.succeeds(&world.session, "echo").await;
        let counters = world.counters();
        assert_eq!((counters.token_refresh, counters.total()), (1, 3));
        assert_eq!(world.prompts(), (0, 0));
        world.user.says(false);
        let refused = way.call(&world.session, more).await;
        assert_eq!(refused.expect_err("a no"), ErrorCode::ConsentDenied);
        world.user.says(true);
        way.succeeds(&world.session, more).await;
        assert_eq!(world.prompts(), (2, 1));
    }
}

#[tokio::test]
async fn a_challenge_in_the_result_of_a_tool_is_recovered_from() {
    let world = World::new().await;
    let faults = Faults {
        challenge_in_tool_result: true,
        ..Faults::default()
    };
    for way in Way::both(&world.session) {
        way.succeeds(&world.session, "echo").await;
        world.fault(faults.clone());
        world.reset();
        world.control().expire_access_tokens();
        way.succeeds(&world.session, "echo").await;
        let counters = world.counters();
        assert_eq!((counters.tool_challenges, counters.token_refresh), (1, 1));
        world.mend();
    }
}

#[tokio::test]
async fn so_is_one_in_an_event_stream_where_a_refusal_is_the_answer() {
    let world = World::new().await;
    let front = Front::start(world.url()).await;
    world.fault(Faults {
        challenge_in_tool_result: true,
        metadata_resource: Some(front.url.clone()),
        ..Faults::default()
    });
    let session = world
        .another_session(&front.url, |builder| builder.send_resource(false))
        .await;
    for (way, more) in Way::both(&session)
        .iter()
        .zip(["write_note", "delete_note"])
    {
        way.succeeds(&session, "echo").await;
        world.user.says(false);
        let answer = way.call(&session, more).await.expect("it is answered");
        assert_eq!(answer["id"], 5);
        assert_eq!(answer["error"]["code"], -32080, "{answer}");
        assert_eq!(
            answer["error"]["data"]["code"], "consent_denied",
            "{answer}"
        );
        world.user.says(true);
        way.succeeds(&session, more).await;
    }
    // An oversized event ends the stream, and the error becomes the answer.
    let client = Client::new(session.clone()).expect("TLS can be set up");
    let way = Way::Client(client.with_max_answer(0).with_max_event(20));
    let answer = way.call(&session, "echo").await.expect("it is answered");
    assert_eq!(answer["error"]["data"]["code"], "http", "{answer}");
    let told = answer["error"]["message"].as_str().expect("a text");
    assert!(told.contains("longer than 20 bytes"), "{told}");
}

#[tokio::test]
async fn middleware_below_sees_each_try_and_middleware_above_one() {
    let world = World::new().await;
    let (above, below) = (Counted::default(), Counted::default());
    let http = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy();
    let client = ClientBuilder::new(http.build().expect("a client"))
        .with(above.clone())
        .with(ReauthMiddleware::new(world.session.clone()).expect("TLS can be set up"))
        .with(below.clone())
        .build();
    let way = Way::Middleware(client);
    way.succeeds(&world.session, "echo").await;
    assert_eq!((above.count(), below.count()), (1, 2));
    way.succeeds(&world.session, "echo").await;
    assert_eq!((above.count(), below.count()), (1, 1));
    world.control().expire_access_tokens();
    way.succeeds(&world.session, "echo").await;
    assert_eq!((above.count(), below.count()), (1, 2));
}

#[tokio::test]
async fn a_body_that_can_be_sent_once_is_handed_through_and_the_next_one_works() {
    let world = World::new().await;
    for way in Way::both(&world.session) {
        way.succeeds(&world.session, "echo").await;
        world.control().expire_access_tokens();
        let mut once = request(&world.session, "echo");
        let chunk = Ok::<_, std::io::Error>(message("echo"));
        *once.body_mut() = Some(Body::wrap_stream(stream::iter([chunk])));
        let response = way.send(once).await.expect("it is handed through");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        world.reset();
        way.succeeds(&world.session, "echo").await;
        assert_eq!(world.counters().total(), 1, "it was renewed already");
    }
}

#[tokio::test]
async fn the_credential_goes_to_the_server_alone_and_comes_with_its_response() {
    let world = World::new().await;
    let [client, middleware] = Way::both(&world.session);
    client.succeeds(&world.session, "echo").await;
    let response = client.send(request(&world.session, "echo")).await;
    let response = response.expect("it is answered");
    let sent = response.extensions().get::<Authorization>();
    assert_eq!(sent, world.session.authorization().as_ref());
    let front = Front::start(world.url()).await;
    for way in [client, middleware] {
        let mut elsewhere = request(&world.session, "echo");
        *elsewhere.url_mut() = front.url.parse().expect("an address");
        let response = way.send(elsewhere).await.expect("it is answered");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.extensions().get::<Authorization>(), None);
    }
}

/// Sends every request to another address, like a client that follows redirects although it must not.
struct Astray(Url);

#[async_trait::async_trait]
impl Middleware for Astray {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        *request.url_mut() = self.0.clone();
        request.headers_mut().remove("authorization");
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn what_another_address_answers_is_no_answer_of_the_server() {
    let (world, other) = (World::new().await, World::new().await);
    let same_origin = format!("{}?another=query", world.url());
    for address in [other.url(), &same_origin] {
        let http = reqwest::Client::builder().no_proxy().build();
        let client = ClientBuilder::new(http.expect("a client"))
            .with(ReauthMiddleware::new(world.session.clone()).expect("TLS can be set up"))
            .with(Astray(address.parse().expect("an address")))
            .build();
        let way = Way::Middleware(client);
        let failed = way.send(request(&world.session, "echo")).await;
        assert_eq!(
            failed.expect_err("it is refused"),
            ErrorCode::Http,
            "{address}"
        );
        assert_eq!((world.prompts(), other.prompts()), ((0, 0), (0, 0)));
    }
}

/// The call was rejected inside an event stream. When it is repeated, the server answers 400 with a JSON-RPC error, which
/// takes the place of the event.
#[tokio::test]
async fn an_error_that_answers_a_repeated_call_takes_the_place_of_the_event() {
    let world = World::new().await;
    let server = Scripted::start(world.issuer()).await;
    let session = world
        .another_session(&server.url, |b| b.send_resource(false))
        .await;
    let challenge = json!({
        "jsonrpc": "2.0",
        "id": 5,
        "result": {
            "content": [],
            "isError": true,
            "_meta": { "mcp/www_authenticate": "Bearer error=\"invalid_token\"" },
        },
    });
    let error = json!({ "jsonrpc": "2.0", "id": 5, "error": { "code": -32602, "message": "no such tool" } });
    for way in Way::both(&session) {
        server.answers([
            (200, "text/event-stream", format!("data: {challenge}\n\n")),
            (400, "application/json", error.to_string()),
        ]);
        let answer = way.call(&session, "echo").await.expect("it is answered");
        assert_eq!(answer, error);
        assert_eq!(server.left(), 0, "the call was repeated");
        // Any other failure becomes an error that names the status.
        server.answers([
            (200, "text/event-stream", format!("data: {challenge}\n\n")),
            (
                400,
                "application/json",
                json!({ "error": "no" }).to_string(),
            ),
        ]);
        let answer = way.call(&session, "echo").await.expect("it is answered");
        let message = answer["error"]["message"].as_str().expect("a text");
        assert!(message.contains("400"), "{answer}");
    }
}
