//! `mcp-reauth call`

use std::process::ExitCode;

use rmcp::ServiceError;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ContentBlock, JsonObject, PaginatedRequestParams,
};

use crate::args::CallArgs;
use crate::arguments::Arguments;
use crate::connection::{Client, close};
use crate::failure::Failure;
use crate::output;
use crate::shutdown::interruptible;
use crate::waiting::{LIST_LIMIT, Waiting};

pub(crate) async fn run(args: CallArgs) -> Result<ExitCode, Failure> {
    let arguments = Arguments::read(&args)?;
    let waiting = Waiting::new(&args.url);
    let session = args.connect.session(&args.url, &waiting).await?;
    let work = async {
        let client = args.connect.connect(&session, &waiting).await?;
        let result = call(&client, &args, arguments, &waiting).await;
        close(client).await;
        result
    };
    let finish = async |result: CallToolResult| {
        print(&result, args.json)?;
        if result.is_error == Some(true) {
            output::say(format_args!(
                "mcp-reauth: the tool {} reports an error",
                args.tool
            ));
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    };
    interruptible(&session, work, finish).await
}

async fn call(
    client: &Client,
    args: &CallArgs,
    arguments: Arguments,
    waiting: &Waiting,
) -> Result<CallToolResult, Failure> {
    let arguments = match arguments {
        Arguments::Object(object) => object,
        Arguments::Pairs(pairs) => {
            let schema = match pairs.are_ambiguous() {
                true => {
                    let listed = input_schema(client, &args.tool);
                    waiting
                        .within(Some(LIST_LIMIT), "list its tools", listed)
                        .await?
                }
                false => None,
            };
            pairs.resolve(&args.tool, schema.as_ref())?
        }
    };
    let params = CallToolRequestParams::new(args.tool.clone()).with_arguments(arguments);
    let called = async { Ok(client.call_tool(params).await?) };
    waiting.within(args.timeout, "run the tool", called).await
}

/// Fetches the schema of a tool's arguments. `None` if the server has no such tool, or does not list tools.
async fn input_schema(client: &Client, tool: &str) -> Result<Option<JsonObject>, Failure> {
    let mut cursor = None;
    loop {
        let params = PaginatedRequestParams::default().with_cursor(cursor);
        let page = match client.list_tools(Some(params)).await {
            Ok(page) => page,
            Err(ServiceError::McpError(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if let Some(tool) = page.tools.into_iter().find(|listed| listed.name == tool) {
            return Ok(Some((*tool.input_schema).clone()));
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(None);
        }
    }
}

fn print(result: &CallToolResult, json: bool) -> Result<(), Failure> {
    if json {
        return output::json(result);
    }
    for block in &result.content {
        match block {
            ContentBlock::Text(text) => output::line(&text.text)?,
            other => output::json(other)?,
        }
    }
    match &result.structured_content {
        Some(value) if result.content.is_empty() => output::json(value),
        _ => Ok(()),
    }
}
