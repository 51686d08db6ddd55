//! Writes results to standard output and everything else to standard error. Both contain text from servers; on a
//! terminal it is escaped.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use mcp_reauth::wording::escaped;
use serde::Serialize;

use crate::failure::Failure;

/// Prints a line: unchanged into a pipe or file, escaped on a terminal.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write(&harmless(text, &io::stdout()))
}

/// Prints a line of the program's own text, which may contain colour codes.
pub(crate) fn painted(text: &str) -> Result<(), Failure> {
    write(text)
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    write_json(serde_json::to_string_pretty(value))
}

/// Prints a value as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    write_json(serde_json::to_string(value))
}

/// Prints JSON with all control characters escaped, which does not change its meaning. (serde escapes only those below
/// U+0020.)
fn write_json(text: serde_json::Result<String>) -> Result<(), Failure> {
    let text = text.map_err(|error| Failure::Other(error.to_string()))?;
    write(&escaped(&text))
}

/// Writes to standard output. A closed pipe (`| head`) is not an error.
fn write(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error, and ignores errors.
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
