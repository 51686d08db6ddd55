//! Prints results: a table, or with `--json` one object a line.

use std::io::{self, IsTerminal, Write};

use mcp_reauth::wording::escaped;
use serde_json::json;

use super::scenario::{Report, Scenario};
use crate::failure::Failure;
use crate::output;

pub(super) struct Table {
    json: bool,
    verbose: bool,
    colour: bool,
    passed: usize,
    failed: usize,
}

impl Table {
    pub(super) fn new(json: bool, verbose: bool) -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            json,
            verbose,
            colour,
            passed: 0,
            failed: 0,
        }
    }

    pub(super) fn open(&self) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        output::line(&format!(
            "  {:<22}{:>10}{:>16}{:>12}{:>9}",
            "scenario", "answered", "requests", "prompts", "seconds"
        ))
    }

    /// Shows on a terminal which scenario is played.
    pub(super) fn announce(&self, scenario: &Scenario) {
        if io::stderr().is_terminal() {
            let _ = write!(
                io::stderr(),
                "\r\u{1b}[K  {}: {} ...",
                scenario.name,
                scenario.title
            );
            let _ = io::stderr().flush();
        }
    }

    pub(super) fn show(&mut self, report: &Report) -> Result<(), Failure> {
        if io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
        match report.passed {
            true => self.passed += 1,
            false => self.failed += 1,
        }
        if self.json {
            return output::json_line(report);
        }
        let (mark, colour) = match report.passed {
            true => ("✓", "32"),
            false => ("✗", "31"),
        };
        let of = |found: u64, limit: u64| format!("{found} of {limit}");
        output::painted(&format!(
            "{} {:<22}{:>10}{:>16}{:>12}{:>9.2}",
            self.paint(colour, mark),
            report.scenario,
            of(report.answered, report.calls),
            of(report.requests, report.requests_limit),
            of(report.prompts, report.prompts_limit),
            report.seconds,
        ))?;
        for problem in &report.problems {
            let kind = json!(problem.kind);
            let kind = kind.as_str().unwrap_or_default();
            let text = format!("    {kind}: {}", escaped(&problem.message));
            output::painted(&self.paint("31", &text))?;
        }
        if self.verbose {
            for request in &report.trace {
                output::line(&format!("    {request}"))?;
            }
        }
        Ok(())
    }

    pub(super) fn close(&self) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        output::line(&match self.failed {
            0 => format!("\nAll {} passed.", self.passed),
            failed => format!("\n{failed} of {} failed.", failed + self.passed),
        })
    }

    pub(super) fn all_passed(&self) -> bool {
        self.failed == 0
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        match self.colour {
            true => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}
