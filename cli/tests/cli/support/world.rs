//! A server, a folder for the store, and programs that use both.

use std::path::PathBuf;

use mcp_reauth_fixture::{Config, Control, Fixture};
use serde_json::Value;
use tempfile::TempDir;

use super::{Ended, Program};

/// A server with its authorization server, and one user's folder.
pub(crate) struct World {
    pub(crate) fixture: Fixture,
    pub(crate) folder: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self {
            fixture: Fixture::start(config).await.expect("the servers start"),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// A world whose user is signed in, with all counters reset.
    pub(crate) async fn signed_in() -> Self {
        let world = Self::start().await;
        world.sign_in().await;
        world
    }

    pub(crate) async fn sign_in(&self) {
        self.connecting(["login", self.url()])
            .run()
            .await
            .succeeded()
            .showed(1);
        self.control().reset_counters();
    }

    pub(crate) fn control(&self) -> &Control {
        self.fixture.control()
    }

    pub(crate) fn url(&self) -> &str {
        self.fixture.mcp_url()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("credentials.json")
    }

    /// A program that uses the store.
    pub(crate) fn program<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Program {
        Program::new(args)
            .home(self.folder.path())
            .env("MCP_REAUTH_STORE", self.store())
    }

    /// A program that uses the store and signs in when needed: on any port, without opening a browser.
    pub(crate) fn connecting<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Program {
        self.program(args).args([
            "--no-browser",
            "--callback-url",
            "http://127.0.0.1:0/oauth/callback",
        ])
    }

    /// A program that calls a tool with a string.
    pub(crate) fn call(&self, tool: &str) -> Program {
        self.connecting(["call", self.url(), tool, "--arg", "text=hello"])
    }

    /// Asserts that nothing was lost: a call succeeds without any prompt.
    pub(crate) async fn still_works(&self) -> Ended {
        let ended = self.call("echo").run().await;
        ended.succeeded().printed("hello\n").showed(0)
    }

    /// The store file as JSON.
    pub(crate) fn contents(&self) -> Value {
        let text = std::fs::read_to_string(self.store()).expect("the store's file");
        serde_json::from_str(&text).expect("the store's file is JSON")
    }

    /// The output of `status` for the server.
    pub(crate) async fn state(&self) -> Value {
        let status = ["status", self.url(), "--json"];
        self.program(status).run().await.json()
    }

    /// Sets the expiry in the record, as the client's clock sees it.
    pub(crate) fn set_expiry(&self, when: &Value) {
        let mut contents = self.contents();
        assert!(set(&mut contents, "expires_at", when), "{contents:#}");
        std::fs::write(self.store(), contents.to_string()).expect("the store's file");
    }
}

/// Sets every member with this name, at any depth, and returns whether there was one.
fn set(value: &mut Value, name: &str, to: &Value) -> bool {
    let mut found = false;
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if key == name {
                    *member = to.clone();
                    found = true;
                } else {
                    found |= set(member, name, to);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                found |= set(item, name, to);
            }
        }
        _ => {}
    }
    found
}
