//! The parts of an act of the demo.

use futures_util::future::BoxFuture;
use mcp_reauth_rmcp::find_error;
use rmcp::ServiceError;
use rmcp::model::CallToolRequestParams;
use serde_json::json;

use super::timeline::Expect;
use super::user::User;
use crate::connection::Client;

/// What happened, or what went wrong.
pub(super) type Ended = Result<String, String>;

/// One step, played on the stage `S`.
pub(super) struct Step<S: 'static> {
    pub(super) title: &'static str,
    pub(super) expect: Expect,
    pub(super) play: for<'a> fn(&'a mut S) -> BoxFuture<'a, Ended>,
}

/// The servers and the user of an act, with their counters.
pub(super) trait Stage {
    /// Resets the counters of all servers.
    fn reset_counters(&self);
    /// The number of HTTP requests the client sent, to any server.
    fn requests(&self) -> u64;
    fn user(&self) -> &User;
}

pub(super) const fn silent(least: u64, most: u64) -> Expect {
    prompting(least, most, 0, 0)
}

pub(super) const fn prompting(least: u64, most: u64, questions: u64, pages: u64) -> Expect {
    Expect {
        requests: least..=most,
        questions,
        pages,
    }
}

pub(super) async fn call(client: &Client, tool: &'static str) -> Result<(), ServiceError> {
    let arguments = json!({ "text": "hello" });
    let params = CallToolRequestParams::new(tool)
        .with_arguments(arguments.as_object().cloned().unwrap_or_default());
    let result = client.call_tool(params).await?;
    match result.is_error {
        Some(true) => Err(ServiceError::UnexpectedResponse),
        _ => Ok(()),
    }
}

/// Calls a tool that must succeed.
pub(super) async fn succeeds(client: &Client, tool: &'static str) -> Result<(), String> {
    call(client, tool).await.map_err(|error| error.to_string())
}

/// Calls a tool that must fail with this code.
pub(super) async fn fails(client: &Client, tool: &'static str, code: &str) -> Result<(), String> {
    match call(client, tool).await {
        Ok(()) => Err(format!(
            "{tool} succeeded; it should have failed with {code}"
        )),
        Err(error) => match find_error(&error) {
            Some(found) if found.code() == code => Ok(()),
            Some(found) => Err(format!("failed with {}: {found}", found.code())),
            None => Err(error.to_string()),
        },
    }
}

pub(super) fn check(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}
