//! `mcp-reauth examine`, with shell scripts as clients. Real clients, and one with mistakes, are examined by
//! `./test examine`.

use std::path::Path;

use mcp_reauth_fixture::config::{GrantType, PreRegisteredClient};
use mcp_reauth_fixture::{Config, Fixture};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Program, free_port, soon};
use crate::tested::tested;

/// Reads commands, and has `$line`, `$id` and `$url` for the body of its loop.
const LOOP: &str = r#"
for url; do :; done
while read -r line; do
    id=${line#*\"id\":}
    id=${id%%[,\}]*}
    BODY
done"#;

/// A client that does this for each command.
fn client(body: &str) -> [String; 3] {
    let script = LOOP.replace("BODY", body);
    ["sh".to_owned(), "-c".to_owned(), script]
}

/// A client that runs this program for each command, and then does something.
fn own_client(then: &str) -> Vec<String> {
    let body = r#"
    case $line in
        *connect*) set -- login "$url" ;;
        *echo*) set -- call "$url" echo ;;
        *) set -- call "$url" write_note ;;
    esac
    "$TESTED" "$@" -y --store "$MCP_REAUTH_EXAMINE_STORE/credentials.json" \
        --callback-url http://127.0.0.1:0/callback >&2 && ok=true || ok=false
    THEN
    echo "{\"id\": $id, \"ok\": $ok}""#;
    // The name of the script, before its arguments.
    let script = client(&body.replace("THEN", then)).into_iter();
    script.chain(["client".to_owned()]).collect()
}

/// Examines a client as JSON.
fn examine(only: &str, client: impl IntoIterator<Item = String>) -> Program {
    Program::new(["examine", "--json", "--only", only, "--"])
        .args(client)
        .env("TESTED", tested())
}

fn reports(text: &str) -> Vec<Value> {
    let reports = text.lines().map(serde_json::from_str);
    reports.collect::<Result<_, _>>().expect("lines of JSON")
}

fn kinds(report: &Value) -> Vec<&str> {
    let problems = report["problems"].as_array().expect("a list");
    let kinds = problems.iter().map(|problem| problem["kind"].as_str());
    kinds.collect::<Option<_>>().expect("each has a kind")
}

#[tokio::test]
async fn a_client_that_does_all_passes() {
    let names = "first-sign-in,rejected,restart,restart-rejected,revoked,processes-started";
    let ended = examine(names, own_client("")).run().await.succeeded();
    let reports = reports(&ended.stdout);
    assert_eq!(reports.len(), 6, "{ended:#?}");
    let rejected = &reports[1];
    assert_eq!(rejected["scenario"], "rejected");
    assert_eq!(rejected["passed"], true);
    assert_eq!(
        (&rejected["answered"], &rejected["calls"]),
        (&1.into(), &1.into())
    );
    assert_eq!(rejected["requests"], rejected["requestsLimit"]);
    assert_eq!(rejected["prompts"], 0);
    let trace: Vec<&str> = rejected["trace"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(trace.contains(&"first POST /token"), "{trace:?}");
}

#[tokio::test]
async fn as_a_table_it_has_a_line_a_scenario_and_its_requests_with_v() {
    let ended = Program::new(["-v", "examine", "--only", "first-sign-in", "--"])
        .args(own_client(""))
        .env("TESTED", tested())
        .run()
        .await
        .succeeded();
    for text in [
        "✓ first-sign-in",
        "1 of 1",
        "first GET /authorize\n",
        "All 1 passed.",
    ] {
        assert!(ended.stdout.contains(text), "no {text} in {ended:#?}");
    }
    assert!(!ended.stdout.contains('?'), "{ended:#?}");
    assert_eq!(ended.stderr, "");
}

#[tokio::test]
async fn a_printed_secret_is_found_and_not_repeated() {
    let shows = r#"cat "$MCP_REAUTH_EXAMINE_STORE/credentials.json" >&2"#;
    let ended = examine("rejected", own_client(shows)).run().await.exited(1);
    assert_eq!(kinds(&reports(&ended.stdout)[0]), ["leaked"]);
    for secret in ["at_", "rt_"] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret));
    }
}

#[tokio::test]
async fn a_client_is_told_the_scenario_and_the_version_and_its_error_is_shown() {
    let says = r#"echo "{\"id\": $id, \"ok\": false, \"error\": \"$MCP_CONFORMANCE_SCENARIO $MCP_CONFORMANCE_PROTOCOL_VERSION $MCP_CONFORMANCE_CONTEXT\"}""#;
    let ended = Program::new(["examine", "--json", "--only", "first-sign-in"])
        .args(["--protocol", "2026-07-28", "--"])
        .args(client(says))
        .run()
        .await
        .exited(1);
    let report = &reports(&ended.stdout)[0];
    assert_eq!(kinds(report), ["unanswered"]);
    let message = report["problems"][0]["message"].as_str();
    let message = message.expect("a text");
    assert!(
        message.contains("examine/first-sign-in 2026-07-28 {}"),
        "{message}"
    );
}

#[tokio::test]
async fn a_success_that_the_server_never_sent_is_found() {
    let lies = r#"echo "{\"id\": $id, \"ok\": true}""#;
    let ended = examine("always-401", client(lies)).run().await.exited(1);
    assert_eq!(kinds(&reports(&ended.stdout)[0]), ["fooled"]);
}

#[tokio::test]
async fn a_client_that_ends_or_asks_too_much_fails() {
    let ended = examine("first-sign-in", client("exit"))
        .run()
        .await
        .exited(1);
    assert_eq!(kinds(&reports(&ended.stdout)[0]), ["unanswered"]);
    let ended = Program::new(["examine", "--only", "first-sign-in", "--", "true"])
        .run()
        .await
        .exited(1);
    assert!(ended.stdout.contains("1 of 1 failed."), "{ended:#?}");
    let again = own_client(
        r#""$TESTED" login --force "$url" --store "$MCP_REAUTH_EXAMINE_STORE/other" --callback-url http://127.0.0.1:0/callback >&2"#,
    );
    let ended = examine("step-up", again).run().await.exited(1);
    assert_eq!(kinds(&reports(&ended.stdout)[0])[0], "excess");
}

#[tokio::test]
async fn a_client_that_says_nothing_hangs_for_as_long_as_it_may() {
    let ended = Program::new(["examine", "--json", "--only", "first-sign-in"])
        .args(["--timeout", "1", "--"])
        .args(client(":"))
        .run()
        .await
        .exited(1);
    let report = &reports(&ended.stdout)[0];
    assert_eq!(kinds(report), ["hung"]);
    let message = report["problems"][0]["message"].as_str();
    assert_eq!(message, Some("connecting: no result within 2 s"));
}

#[tokio::test]
async fn the_scenarios_are_listed() {
    let ended = Program::new(["examine", "--list"]).run().await.succeeded();
    assert!(ended.stdout.lines().count() >= 30, "{ended:#?}");
    for line in ended.stdout.lines() {
        let (name, title) = line.split_at(22);
        assert!(!name.trim().contains(' ') && !title.is_empty(), "{line}");
    }
}

#[tokio::test]
async fn a_wrong_command_line_is_a_usage_error() {
    Program::new(["examine"]).run().await.failed(2, "COMMAND");
    Program::new(["examine", "--only", "no-such", "--", "true"])
        .run()
        .await
        .failed(2, "there is no such scenario; --list prints their names");
    Program::new(["examine", "--json", "--", "/no/such/program"])
        .run()
        .await
        .failed(2, "/no/such/program cannot be started");
}

#[tokio::test]
async fn the_person_follows_a_page_to_the_callback() {
    let fixture = Fixture::start(Default::default()).await.expect("servers");
    let page = format!("{}/authorize", fixture.issuer());
    Program::new(["examine", "--visit", &page])
        .run()
        .await
        .succeeded();
    assert_eq!(fixture.control().counters().authorize_visits, 1);
}

#[tokio::test]
async fn the_person_tries_again_where_a_callback_is_not_listened_to_yet() {
    let port = free_port();
    let redirect = format!("http://127.0.0.1:{port}/callback");
    let mut config = Config::default();
    config.registration.clients = vec![PreRegisteredClient {
        client_id: "a-client".to_owned(),
        redirect_uris: vec![redirect.clone()],
        grant_types: vec![GrantType::AuthorizationCode],
        ..PreRegisteredClient::default()
    }];
    let fixture = Fixture::start(config).await.expect("servers");
    let page = format!(
        "{}/authorize?response_type=code&client_id=a-client&redirect_uri={redirect}&code_challenge={}&code_challenge_method=S256",
        fixture.issuer(),
        "c".repeat(43)
    );
    let visiting = Program::new(["examine", "--visit", &page]).start();
    let visited = fixture
        .control()
        .counters_when(|counters| counters.consents_approved == 1);
    soon(visited).await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await;
    let accepted = soon(listener.expect("the port").accept()).await;
    let (mut callback, _) = accepted.expect("a browser");
    // Read before it is answered: closing a socket with unread data breaks the connection.
    let mut request = [0; 4096];
    let read = callback.read(&mut request).await.expect("a request");
    assert!(request[..read].starts_with(b"GET /callback?code="));
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    callback.write_all(answer).await.expect("it listens");
    visiting.end().await.succeeded();
    assert_eq!(fixture.control().counters().authorize_visits, 1);
}

#[tokio::test]
async fn ctrl_c_ends_the_client_and_what_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("started");
    let starts = r#"sleep 1000 & echo $! >"$STARTED.new"; mv "$STARTED.new" "$STARTED"; wait"#;
    let examining = examine("first-sign-in", client(starts))
        .env("STARTED", &file)
        .start();
    let started = soon(written(&file)).await;
    examining.signal(rustix::process::Signal::INT);
    examining.end().await.exited(130).said("interrupted");
    soon(gone(&started)).await;
}

async fn written(file: &Path) -> String {
    loop {
        if let Ok(text) = std::fs::read_to_string(file) {
            return text.trim().to_owned();
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until a process has ended; one that only waits to be collected has.
async fn gone(id: &str) {
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        if !Path::new("/proc").exists() || stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        tokio::task::yield_now().await;
    }
}
