//! Questions to the person at the terminal, one at a time.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use crate::error::Error;

/// Where a person is asked who uses a terminal. By default, that is standard error and standard input; a program that
/// reads its input itself, as Node does, has a way of its own.
pub trait Prompt: Send + Sync {
    /// Whether a person can be asked.
    fn is_terminal(&self) -> bool;

    /// Shows `question` without a line break after it, and waits for the line that is typed; at the end of the input, for
    /// an empty one.
    ///
    /// # Errors
    /// [`Error::Host`] when the person cannot be asked.
    fn ask(&self, question: &str) -> BoxFuture<'_, Result<String, Error>>;
}

/// There is one terminal: what is typed answers the question that stands there, and no other.
static TURN: AsyncMutex<()> = AsyncMutex::const_new(());

/// Asks whether to go on, when no other question is being asked in this process. `show` shows what is at stake.
pub(super) async fn confirm(prompt: &dyn Prompt, show: impl FnOnce()) -> Result<bool, Error> {
    let _turn = TURN.lock().await;
    show();
    let answer = prompt.ask("Go on? [y/N] ").await?;
    let answer = answer.trim();
    Ok(["y", "yes"]
        .iter()
        .any(|yes| answer.eq_ignore_ascii_case(yes)))
}

/// Standard error and standard input.
pub(super) struct StandardStreams;

impl Prompt for StandardStreams {
    fn is_terminal(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn ask(&self, question: &str) -> BoxFuture<'_, Result<String, Error>> {
        let _ = write!(io::stderr(), "{question}");
        let _ = io::stderr().flush();
        Box::pin(async { Ok(Line::next().await) })
    }
}

/// A line of standard input that is being read, on a thread of its own, which the end of the program need not wait for.
/// Reading cannot be stopped: what is typed after a question was taken back answers the next one.
struct Line(Option<oneshot::Receiver<String>>);

static BEING_READ: Mutex<Option<oneshot::Receiver<String>>> = Mutex::new(None);

fn being_read() -> MutexGuard<'static, Option<oneshot::Receiver<String>>> {
    BEING_READ.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    async fn next() -> String {
        let known = being_read().take();
        let mut line = Self(Some(known.unwrap_or_else(read)));
        let typed = match &mut line.0 {
            Some(receiver) => receiver.await,
            None => return String::new(),
        };
        line.0 = None;
        typed.unwrap_or_default()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(unread) = self.0.take() {
            *being_read() = Some(unread);
        }
    }
}

fn read() -> oneshot::Receiver<String> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = io::stdin().lock().read_line(&mut line);
        let _ = sender.send(line);
    });
    receiver
}
