//! `mcp-reauth call`

use std::process::ExitCode;

use rmcp::model::{CallToolRequestParams, CallToolResult, ContentBlock};
use serde_json::{Map, Value};

use crate::args::CallArgs;
use crate::connection::interruptible;
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(args: CallArgs) -> Result<ExitCode, Failure> {
    let arguments = arguments(&args)?;
    let session = args.connect.session(&args.url).await?;
    let work = async {
        let client = args.connect.connect(&session).await?;
        let params = CallToolRequestParams::new(args.tool.clone()).with_arguments(arguments);
        let result = client.call_tool(params).await;
        let _ = client.cancel().await;
        Ok(result?)
    };
    let result = interruptible(&session, work).await?;
    print(&result, args.json)?;
    if result.is_error == Some(true) {
        output::say(format_args!(
            "mcp-reauth: the tool {} reports an error",
            args.tool
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn arguments(args: &CallArgs) -> Result<Map<String, Value>, Failure> {
    if let Some(json) = &args.args {
        return match serde_json::from_str(json) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Failure::Usage(
                "--args: this is not a JSON object".to_owned(),
            )),
            Err(error) => Err(Failure::Usage(format!("--args: this is not JSON: {error}"))),
        };
    }
    let pair = |pair: &String| {
        let (name, value) = pair
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::Usage(format!("--arg {pair}: give it as NAME=VALUE")))?;
        let text = || Value::String(value.to_owned());
        let value = serde_json::from_str(value).unwrap_or_else(|_| text());
        Ok((name.to_owned(), value))
    };
    args.arg.iter().map(pair).collect()
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
