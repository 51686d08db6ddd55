//! The demo's timeline: a table, or with `--json` one object a line.

use std::io::{self, IsTerminal};
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use crate::failure::Failure;
use crate::output;

/// How many requests and prompts a step may need.
pub(super) struct Expect {
    pub(super) requests: RangeInclusive<u64>,
    pub(super) questions: u64,
    pub(super) pages: u64,
}

/// The result of one step.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) step: usize,
    pub(super) title: &'static str,
    /// Seconds since the start of the demo.
    pub(super) seconds: f64,
    /// HTTP requests the client sent, without visits to the sign-in page.
    pub(super) requests: u64,
    /// Questions the user was asked.
    pub(super) questions: u64,
    /// Sign-in pages the user was shown.
    pub(super) pages: u64,
    pub(super) happened: String,
    /// What went wrong.
    pub(super) problem: Option<String>,
}

impl Report {
    /// Compares the result with the expectation.
    pub(super) fn judged(mut self, ended: Result<String, String>, expect: &Expect) -> Self {
        match ended {
            Ok(happened) => self.happened = happened,
            Err(problem) => self.problem = Some(problem),
        }
        let within = expect.requests.contains(&self.requests)
            && (self.questions, self.pages) == (expect.questions, expect.pages);
        if self.problem.is_none() && !within {
            self.problem = Some(format!(
                "expected {} to {} requests, {} questions, {} pages",
                expect.requests.start(),
                expect.requests.end(),
                expect.questions,
                expect.pages
            ));
        }
        self
    }

    fn prompts(&self) -> String {
        match (self.questions, self.pages) {
            (0, 0) => "-".to_owned(),
            (questions, 0) => count(questions, "question"),
            (0, pages) => count(pages, "page"),
            (questions, pages) => {
                format!("{}, {}", count(questions, "question"), count(pages, "page"))
            }
        }
    }
}

fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

pub(super) struct Timeline {
    json: bool,
    colour: bool,
}

impl Timeline {
    pub(super) fn new(json: bool) -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, colour }
    }

    pub(super) fn open(&self, server: &str, issuer: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        output::line(&format!(
            "MCP server {server}, authorization server {issuer}\n"
        ))?;
        output::line(&format!(
            "{:>7}    {:<34}{:>8}   prompts",
            "time", "what happens", "requests"
        ))
    }

    pub(super) fn show(&self, report: &Report) -> Result<(), Failure> {
        if self.json {
            return output::json_line(report);
        }
        let (mark, colour) = match report.problem {
            None => ("✓", "32"),
            Some(_) => ("✗", "31"),
        };
        output::painted(&format!(
            "{:>6.2}s  {} {:<34}{:>8}   {}",
            report.seconds,
            self.paint(colour, mark),
            report.title,
            report.requests,
            report.prompts()
        ))?;
        let text = report.problem.as_ref().unwrap_or(&report.happened);
        let detail = format!("           {}", mcp_reauth::wording::escaped(text));
        output::painted(&self.paint(if report.problem.is_some() { "31" } else { "2" }, &detail))
    }

    pub(super) fn close(&self, steps: usize, failed: usize, took: Duration) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        let seconds = took.as_secs_f64();
        output::line(&match failed {
            0 => format!("\nAll {steps} succeeded, in {seconds:.1} s."),
            failed => format!("\n{failed} of {steps} failed."),
        })
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
