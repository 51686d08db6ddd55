//! Runs every example as a user does, against the fixture's servers.

use std::process::{Output, Stdio};
use std::time::Duration;

use mcp_reauth_fixture::config::{AuthMethod, GrantType, PreRegisteredClient};
use mcp_reauth_fixture::{Config, Fixture};
use reqwest::redirect::Policy;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(60);

/// An example in its own folder, with a browser that visits the given address.
fn example(program: &str, folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("BROWSER", env!("CARGO_BIN_EXE_visit"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn run(mut command: Command) -> String {
    let ended = timeout(LIMIT, command.output()).await.expect("it ends");
    let Output {
        status,
        stdout,
        stderr,
    } = ended.expect("it runs");
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{status}: {said}");
    String::from_utf8(stdout).expect("text")
}

async fn servers() -> Fixture {
    let fixture = Fixture::start(Config::default()).await;
    fixture.expect("the servers start")
}

#[tokio::test(flavor = "multi_thread")]
async fn terminal_signs_in_once() {
    let (fixture, folder) = (servers().await, tempfile::tempdir().expect("a folder"));
    for _ in 0..2 {
        let mut terminal = example(env!("CARGO_BIN_EXE_terminal"), &folder);
        terminal.arg(fixture.mcp_url());
        assert!(run(terminal).await.lines().any(|tool| tool == "echo"));
    }
    assert_eq!(fixture.control().counters().token_code, 1);
    fixture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transport_signs_in() {
    let (fixture, folder) = (servers().await, tempfile::tempdir().expect("a folder"));
    let mut transport = example(env!("CARGO_BIN_EXE_transport"), &folder);
    transport.arg(fixture.mcp_url());
    assert!(run(transport).await.lines().any(|tool| tool == "echo"));
    fixture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_keeps_a_sign_in() {
    let (fixture, folder) = (servers().await, tempfile::tempdir().expect("a folder"));
    for _ in 0..2 {
        let mut store = example(env!("CARGO_BIN_EXE_store"), &folder);
        store.args([fixture.mcp_url(), "records"]);
        assert_eq!(run(store).await, "signed in: true\n");
    }
    assert_eq!(fixture.control().counters().token_code, 1);
    fixture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_signs_in_as_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config {
        client_credentials: true,
        ..Config::default()
    };
    config.registration.clients.push(PreRegisteredClient {
        client_id: "nightly".to_owned(),
        client_secret: Some("the-secret-of-the-night".to_owned()),
        redirect_uris: vec![],
        token_endpoint_auth_method: Some(AuthMethod::ClientSecretBasic),
        jwks: None,
        grant_types: vec![GrantType::ClientCredentials],
    });
    let fixture = Fixture::start(config).await.expect("the servers start");
    let mut machine = example(env!("CARGO_BIN_EXE_machine"), &folder);
    machine
        .arg(fixture.mcp_url())
        .env("CLIENT_ID", "nightly")
        .env("CLIENT_SECRET", "the-secret-of-the-night")
        .env("ISSUER", fixture.issuer());
    assert!(run(machine).await.lines().any(|tool| tool == "echo"));
    assert_eq!(fixture.control().counters().token_code, 0);
    fixture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn web_sends_each_user_to_sign_in_once() {
    let (fixture, folder) = (servers().await, tempfile::tempdir().expect("a folder"));
    let mut web = example(env!("CARGO_BIN_EXE_web"), &folder);
    web.args([fixture.mcp_url(), "0"]).stdout(Stdio::piped());
    let mut web = web.spawn().expect("it runs");
    let mut said = BufReader::new(web.stdout.take().expect("its output")).lines();
    let address = timeout(LIMIT, said.next_line()).await.expect("it starts");
    let address = address.expect("text").expect("its address");
    for user in 1..=2 {
        let mut browser = Browser::default();
        for _ in 0..2 {
            let page = timeout(LIMIT, browser.goes_to(&address)).await;
            assert!(page.expect("an answer").lines().any(|tool| tool == "echo"));
        }
        assert_eq!(fixture.control().counters().token_code, user);
    }
    fixture.shutdown().await;
}

/// A browser that keeps the application's cookie.
#[derive(Default)]
struct Browser {
    cookie: Option<String>,
}

impl Browser {
    async fn goes_to(&mut self, address: &str) -> String {
        let client = reqwest::Client::builder().redirect(Policy::none());
        let client = client.no_proxy().build().expect("a client");
        let mut url: reqwest::Url = address.parse().expect("an address");
        loop {
            let mut request = client.get(url.clone());
            if let Some(cookie) = &self.cookie {
                request = request.header("cookie", cookie);
            }
            let answer = request.send().await.expect("an answer");
            if let Some(set) = answer.headers().get("set-cookie") {
                let set = set.to_str().expect("text");
                self.cookie = set.split(';').next().map(str::to_owned);
            }
            let Some(location) = answer.headers().get("location") else {
                assert!(answer.status().is_success(), "{}", answer.status());
                return answer.text().await.expect("text");
            };
            let location = location.to_str().expect("text");
            url = url.join(location).expect("an address");
        }
    }
}
