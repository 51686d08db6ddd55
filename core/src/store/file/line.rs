//! The queue of the writers of this process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::sync::lock;

/// The queues, by the paths of their stores.
static LINES: std::sync::LazyLock<crate::sync::Mutex<HashMap<PathBuf, Weak<Line>>>> =
    std::sync::LazyLock::new(crate::sync::Mutex::default);

/// How long the store is left to other processes before the next writer in the queue takes it; they check more often
/// whether it is free.
const LEFT_TO_OTHERS: Duration = Duration::from_millis(3);

/// The queue of the writers of one store: only the first of them competes with other processes.
#[derive(Debug, Default)]
pub(super) struct Line {
    last_turn: Arc<Mutex<LastTurn>>,
}

/// When the last turn of this process ended.
#[derive(Debug, Default)]
pub(super) struct LastTurn(Option<Instant>);

impl Line {
    /// Returns the queue for the store in the file at `path`. A file with several links has several queues, whose
    /// writers compete like those of other processes.
    pub(super) fn at(path: &Path) -> Arc<Self> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut lines = lock(&LINES);
        if let Some(line) = lines.get(&path).and_then(Weak::upgrade) {
            return line;
        }
        lines.retain(|_, line| line.strong_count() > 0);
        let line = Arc::new(Self::default());
        lines.insert(path, Arc::downgrade(&line));
        line
    }

    /// Waits until this writer is the first in the queue.
    pub(super) async fn first(&self) -> First {
        let came = Instant::now();
        let last_turn = Arc::clone(&self.last_turn).lock_owned().await;
        First { came, last_turn }
    }
}

/// The first writer in the queue, until it is dropped.
#[derive(Debug)]
pub(super) struct First {
    came: Instant,
    last_turn: OwnedMutexGuard<LastTurn>,
}

impl First {
    /// When this writer started to wait.
    pub(super) fn came(&self) -> Instant {
        self.came
    }

    /// Since when this process has waited without a turn.
    pub(super) fn without_turn(&self) -> Instant {
        self.last_turn
            .0
            .map_or(self.came, |last| last.max(self.came))
    }

    /// How long to leave the store to other processes.
    pub(super) fn courtesy(&self) -> Duration {
        let stood_behind = self.last_turn.0.filter(|last| *last > self.came);
        stood_behind.map_or(Duration::ZERO, |last| {
            LEFT_TO_OTHERS.saturating_sub(last.elapsed())
        })
    }

    pub(super) fn turn_ends(&mut self) {
        self.last_turn.0 = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::future::poll_immediate;

    use super::*;

    /// The writers behind one that gave up on a stuck process must not each wait as long again.
    #[tokio::test]
    async fn waiting_in_line_counts_unless_the_process_had_a_turn_meanwhile() {
        for had_a_turn in [false, true] {
            let line = Line::default();
            let mut first = line.first().await;
            let mut second = pin!(line.first());
            assert!(poll_immediate(&mut second).await.is_none());
            let stood_in_line = Instant::now();
            if had_a_turn {
                first.turn_ends();
            }
            drop(first);
            let second = second.await;
            assert!(second.came() <= stood_in_line);
            assert_eq!(second.without_turn() >= stood_in_line, had_a_turn);
        }
    }
}
