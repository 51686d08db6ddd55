//! A connected client, with calls that are expected to fail with a code.

use std::error::Error as StdError;

use mcp_reauth::Error;
use mcp_reauth_rmcp::find_error;
use rmcp::model::{
    CallToolRequestParams, ClientConfig, GetPromptRequestParams, ReadResourceRequestParams,
};
use rmcp::service::RunningService;
use rmcp::{RoleClient, ServiceError};
use serde_json::{Value, json};

use super::log;

/// A connected MCP client.
pub(crate) struct Client(RunningService<RoleClient, ClientConfig>);

/// The error of a failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The stable code of the authorization error; empty for any other error.
    pub(crate) code: String,
    pub(crate) text: String,
}

impl Failure {
    /// Logs an error of a session, and converts it.
    pub(crate) fn told(error: &Error) -> Self {
        log::note_error(error);
        Self {
            code: error.code().to_string(),
            text: error.to_string(),
        }
    }

    /// Converts an error of rmcp. An error inside an event stream is a JSON-RPC error with the code.
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Self {
        log::note_error(error);
        let found = find_error(error).map(|error| {
            log::note_error(error);
            error.code().to_string()
        });
        let inside = || match error.downcast_ref() {
            Some(ServiceError::McpError(error)) => {
                Some(error.data.as_ref()?.get("code")?.as_str()?.to_owned())
            }
            _ => None,
        };
        Self {
            code: found.or_else(inside).unwrap_or_default(),
            text: error.to_string(),
        }
    }
}

type Answer = Result<Value, Failure>;

impl Client {
    pub(crate) fn new(service: RunningService<RoleClient, ClientConfig>) -> Self {
        Self(service)
    }

    /// Calls a tool, and returns its text.
    pub(crate) async fn call(&self, tool: &'static str) -> Answer {
        let arguments = json!({ "text": "hello" });
        let params = CallToolRequestParams::new(tool)
            .with_arguments(arguments.as_object().cloned().unwrap_or_default());
        let result = answer(self.0.call_tool(params).await)?;
        assert_ne!(result["isError"], true, "{result}");
        Ok(result["content"][0]["text"].clone())
    }

    pub(crate) async fn read(&self, uri: &str) -> Answer {
        let result = self.0.read_resource(ReadResourceRequestParams::new(uri));
        Ok(answer(result.await)?["contents"][0]["text"].clone())
    }

    pub(crate) async fn prompt(&self, name: &str) -> Answer {
        let result = self.0.get_prompt(GetPromptRequestParams::new(name));
        Ok(answer(result.await)?["messages"][0]["content"]["text"].clone())
    }

    pub(crate) async fn succeeds(&self, tool: &'static str) {
        let text = self.call(tool).await;
        assert_eq!(text, Ok(json!("hello")), "{tool}");
    }

    /// Calls a tool that must fail with this code.
    pub(crate) async fn fails(&self, tool: &'static str, code: &str) -> Failure {
        let failure = self.call(tool).await.expect_err("the call fails");
        assert_eq!(failure.code, code, "{failure:?}");
        failure
    }

    /// Closes the connection, and ends the MCP session if there is one.
    pub(crate) async fn close(self) {
        self.0.cancel().await.expect("the connection ends");
    }
}

fn answer(result: Result<impl Into<AnyResult>, ServiceError>) -> Answer {
    match result {
        Ok(result) => Ok(result.into().0),
        Err(error) => Err(Failure::of(&error)),
    }
}

/// The JSON form of a result.
struct AnyResult(Value);

macro_rules! any_result {
    ($($result:ty),*) => {
        $(impl From<$result> for AnyResult {
            fn from(result: $result) -> Self {
                Self(serde_json::to_value(result).expect("results are JSON"))
            }
        })*
    };
}

any_result!(
    rmcp::model::CallToolResult,
    rmcp::model::ReadResourceResult,
    rmcp::model::GetPromptResult
);
