//! The standard streams: results go to standard output, all else to standard error. Much of both was written by
//! servers; on a terminal none of it may have an effect.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use mcp_reauth::wording::escaped;
use serde::Serialize;

use crate::failure::Failure;

/// Prints text and ends the line: as it is into a pipe or file, without effect on a terminal.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write(&harmless(text, &io::stdout()))
}

/// Prints a line of this program's own words, which may have colours.
pub(crate) fn painted(text: &str) -> Result<(), Failure> {
    write(text)
}

/// Prints a value as JSON, readably.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    write_json(serde_json::to_string_pretty(value))
}

/// Prints a value as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    write_json(serde_json::to_string(value))
}

/// JSON escapes control characters below U+0020 of itself. It says the same with the others escaped, which then have no
/// effect wherever it is shown later.
fn write_json(text: serde_json::Result<String>) -> Result<(), Failure> {
    let text = text.map_err(|error| Failure::Other(error.to_string()))?;
    write(&escaped(&text))
}

/// A reader that has gone away (`| head`) is no failure.
fn write(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error. If no process reads it, that is no failure.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    let line = line.to_string();
    let shown = harmless(&line, &io::stderr());
    let _ = writeln!(io::stderr(), "{shown}");
}

fn harmless<'a>(text: &'a str, stream: &impl IsTerminal) -> Cow<'a, str> {
    if stream.is_terminal() {
        escaped(text)
    } else {
        text.into()
    }
}
