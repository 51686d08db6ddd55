//! The worker: a process with some sessions that makes calls until it is told to end.

mod calls;
mod http;
mod sdk;
mod user;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncBufReadExt as _, BufReader};

use self::calls::Caller;
use crate::wire::{Order, Task, Told};

/// What all sessions of a worker share.
#[derive(Debug, Default)]
struct Common {
    paused: AtomicBool,
    resumed: tokio::sync::Notify,
    cancelled: tokio::sync::Notify,
}

/// Writes a message to the program, synchronously.
fn tell(told: &Told) {
    let line = serde_json::to_string(told).unwrap_or_default();
    let mut out = io::stdout().lock();
    // Without a reader, this process is about to end.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Reads orders from standard input, and executes them until it is told to end.
pub(crate) async fn run() -> io::Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_ansi(false)
        .with_writer(io::stderr)
        .init();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let task = lines.next_line().await?.unwrap_or_default();
    let task: Task = serde_json::from_str(&task)?;
    let common = Arc::new(Common::default());
    let mut callers = Vec::new();
    for session in &task.sessions {
        callers.push(Arc::new(Caller::open(&task, session, &common).await?));
    }
    tell(&Told::Ready);
    break_something(&task, &callers);
    let loops = callers.iter().map(|caller| {
        let caller = Arc::clone(caller);
        tokio::spawn(async move { caller.go_on().await })
    });
    let loops: Vec<_> = loops.collect();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line)? {
            Order::End => break,
            order => obey(order, &common, &callers),
        }
    }
    for looping in loops {
        looping.abort();
    }
    for caller in &callers {
        caller.end().await;
    }
    Ok(())
}

/// Starts to execute an order, without waiting.
fn obey(order: Order, common: &Arc<Common>, callers: &[Arc<Caller>]) {
    let of = |session| callers.iter().find(|c| c.number() == session).cloned();
    match order {
        Order::Pause => {
            common.paused.store(true, Ordering::SeqCst);
            let callers = callers.to_vec();
            tokio::spawn(async move {
                for caller in &callers {
                    caller.quiet().await;
                }
                tell(&Told::Quiet);
            });
        }
        Order::Check => {
            let callers = callers.to_vec();
            tokio::spawn(async move {
                let checks = callers.iter().map(|caller| caller.check());
                futures_util::future::join_all(checks).await;
                tell(&Told::Checked);
            });
        }
        Order::Cancel => common.cancelled.notify_waiters(),
        Order::SignOut { session } => {
            if let Some(caller) = of(session) {
                tokio::spawn(async move { caller.sign_out().await });
            }
        }
        Order::SignIn { session } => {
            if let Some(caller) = of(session) {
                tokio::spawn(async move { caller.sign_in().await });
            }
        }
        Order::End => {}
    }
}

/// Breaks on purpose what the task says.
fn break_something(task: &Task, callers: &[Arc<Caller>]) {
    let Some(first) = callers.first().cloned() else {
        return;
    };
    match task.broken.as_deref() {
        Some("memory") => {
            tokio::spawn(async move {
                let mut kept = Vec::new();
                loop {
                    kept.push(vec![1_u8; 256 * 1024]);
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            });
        }
        Some("descriptors") => {
            tokio::spawn(async move {
                let mut kept = Vec::new();
                loop {
                    kept.push(std::fs::File::open("/dev/null"));
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            });
        }
        Some("secret") => {
            tokio::spawn(async move { first.tell_the_token().await });
        }
        Some("pages" | "too-many-pages") => {
            let many = task.broken.as_deref() == Some("too-many-pages");
            tokio::spawn(async move { first.pretend_pages(many).await });
        }
        _ => {}
    }
}
