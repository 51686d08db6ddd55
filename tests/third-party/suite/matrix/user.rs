//! A user of the command, with their own folder and browser.

use std::net::TcpListener;

use serde_json::Value;
use tempfile::TempDir;

use super::other::Other;
use crate::support::{Mood, Person, Program, find};

pub(super) struct User<'a> {
    other: &'a Other,
    person: Person,
    /// The redirect URI of all sign-ins, because some servers register only one.
    callback: String,
    folder: TempDir,
}

impl<'a> User<'a> {
    pub(super) fn new(other: &'a Other) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        Self {
            other,
            person: Person::new(Mood::Agrees),
            callback: format!("http://127.0.0.1:{port}/oauth/callback"),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn program(&self, args: &[&str]) -> Program {
        Program::new(self.person.clone())
            .env("HOME", self.folder.path())
            .env(
                "MCP_REAUTH_STORE",
                self.folder.path().join("credentials.json"),
            )
            .args(args)
            .gives_up()
    }

    fn connecting(&self, args: &[&str]) -> Program {
        self.program(args)
            .args(["--no-browser", "--callback-url", &self.callback])
    }

    pub(super) fn login(&self) -> Program {
        self.connecting(&["login", &self.other.about.mcp])
    }

    pub(super) fn logout(&self) -> Program {
        self.program(&["logout", &self.other.about.mcp])
    }

    /// Calls a tool, and agrees to any step-up.
    pub(super) fn call(&self, tool: &str) -> Program {
        let url = &self.other.about.mcp;
        self.connecting(&["call", url, tool, "--arg", "text=hello", "--yes"])
    }

    /// A user who has signed in, or the error.
    pub(super) async fn signed_in(other: &'a Other) -> Result<Self, String> {
        let user = Self::new(other);
        user.login().run().await.verdict("", 1)?;
        Ok(user)
    }

    /// The output of `status`.
    pub(super) async fn state(&self) -> Value {
        let status = ["status", &self.other.about.mcp, "--json"];
        self.program(&status).run().await.json()
    }

    pub(super) fn access_token(&self) -> String {
        let store = self.folder.path().join("credentials.json");
        let text = std::fs::read_to_string(store).expect("the store's file");
        let contents: Value = serde_json::from_str(&text).expect("the store's file is JSON");
        let token = find(&contents, "access_token").and_then(Value::as_str);
        token.expect("a token").to_owned()
    }
}
