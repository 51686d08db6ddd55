//! `mcp-reauth list`

use std::process::ExitCode;

use crate::args::{Kind, ListArgs};
use crate::connection::{Client, interruptible};
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(args: ListArgs) -> Result<ExitCode, Failure> {
    let session = args.connect.session(&args.url).await?;
    let work = async {
        let client = args.connect.connect(&session).await?;
        let listed = print(&client, &args).await;
        let _ = client.cancel().await;
        listed
    };
    interruptible(&session, work).await?;
    Ok(ExitCode::SUCCESS)
}

async fn print(client: &Client, args: &ListArgs) -> Result<(), Failure> {
    match args.kind {
        Kind::Tools => {
            let tools = client.list_all_tools().await?;
            let text = |tool: &rmcp::model::Tool| entry(&tool.name, tool.description.as_deref());
            items(&tools, args.json, text)
        }
        Kind::Resources => {
            let resources = client.list_all_resources().await?;
            let text = |r: &rmcp::model::Resource| entry(&r.uri, Some(&r.name));
            items(&resources, args.json, text)
        }
        Kind::Prompts => {
            let prompts = client.list_all_prompts().await?;
            let text = |p: &rmcp::model::Prompt| entry(&p.name, p.description.as_deref());
            items(&prompts, args.json, text)
        }
    }
}

fn items<T: serde::Serialize>(
    items: &[T],
    json: bool,
    text: impl Fn(&T) -> String,
) -> Result<(), Failure> {
    if json {
        return output::json(&items);
    }
    items.iter().try_for_each(|item| output::line(&text(item)))
}

/// A name and the first line of what it is.
fn entry(name: &str, description: Option<&str>) -> String {
    let shown = mcp_reauth::wording::displayable;
    match description.and_then(|text| text.lines().next()) {
        Some(text) => format!("{}\t{}", shown(name), shown(text)),
        None => shown(name),
    }
}
