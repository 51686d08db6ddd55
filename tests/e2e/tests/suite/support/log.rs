//! Everything that is written down anywhere in this process, to be searched for secrets.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt::{self, Debug, Write as _};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use mcp_reauth::{Error, Outcome};
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

static LINES: Mutex<String> = Mutex::new(String::new());
static INSTALLED: Once = Once::new();

/// Collects every event and span of every level from now on.
pub(crate) fn capture() {
    INSTALLED.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Capture);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else does that");
        log::set_logger(&Capture).expect("nobody else does that");
        log::set_max_level(log::LevelFilter::Trace);
    });
}

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Keeps a thread's log lines from being collected.
pub(crate) struct Silence {
    _tracing: DefaultGuard,
}

impl Drop for Silence {
    fn drop(&mut self) {
        SILENT.set(false);
    }
}

/// Nothing that this thread logs is collected while the guard lives: it plays somebody else.
pub(crate) fn off() -> Silence {
    SILENT.set(true);
    Silence {
        _tracing: tracing::subscriber::set_default(NoSubscriber::default()),
    }
}

/// Writes down every form of something that an application is handed.
pub(crate) fn note_forms(what: &(impl Debug + Serialize)) {
    let json = serde_json::to_string(what).expect("it has a JSON form");
    note(&format!("{what:?} {what:#?} {json}"));
}

/// Writes down every form of an error, and of what is behind it.
pub(crate) fn note_error(error: &(dyn StdError + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        note(&format!("{error} {error:?} {error:#?}"));
        if let Some(error) = error.downcast_ref::<Error>() {
            note_forms(&Outcome::Failed {
                error: error.clone(),
            });
            error.challenge().into_iter().for_each(note_forms);
        }
        next = error.source();
    }
}

/// Writes something down that did not go through tracing.
pub(crate) fn note(text: &str) {
    let mut lines = lines();
    lines.push_str(text);
    lines.push('\n');
}

/// The lines in which one of `secrets` stands.
pub(crate) fn lines_with(secrets: &[&str]) -> Vec<String> {
    let lines = lines();
    let leaky = |line: &&str| secrets.iter().any(|secret| line.contains(secret));
    lines.lines().filter(leaky).map(str::to_owned).collect()
}

/// Whether anything contains `text`: shows that the capture works.
pub(crate) fn contains(text: &str) -> bool {
    lines().contains(text)
}

fn lines() -> MutexGuard<'static, String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Capture;

impl<S: Subscriber> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut line = Line::new(attributes.metadata().target());
        attributes.record(&mut line);
        note(&line.0);
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut line = Line::new("recorded");
        values.record(&mut line);
        note(&line.0);
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::new(event.metadata().target());
        event.record(&mut line);
        note(&line.0);
    }
}

/// Not every crate logs by tracing.
impl log::Log for Capture {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        !SILENT.get()
    }

    fn log(&self, record: &log::Record<'_>) {
        if !SILENT.get() {
            note(&format!("{} {}", record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

struct Line(String);

impl Line {
    fn new(target: &str) -> Self {
        Self(target.to_owned())
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {field}={value}");
    }
}
