//! Servers, a user, their folder, and programs that use all of them.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use super::person::{Mood, Person, USER};
use super::program::Ended;
use super::{Program, Servers};

pub(crate) struct World {
    pub(crate) servers: Servers,
    pub(crate) person: Person,
    /// The redirect URI of sign-ins: by default, on another port every time.
    pub(crate) callback: String,
    folder: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(json!({})).await
    }

    pub(crate) async fn with(settings: Value) -> Self {
        Self {
            servers: Servers::start(&settings).await,
            person: Person::new(Mood::Agrees),
            callback: callback(0),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// A world whose user is signed in.
    pub(crate) async fn signed_in() -> Self {
        let world = Self::start().await;
        world.sign_in().await;
        world
    }

    /// The same, with one port for all sign-ins, which so need one registration.
    pub(crate) async fn signed_in_at_one_port() -> Self {
        let mut world = Self::start().await;
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        world.callback = callback(free.local_addr().expect("an address").port());
        drop(free);
        world.sign_in().await;
        world
    }

    pub(crate) async fn sign_in(&self) {
        let program = self.connecting(["login", self.url()]);
        program.run().await.succeeded().showed(1);
        self.person.saw();
    }

    pub(crate) fn url(&self) -> &str {
        &self.servers.addresses.mcp
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.servers.addresses.issuer
    }

    /// Writes a file in the user's folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the file is written");
        path
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("credentials.json")
    }

    /// A program that uses the store.
    pub(crate) fn program<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Program {
        Program::new(self.person.clone())
            .env("HOME", self.folder.path())
            .env("MCP_REAUTH_STORE", self.store())
            .args(args)
    }

    /// A program that uses the store and signs in when needed, without opening a browser.
    pub(crate) fn connecting<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Program {
        self.program(args)
            .args(["--no-browser", "--callback-url", &self.callback])
    }

    /// A program that calls a tool with a string.
    pub(crate) fn call(&self, tool: &str) -> Program {
        self.connecting(["call", self.url(), tool, "--arg", "text=hello"])
    }

    /// Asserts that a call succeeds without any prompt.
    pub(crate) async fn still_works(&self) -> Ended {
        let ended = self.call("echo").run().await;
        ended.succeeded().printed("hello\n").showed(0)
    }

    /// The output of `status` for the server.
    pub(crate) async fn state(&self) -> Value {
        let status = ["status", self.url(), "--json"];
        self.program(status).run().await.json()
    }

    /// The stored string with that name.
    pub(crate) fn on_record(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.store()).expect("the store's file");
        let contents: Value = serde_json::from_str(&text).expect("the store's file is JSON");
        let value = find(&contents, name).unwrap_or_else(|| panic!("no {name} is on record"));
        value.as_str().expect("a text").to_owned()
    }

    pub(crate) fn access_token(&self) -> String {
        self.on_record("access_token")
    }

    pub(crate) fn refresh_token(&self) -> String {
        self.on_record("refresh_token")
    }

    /// The last request that the MCP server accepted.
    pub(crate) async fn last_let_in(&self) -> Value {
        let mut events = self.servers.events("mcp").await;
        events.retain(|event| event["audience"].is_string() && event["status"] == 200);
        events.pop().expect("a request that was let in")
    }

    /// The number of requests that the MCP server rejected.
    pub(crate) async fn rejections(&self) -> usize {
        let events = self.servers.events("mcp").await;
        events.iter().filter(|event| event["status"] == 401).count()
    }

    /// The token requests with that grant type so far.
    pub(crate) async fn token_requests(&self, grant: &str) -> Vec<Value> {
        let mut events = self.servers.events("token").await;
        events.retain(|event| event["grant"] == grant);
        events
    }
}

/// A redirect URI with that port.
fn callback(port: u16) -> String {
    format!("http://127.0.0.1:{port}/oauth/callback")
}

/// The first member with that name, at any depth.
pub(crate) fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members
            .get(name)
            .or_else(|| members.values().find_map(|member| find(member, name))),
        Value::Array(items) => items.iter().find_map(|item| find(item, name)),
        _ => None,
    }
}
