//! Core's log events for Python's `logging`. They hold no secrets.

use std::fmt::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Once, OnceLock};

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::delivery::deliver;

/// The levels of `logging`.
const LEVELS: [(Level, u8); 5] = [
    (Level::TRACE, 5),
    (Level::DEBUG, 10),
    (Level::INFO, 20),
    (Level::WARN, 30),
    (Level::ERROR, 40),
];

/// Events below this level of `logging` are not formatted.
static LEAST: AtomicU8 = AtomicU8::new(u8::MAX);
static LOG: OnceLock<Py<PyAny>> = OnceLock::new();
static INSTALLED: Once = Once::new();

fn level(of: Level) -> u8 {
    let found = LEVELS.iter().find(|(level, _)| *level == of);
    found.map_or(40, |(_, level)| *level)
}

/// Passes events of at least the level `least` of `logging` to `log(level, text)`, which the first call sets.
#[pyfunction]
pub(crate) fn set_log_level(least: u8, log: Py<PyAny>) {
    LEAST.store(least, Ordering::Relaxed);
    LOG.get_or_init(|| log);
    INSTALLED.call_once(|| {
        // This library has its own copy of tracing, so none is installed yet.
        let _ = tracing::subscriber::set_global_default(ToPython);
    });
}

struct ToPython;

impl Subscriber for ToPython {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Dependencies log too, and may log what is secret.
        metadata.is_event()
            && metadata.target().starts_with("mcp_reauth")
            && level(*metadata.level()) >= LEAST.load(Ordering::Relaxed)
    }

    fn register_callsite(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        // The level may change.
        match metadata.is_event() && metadata.target().starts_with("mcp_reauth") {
            true => tracing::subscriber::Interest::sometimes(),
            false => tracing::subscriber::Interest::never(),
        }
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let (level, text) = (level(*event.metadata().level()), text.whole());
        deliver(Box::new(move |py| {
            if let Some(log) = LOG.get() {
                log.call1(py, (level, text))?;
            }
            Ok(())
        }));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message of an event, and its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn whole(self) -> String {
        self.message + &self.fields
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}
