//! The program on a terminal.

use std::ffi::OsStr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::program::FOREIGN_VARIABLES;
use super::visitor::Visitor;
use super::{Ended, World, soon};
use crate::tested::tested;

/// The program with a terminal as its standard streams. Dropping it kills it.
pub(crate) struct PseudoTerminal {
    child: Child,
    keyboard: pty_process::OwnedWritePty,
    screen: watch::Receiver<String>,
    reader: JoinHandle<()>,
    visitor: Visitor,
}

impl PseudoTerminal {
    /// Starts the program with the world's store and a user who visits the addresses it prints.
    pub(crate) fn start(world: &World, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        Self::start_with(world, args, &[])
    }

    /// The same, with these environment variables.
    pub(crate) fn start_with(
        world: &World,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        variables: &[(&str, &str)],
    ) -> Self {
        let (pty, pts) = pty_process::open().expect("a terminal");
        // Wide, so that no line wraps.
        pty.resize(pty_process::Size::new(50, 5000))
            .expect("a size");
        let mut command = pty_process::Command::new(tested())
            .args(args)
            .env("HOME", world.folder.path())
            .env("MCP_REAUTH_STORE", world.store())
            .kill_on_drop(true);
        for name in FOREIGN_VARIABLES {
            if name != "MCP_REAUTH_STORE" {
                command = command.env_remove(name);
            }
        }
        for (name, value) in variables {
            command = command.env(name, value);
        }
        let child = command.spawn(pts).expect("the program starts");
        let (mut output, keyboard) = pty.into_split();
        let (sender, screen) = watch::channel(String::new());
        let visitor = Visitor::new(true);
        let person = visitor.clone();
        let reader = tokio::spawn(async move {
            let mut bytes = Vec::new();
            let mut seen = 0;
            // Reading a terminal that no process has open fails instead of returning the end of the stream.
            while let Ok(1..) = output.read_buf(&mut bytes).await {
                while let Some(length) = bytes[seen..].iter().position(|&byte| byte == b'\n') {
                    let line = String::from_utf8_lossy(&bytes[seen..seen + length]);
                    person.sees(line.trim_end());
                    seen += length + 1;
                }
                sender.send_replace(String::from_utf8_lossy(&bytes).into_owned());
            }
        });
        Self {
            child,
            keyboard,
            screen,
            reader,
            visitor,
        }
    }

    /// Waits until the screen contains this.
    pub(crate) async fn shows(&mut self, text: &str) {
        let shown = soon(self.screen.wait_for(|screen| screen.contains(text))).await;
        drop(shown.expect("the program ended without showing that"));
    }

    pub(crate) async fn types(&mut self, keys: &str) {
        let typed = self.keyboard.write_all(keys.as_bytes()).await;
        typed.expect("the terminal is open");
    }

    /// Waits for the exit. A terminal combines both output streams.
    pub(crate) async fn end(mut self) -> Ended {
        let status = soon(self.child.wait()).await.expect("an exit status");
        soon(self.reader).await.expect("the screen");
        let ended = Ended {
            status,
            stdout: String::new(),
            stderr: self.screen.borrow().replace("\r\n", "\n"),
            pages: self.visitor.pages(),
        };
        ended.check_for_panics();
        ended
    }
}
