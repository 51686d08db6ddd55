//! Collects all logs of this process, to search them for secrets.

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

/// Starts to collect every event and span of every level.
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

/// A guard during which a thread's logs are not collected.
pub(crate) struct Silence {
    _tracing: DefaultGuard,
}

impl Drop for Silence {
    fn drop(&mut self) {
        SILENT.set(false);
    }
}

/// Excludes this thread's logs while the guard lives, because it plays another program.
pub(crate) fn off() -> Silence {
    SILENT.set(true);
    Silence {
        _tracing: tracing::subscriber::set_default(NoSubscriber::default()),
    }
}

/// Records every form of a value that an application receives.
pub(crate) fn note_forms(what: &(impl Debug + Serialize)) {
    let json = serde_json::to_string(what).expect("it has a JSON form");
    note(&format!("{what:?} {what:#?} {json}"));
}

/// Records every form of an error and of its sources.
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

/// Records text that does not come from tracing.
pub(crate) fn note(text: &str) {
    let mut lines = lines();
    lines.push_str(text);
    lines.push('\n');
}

/// The lines that contain one of `secrets`.
pub(crate) fn lines_with(secrets: &[&str]) -> Vec<String> {
    let lines = lines();
    let leaky = |line: &&str| secrets.iter().any(|secret| line.contains(secret));
    lines.lines().filter(leaky).map(str::to_owned).collect()
}

/// Whether the logs contain `text`, which shows that the capture works.
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

/// Some crates use `log` instead of tracing.
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
