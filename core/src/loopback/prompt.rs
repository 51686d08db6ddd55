//! Questions to the user at the terminal, one at a time.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::threads::BoxFuture;
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::error::Error;

/// How the user at a terminal is asked. The default uses standard error and standard input; a program that reads its
/// input itself, such as Node, implements its own.
pub trait Prompt: Send + Sync {
    /// Whether the user can be asked.
    fn is_terminal(&self) -> bool;

    /// Shows a line, which has no control characters.
    fn show(&self, line: &str);

    /// Shows `question` without a line break after it, and waits for a typed line. At the end of the input, the line is
    /// empty.
    ///
    /// # Errors
    /// [`Error::Host`] if the user cannot be asked.
    fn ask(&self, question: &str) -> BoxFuture<'_, Result<String, Error>>;
}

/// There is one terminal: a typed line answers the question that is shown, and no other.
static TURN: AsyncMutex<()> = AsyncMutex::const_new(());

/// Asks whether to continue, once no other question is open in this process. `show` shows what is at stake.
pub(super) async fn confirm(prompt: &dyn Prompt, show: impl FnOnce()) -> Result<bool, Error> {
    let _turn = TURN.lock().await;
    show();
    let answer = prompt.ask("Continue? [y/N] ").await?;
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

    // A line that cannot be shown is not an error.
    fn show(&self, line: &str) {
        let _ = writeln!(io::stderr(), "{line}");
    }

    fn ask(&self, question: &str) -> BoxFuture<'_, Result<String, Error>> {
        let _ = write!(io::stderr(), "{question}");
        let _ = io::stderr().flush();
        Box::pin(async { Ok(Line::next().await) })
    }
}

/// A line of standard input, read on a thread of its own, for which the end of the program need not wait. Reading
/// cannot be stopped: the reader of a cancelled question reads for the next one. A line that it has read by then was
/// typed before that question was shown, and answers nothing.
struct Line(Option<oneshot::Receiver<String>>);

static BEING_READ: Mutex<Option<oneshot::Receiver<String>>> = Mutex::new(None);

fn being_read() -> MutexGuard<'static, Option<oneshot::Receiver<String>>> {
    BEING_READ.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a reader that has read nothing yet: the one of a cancelled question, or a new one.
fn reader(
    left_behind: Option<oneshot::Receiver<String>>,
    read: impl FnOnce() -> oneshot::Receiver<String>,
) -> oneshot::Receiver<String> {
    let still_reads =
        |line: &mut oneshot::Receiver<String>| matches!(line.try_recv(), Err(TryRecvError::Empty));
    let mut left_behind = left_behind;
    match left_behind.as_mut().is_some_and(still_reads) {
        true => left_behind.unwrap_or_else(read),
        false => read(),
    }
}

impl Line {
    async fn next() -> String {
        let left_behind = being_read().take();
        let mut line = Self(Some(reader(left_behind, read)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_typed_before_a_question_is_no_answer_to_it() {
        let another = || {
            let (sender, receiver) = oneshot::channel();
            let _ = sender.send("typed now".to_owned());
            receiver
        };
        let (before, left_behind) = oneshot::channel();
        before.send("y".to_owned()).expect("it is kept");
        let line = reader(Some(left_behind), another).await;
        assert_eq!(line.as_deref(), Ok("typed now"));
        // A reader that still reads gets the next typed line: a new reader would not.
        let (reading, left_behind) = oneshot::channel();
        let line = reader(Some(left_behind), another);
        reading
            .send("typed later".to_owned())
            .expect("it is awaited");
        assert_eq!(line.await.as_deref(), Ok("typed later"));
        assert_eq!(reader(None, another).await.as_deref(), Ok("typed now"));
    }
}
