//! `mcp-reauth examine`: plays situations against any client, and tells what it lost, leaked or looped.

mod client;
mod front;
mod scenario;
mod scenarios;
mod stage;
mod stranger;
mod table;
mod visit;

use std::process::ExitCode;
use std::time::Duration;

use crate::args::ExamineArgs;
use crate::failure::Failure;
use crate::output;
use crate::signal::wait_for_signal;
use scenario::Scenario;
use stage::{Setting, Stage};
use table::Table;

/// Examines a client. The exit code is 0 only if every scenario passed.
pub(crate) async fn run(args: ExamineArgs, verbose: bool) -> Result<ExitCode, Failure> {
    if args.list {
        for scenario in scenarios::all() {
            output::line(&format!("{:<22}{}", scenario.name, scenario.title))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(url) = &args.visit {
        return visit::visit(url).await;
    }
    let scenarios = chosen(&args.only)?;
    let setting = Setting {
        command: args.command,
        protocol: args.protocol,
        limit: Duration::from_secs(args.timeout),
    };
    tokio::select! {
        biased;
        ended = wait_for_signal() => Err(ended),
        examined = examine(&setting, &scenarios, Table::new(args.json, verbose)) => examined,
    }
}

fn chosen(only: &[String]) -> Result<Vec<&'static Scenario>, Failure> {
    let unknown = only
        .iter()
        .find(|name| scenarios::all().all(|scenario| scenario.name != **name));
    if let Some(name) = unknown {
        return Err(Failure::Usage(format!(
            "--only {name}: there is no such scenario; --list prints their names"
        )));
    }
    let all = scenarios::all();
    Ok(all
        .filter(|scenario| only.is_empty() || only.iter().any(|name| name == scenario.name))
        .collect())
}

async fn examine(
    setting: &Setting,
    scenarios: &[&'static Scenario],
    mut table: Table,
) -> Result<ExitCode, Failure> {
    table.open()?;
    for scenario in scenarios {
        table.announce(scenario);
        let mut stage = Stage::set_up(setting, scenario).await?;
        stage.play(scenario).await?;
        table.show(&stage.report(scenario))?;
    }
    table.close()?;
    Ok(ExitCode::from(u8::from(!table.all_passed())))
}
