//! `mcp-reauth list`

use std::process::ExitCode;

use rmcp::model::{Prompt, Resource, Tool};

use crate::args::{Kind, ListArgs};
use crate::connection::{Client, close};
use crate::failure::Failure;
use crate::output;
use crate::shutdown::interruptible;
use crate::waiting::{LIST_LIMIT, Waiting};

pub(crate) async fn run(args: ListArgs) -> Result<ExitCode, Failure> {
    let waiting = Waiting::new(&args.url);
    let session = args.connect.session(&args.url, &waiting).await?;
    let work = async {
        let client = args.connect.connect(&session, &waiting).await?;
        let what = match args.kind {
            Kind::Tools => "list its tools",
            Kind::Resources => "list its resources",
            Kind::Prompts => "list its prompts",
        };
        let listed = waiting
            .within(Some(LIST_LIMIT), what, list(&client, args.kind))
            .await;
        close(client).await;
        listed
    };
    let finish = async |listed| print(listed, args.json);
    interruptible(&session, work, finish).await?;
    Ok(ExitCode::SUCCESS)
}

fn print(listed: Listed, json: bool) -> Result<(), Failure> {
    match listed {
        Listed::Tools(tools) => items(&tools, json, |tool| {
            entry(&tool.name, tool.description.as_deref())
        }),
        Listed::Resources(resources) => items(&resources, json, |r| entry(&r.uri, Some(&r.name))),
        Listed::Prompts(prompts) => items(&prompts, json, |prompt| {
            entry(&prompt.name, prompt.description.as_deref())
        }),
    }
}

enum Listed {
    Tools(Vec<Tool>),
    Resources(Vec<Resource>),
    Prompts(Vec<Prompt>),
}

async fn list(client: &Client, kind: Kind) -> Result<Listed, Failure> {
    Ok(match kind {
        Kind::Tools => Listed::Tools(client.list_all_tools().await?),
        Kind::Resources => Listed::Resources(client.list_all_resources().await?),
        Kind::Prompts => Listed::Prompts(client.list_all_prompts().await?),
    })
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

/// Formats a name and the first line of its description.
fn entry(name: &str, description: Option<&str>) -> String {
    let shown = mcp_reauth::wording::displayable;
    match description.and_then(|text| text.lines().next()) {
        Some(text) => format!("{}\t{}", shown(name), shown(text)),
        None => shown(name),
    }
}
