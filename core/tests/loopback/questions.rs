//! Questions at the terminal: one at a time, each answered by what is typed while it is shown.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mcp_reauth::host::StepUpRequest;
use mcp_reauth::loopback::{Prompt, TerminalHost, TerminalOptions};
use mcp_reauth::{AuthChallenge, AuthHost, Error, ScopeSet};
use tokio::sync::{Mutex as AsyncMutex, Notify};

/// The questions of this process take turns, and so do the tests.
static ALONE: AsyncMutex<()> = AsyncMutex::const_new(());

/// A terminal whose user types these lines when they are told to.
#[derive(Clone, Default)]
struct Terminal(Arc<State>);

#[derive(Default)]
struct State {
    absent: bool,
    lines: Mutex<Vec<String>>,
    asked: Mutex<usize>,
    shown: Notify,
    typed: Mutex<VecDeque<String>>,
    types: Notify,
}

impl Terminal {
    fn asked(&self) -> usize {
        *self.0.asked.lock().expect("it is whole")
    }

    fn types(&self, line: &str) {
        let mut typed = self.0.typed.lock().expect("it is whole");
        typed.push_back(line.to_owned());
        self.0.types.notify_one();
    }

    fn host(&self) -> Arc<TerminalHost> {
        Arc::new(TerminalHost::new(TerminalOptions::default()).prompt(self.clone()))
    }
}

impl Prompt for Terminal {
    fn is_terminal(&self) -> bool {
        !self.0.absent
    }

    fn show(&self, line: &str) {
        self.0
            .lines
            .lock()
            .expect("it is whole")
            .push(line.to_owned());
    }

    fn ask(&self, _question: &str) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async move {
            *self.0.asked.lock().expect("it is whole") += 1;
            self.0.shown.notify_one();
            loop {
                if let Some(line) = self.0.typed.lock().expect("it is whole").pop_front() {
                    return Ok(line);
                }
                self.0.types.notified().await;
            }
        })
    }
}

fn request() -> StepUpRequest {
    let challenge = [r#"Bearer error="insufficient_scope", scope="a""#];
    StepUpRequest {
        server: "https://mcp.example/mcp".to_owned(),
        challenge: AuthChallenge::from_response(403, challenge).expect("it is one"),
        new_scopes: ScopeSet::parse("a"),
        scopes: ScopeSet::parse("a"),
        identity_provider: None,
    }
}

#[tokio::test]
async fn only_a_yes_is_one() {
    let _alone = ALONE.lock().await;
    let terminal = Terminal::default();
    let host = terminal.host();
    for (line, agreed) in [
        ("y\n", true),
        (" YES \r\n", true),
        ("n\n", false),
        ("\n", false),
        ("", false),
        ("yeah\n", false),
    ] {
        terminal.types(line);
        assert_eq!(
            host.confirm_step_up(request()).await,
            Ok(agreed),
            "{line:?}"
        );
    }
}

#[tokio::test]
async fn a_question_waits_for_the_one_that_stands_there() {
    let _alone = ALONE.lock().await;
    let terminal = Terminal::default();
    // For two sessions, each with its own host.
    let ask = |host: Arc<TerminalHost>| {
        tokio::spawn(async move { host.confirm_step_up(request()).await })
    };
    let first = ask(terminal.host());
    terminal.0.shown.notified().await;
    let second = ask(terminal.host());
    tokio::task::yield_now().await;
    assert_eq!(terminal.asked(), 1);
    terminal.types("y\n");
    assert_eq!(first.await.expect("it ran"), Ok(true));
    terminal.0.shown.notified().await;
    assert_eq!(terminal.asked(), 2);
    terminal.types("n\n");
    assert_eq!(second.await.expect("it ran"), Ok(false));
}

#[tokio::test]
async fn a_question_that_is_taken_back_makes_room_for_the_next() {
    let _alone = ALONE.lock().await;
    let terminal = Terminal::default();
    let host = terminal.host();
    let first = tokio::spawn(async move { host.confirm_step_up(request()).await });
    terminal.0.shown.notified().await;
    first.abort();
    assert!(first.await.is_err());
    terminal.types("y\n");
    assert_eq!(terminal.host().confirm_step_up(request()).await, Ok(true));
    assert_eq!(terminal.asked(), 2);
}

#[tokio::test]
async fn without_a_terminal_nobody_is_asked() {
    let terminal = Terminal(Arc::new(State {
        absent: true,
        ..State::default()
    }));
    let asked = terminal.host().confirm_step_up(request()).await;
    let error = asked.expect_err("there is none");
    assert_eq!(
        (error.code().as_str(), error.detail()),
        (
            "host",
            Some("there is no terminal to ask on; run it in a terminal")
        )
    );
    let options = TerminalOptions {
        assume_yes: true,
        ..TerminalOptions::default()
    };
    let host = TerminalHost::new(options).prompt(terminal.clone());
    assert_eq!(host.confirm_step_up(request()).await, Ok(true));
    assert_eq!(terminal.asked(), 0);
    let lines = terminal.0.lines.lock().expect("it is whole").clone();
    assert_eq!(lines.len(), 2);
    assert!(
        lines
            .iter()
            .all(|line| line.contains("https://mcp.example/mcp needs")),
        "{lines:?}"
    );
}
