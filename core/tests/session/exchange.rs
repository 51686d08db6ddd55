//! One MCP exchange over HTTP: kinds of requests, redirects, challenges inside responses.

use std::time::Duration;

use ::http::HeaderValue;
use ::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, LOCATION, WWW_AUTHENTICATE};
use mcp_reauth::http::{HeaderMap, Method, StatusCode};
use mcp_reauth::mcp::{Exchange, Kind, Look, Next, Outgoing, Redirects};
use mcp_reauth::{AuthSession, Error};

use crate::support::{Answer, Bench, Fault, SERVER, Token, pass};

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"work"}}"#;

fn fields<const N: usize>(fields: [(HeaderName, &'static str); N]) -> HeaderMap {
    let fields = fields.map(|(name, value)| (name, HeaderValue::from_static(value)));
    HeaderMap::from_iter(fields)
}

fn invalid() -> HeaderMap {
    fields([(WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#)])
}

fn of_type(media_type: &'static str) -> HeaderMap {
    fields([(CONTENT_TYPE, media_type)])
}

fn call() -> Outgoing {
    Outgoing::new(Method::POST, SERVER, &HeaderMap::new()).with_message(CALL)
}

/// An exchange whose request has been sent.
async fn sent(session: &AuthSession, outgoing: Outgoing) -> Exchange {
    let mut exchange = Exchange::new(session, outgoing);
    exchange.authorize().await.expect("no key is needed");
    exchange
}

fn header_value(session: &AuthSession) -> String {
    let authorization = session.authorization().expect("a credential");
    authorization.header_value().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_rejected_message_is_sent_again_with_another_credential() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let old = header_value(&session);
    let mut exchange = sent(&session, call()).await;
    assert_eq!(exchange.kind(), Kind::Command);
    bench.world.servers(|s| s.revoke_access());
    let next = exchange.receive(StatusCode::UNAUTHORIZED, &invalid()).await;
    assert_eq!(next.expect("recovered"), Next::Send);
    assert_eq!(exchange.url(), SERVER);
    let credential = exchange.authorize().await.expect("no key is needed");
    let mut headers = fields([(HeaderName::from_static("authorization"), "Bearer old")]);
    credential.expect("one").insert_into(&mut headers);
    assert_eq!(headers.len(), 1);
    assert_ne!(headers["authorization"], old);
    assert!(headers["authorization"].is_sensitive());
    assert_eq!(bench.world.trace(), [Token]);
    // It is rejected again: the caller gets that response.
    let refused = exchange.receive(StatusCode::UNAUTHORIZED, &invalid()).await;
    assert!(refused.is_err() || bench.host.prompts().1 > 0);
}

#[tokio::test(start_paused = true)]
async fn how_an_answer_is_looked_through() {
    let session = Bench::new().signed_in("").await;
    let list = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
    let mut lists = sent(&session, call().with_message(list)).await;
    let mut calls = sent(&session, call()).await;
    let (json, events) = ("application/json; charset=utf-8", "Text/Event-Stream");
    for (status, media_type, of_list, of_call) in [
        (200, json, Look::None, Look::Message),
        (200, events, Look::Events, Look::Events),
        (202, "text/plain", Look::None, Look::None),
        (400, json, Look::None, Look::None),
        (503, events, Look::None, Look::None),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        for (exchange, look) in [(&mut lists, of_list), (&mut calls, of_call)] {
            let next = exchange.receive(status, &of_type(media_type)).await;
            assert_eq!(
                next.expect("an answer"),
                Next::Deliver(look),
                "{status} {media_type}"
            );
        }
    }
    let mut odd = HeaderMap::new();
    let value = HeaderValue::from_bytes(b"text/event-stream; x=\xe9").expect("a value");
    odd.insert(CONTENT_TYPE, value);
    let events = lists.receive(StatusCode::OK, &odd).await;
    assert_eq!(events.expect("an answer"), Next::Deliver(Look::Events));
    let bare = lists.receive(StatusCode::OK, &HeaderMap::new()).await;
    assert_eq!(bare.expect("an answer"), Next::Deliver(Look::None));
}

#[tokio::test(start_paused = true)]
async fn a_challenge_inside_an_answer_is_recovered_from() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let mut exchange = sent(&session, call()).await;
    let answer = |text: &str| format!(r#"{{"jsonrpc":"2.0","id":7,"result":{text}}}"#);
    let challenged = answer(
        r#"{"isError":true,"_meta":{"mcp\/www_authenticate":"Bearer error=\"insufficient_scope\", scope=\"a\""}}"#,
    );
    for passes in [
        answer(r#"{"content":[]}"#),
        answer(r#"{"content":[{"type":"text","text":"www_authenticate"}]}"#),
        challenged.replace("true", "false"),
        "www_authenticate".to_owned(),
        String::new(),
    ] {
        let inspected = exchange.inspect(passes.as_bytes()).await;
        assert!(!inspected.expect("it passes"), "{passes}");
    }
    // An older server may respond with a batch.
    let listed = format!(r#"[{{"jsonrpc":"2.0","method":"x"}},{challenged}]"#);
    assert!(exchange.inspect(listed.as_bytes()).await.expect("granted"));
    let asked = &bench.host.consents()[0];
    assert_eq!(asked.challenge.context.tool_name.as_deref(), Some("work"));
    // A failure is reported under the id of the call.
    bench.host.answers(Answer::No);
    let more = challenged.replace("scope=\\\"a\\\"", "scope=\\\"b\\\"");
    exchange.authorize().await.expect("no key is needed");
    let error = exchange.inspect(more.as_bytes()).await.expect_err("a no");
    let told = exchange.failure(&error).expect("it has an id");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["id"], 7);
    assert_eq!(told["error"]["data"]["code"], error.code().as_str());
    let notification = call().with_message(r#"{"jsonrpc":"2.0","method":"x"}"#);
    assert_eq!(Exchange::new(&session, notification).failure(&error), None);
}

#[tokio::test(start_paused = true)]
async fn redirects_within_the_origin_are_followed_that_keep_the_method() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let there = SERVER.replace(".example/mcp", ".example/there");
    let mut exchange = sent(&session, call()).await;
    for hop in 0..5 {
        let to = fields([(LOCATION, "/there")]);
        let next = exchange.receive(StatusCode::TEMPORARY_REDIRECT, &to).await;
        assert_eq!(next.expect("followed"), Next::Send, "{hop}");
        assert_eq!(exchange.url(), there);
        assert!(exchange.authorize().await.expect("no key").is_some());
    }
    let to = fields([(LOCATION, "/there")]);
    let sixth = exchange.receive(StatusCode::TEMPORARY_REDIRECT, &to).await;
    let error = sixth.expect_err("there is an end");
    assert_eq!(error.code().as_str(), "http");
    // A rejection after a redirect is the server's, and the request starts again at its first URL.
    let mut exchange = sent(&session, call()).await;
    let next = exchange.receive(StatusCode::PERMANENT_REDIRECT, &to).await;
    assert_eq!(next.expect("followed"), Next::Send);
    exchange.authorize().await.expect("no key is needed");
    bench.world.servers(|s| s.revoke_access());
    let next = exchange.receive(StatusCode::UNAUTHORIZED, &invalid()).await;
    assert_eq!(next.expect("recovered"), Next::Send);
    assert_eq!(exchange.url(), SERVER);
}

#[tokio::test(start_paused = true)]
async fn no_other_redirect_is_followed() {
    let session = Bench::new().signed_in("").await;
    for (status, location) in [
        (302, "/there"),
        (303, "/there"),
        (301, "/there"),
        (307, "https://elsewhere.example/mcp"),
        (308, "http://mcp.example/mcp"),
        (307, "//user:secret@mcp.example/mcp"),
        (307, "http://"),
    ] {
        let mut exchange = sent(&session, call()).await;
        let status = StatusCode::from_u16(status).expect("a status");
        let next = exchange
            .receive(status, &fields([(LOCATION, location)]))
            .await;
        let error = next.expect_err("it is not followed");
        assert!(matches!(error, Error::Http { .. }), "{location}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let to = fields([(LOCATION, "/there")]);
    for outgoing in [call().with_redirects(Redirects::Refuse), call().once()] {
        let mut exchange = sent(&session, outgoing).await;
        let next = exchange.receive(StatusCode::TEMPORARY_REDIRECT, &to).await;
        assert!(next.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_follows_redirects_itself_takes_the_credential_along() {
    let session = Bench::new().signed_in("").await;
    let there = SERVER.replace(".example/mcp", ".example/there");
    assert!(!session.applies_to(&there));
    let mut exchange = sent(&session, call().with_redirects(Redirects::GiveBack)).await;
    for (location, goes) in [("https://elsewhere.example/there", false), ("/there", true)] {
        let to = fields([(LOCATION, location)]);
        let next = exchange.receive(StatusCode::TEMPORARY_REDIRECT, &to).await;
        assert_eq!(next.expect("given back"), Next::Deliver(Look::None));
        assert_eq!(session.applies_to(&there), goes, "{location}");
    }
    assert!(!session.applies_to("https://elsewhere.example/there"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_can_be_sent_once_is_recovered_for_the_next() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let old = header_value(&session);
    let mut exchange = sent(&session, call().once()).await;
    bench.world.servers(|s| s.revoke_access());
    let next = exchange.receive(StatusCode::UNAUTHORIZED, &invalid()).await;
    assert_eq!(next.expect("it is the caller's"), Next::Deliver(Look::None));
    assert_ne!(header_value(&session), old);
    // The user is not asked for a request that cannot be sent again.
    let more = fields([(
        WWW_AUTHENTICATE,
        r#"Bearer error="insufficient_scope", scope="a""#,
    )]);
    let prompts = bench.host.prompts();
    let mut exchange = sent(&session, call().once()).await;
    let next = exchange.receive(StatusCode::FORBIDDEN, &more).await;
    assert_eq!(next.expect("it is the caller's"), Next::Deliver(Look::None));
    assert_eq!(bench.host.prompts(), prompts);
}

fn idle() -> Outgoing {
    let accept = (ACCEPT, "text/event-stream");
    let id = (HeaderName::from_static("mcp-session-id"), "s");
    Outgoing::new(Method::GET, SERVER, &fields([accept, id]))
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_waits_until_it_can_be_authorized() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let prompts = bench.host.prompts();
    let more = r#"Bearer error="insufficient_scope", scope="a""#;
    let more = fields([(WWW_AUTHENTICATE, more)]);
    let mut idle = sent(&session, idle()).await;
    assert_eq!(idle.kind(), Kind::IdleStream);
    let next = idle.receive(StatusCode::FORBIDDEN, &more).await;
    assert_eq!(next.expect("it waits"), Next::Send);
    {
        let waits = idle.authorize();
        tokio::pin!(waits);
        let waited = tokio::time::timeout(Duration::from_secs(3000), &mut waits).await;
        assert!(waited.is_err(), "it waits");
        assert_eq!(bench.host.prompts(), prompts, "the user is not asked");
        assert_eq!(bench.send(&session, "a").await, Ok(200));
        pass(1).await;
        let credential = waits.await.expect("no key is needed").expect("one");
        assert_eq!(
            credential.authorization().header_value(),
            header_value(&session)
        );
    }
    // After the wait, it recovers like any other request.
    let next = idle.receive(StatusCode::FORBIDDEN, &more).await;
    assert_eq!(next.expect("it can be opened"), Next::Send);
    // A stream that resumes a response does not wait: its caller does.
    let accept = (ACCEPT, "text/event-stream");
    let id = (HeaderName::from_static("mcp-session-id"), "s");
    let last = (HeaderName::from_static("last-event-id"), "1");
    let resumed = Outgoing::new(Method::GET, SERVER, &fields([accept, id, last]));
    let mut resumed = sent(&session, resumed).await;
    let more = r#"Bearer error="insufficient_scope", scope="b""#;
    let more = fields([(WWW_AUTHENTICATE, more)]);
    let error = resumed.receive(StatusCode::FORBIDDEN, &more).await;
    assert_eq!(
        error.expect_err("now").code().as_str(),
        "interaction_required"
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_tries_an_unavailable_server_again_ever_more_seldom() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.always(Token, Fault::Status(503));
    let mut idle = sent(&session, idle()).await;
    for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
        let next = idle.receive(StatusCode::UNAUTHORIZED, &invalid()).await;
        assert_eq!(next.expect("it waits"), Next::Send);
        let start = tokio::time::Instant::now();
        idle.authorize().await.expect("no key is needed");
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    // Any other error is final.
    let gone = fields([(LOCATION, "https://elsewhere.example/")]);
    assert!(
        idle.receive(StatusCode::TEMPORARY_REDIRECT, &gone)
            .await
            .is_err()
    );
}
