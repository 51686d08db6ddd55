//! The nine situations, with the command.

use std::pin::Pin;

use futures_util::future::join_all;

use super::Outcome;
use super::other::{Other, StepUp};
use super::user::User;

/// The output of a call.
const ANSWER: &str = "hello\n";
/// The number of processes that call at once.
const PARALLEL: usize = 20;

/// The result of a situation, or the error code or a description of what went wrong.
type Attempted = Result<Outcome, String>;
type Attempt = for<'a> fn(&'a Other) -> Pin<Box<dyn Future<Output = Attempted> + 'a>>;

macro_rules! all {
    ($($situation:literal: $attempt:ident,)*) => {
        [$(($situation, |other| Box::pin($attempt(other))),)*]
    };
}

/// All situations with their names in the table.
pub(super) const ALL: [(&str, Attempt); 9] = all! {
    "first sign-in": first_sign_in,
    "call": call,
    "token rejected": token_rejected,
    "20 parallel": parallel,
    "grant revoked": grant_revoked,
    "step-up": step_up,
    "restart": restart,
    "clients forgotten": clients_forgotten,
    "sign-out": sign_out,
};

/// Returns the number of the client's requests since a mark.
async fn works(other: &Other, mark: usize) -> Attempted {
    Ok(Some(other.since(mark).await.len()))
}

/// The number of pages that a rejected token causes.
fn pages(other: &Other) -> usize {
    usize::from(!other.about.refreshes)
}

async fn first_sign_in(other: &Other) -> Attempted {
    let mark = other.mark().await;
    let user = User::signed_in(other).await?;
    let outcome = works(other, mark).await;
    let state = user.state().await;
    if state["authorized"] != true {
        return Err(format!("the state is {state}"));
    }
    outcome
}

async fn call(other: &Other) -> Attempted {
    let user = User::signed_in(other).await?;
    let mark = other.mark().await;
    user.call("echo").run().await.verdict(ANSWER, 0)?;
    works(other, mark).await
}

async fn token_rejected(other: &Other) -> Attempted {
    let user = User::signed_in(other).await?;
    let mark = other.mark().await;
    other.tell("reject").await;
    let ended = user.call("echo").run().await;
    ended.verdict(ANSWER, pages(other))?;
    works(other, mark).await
}

async fn parallel(other: &Other) -> Attempted {
    let user = User::signed_in(other).await?;
    let mark = other.mark().await;
    other.tell("reject").await;
    other.tell("hold").await;
    // One process renews for all, or has the user sign in for all.
    let programs = (0..PARALLEL).map(|_| user.call("echo").start());
    let programs: Vec<_> = programs.collect();
    // All calls are rejected before any of them recovers.
    other.has_rejected(PARALLEL, 1, mark).await;
    other.tell("release").await;
    let ends = join_all(programs.into_iter().map(|program| program.end())).await;
    for ended in &ends {
        ended.verdict(ANSWER, ended.pages)?;
    }
    let shown: usize = ends.iter().map(|ended| ended.pages).sum();
    if shown != pages(other) {
        return Err(format!("{shown} pages, not {}", pages(other)));
    }
    let requests = other.since(mark).await;
    let tokens = requests.iter().filter(|request| request.grant.is_some());
    match tokens.count() {
        1 => works(other, mark).await,
        tokens => Err(format!("{tokens} token requests, not one")),
    }
}

async fn grant_revoked(other: &Other) -> Attempted {
    let user = User::signed_in(other).await?;
    let mark = other.mark().await;
    other.tell("revoke").await;
    user.call("echo").run().await.verdict(ANSWER, 1)?;
    works(other, mark).await
}

async fn step_up(other: &Other) -> Attempted {
    let Some(step_up) = other.about.step_up else {
        return Ok(None);
    };
    let user = User::signed_in(other).await?;
    let mark = other.mark().await;
    let tool = match step_up {
        StepUp::Tool => "write",
        StepUp::Server => {
            other.tell("widen").await;
            "echo"
        }
    };
    let ended = user.call(tool).run().await;
    let outcome = works(other, mark).await;
    let outcome = ended.verdict(ANSWER, 1).and(outcome);
    if step_up == StepUp::Server {
        other.tell("narrow").await;
    }
    outcome
}

/// Each call is a process; this one runs after the token was replaced.
async fn restart(other: &Other) -> Attempted {
    let user = User::signed_in(other).await?;
    other.tell("reject").await;
    let ended = user.call("echo").run().await;
    ended.verdict(ANSWER, pages(other))?;
    let mark = other.mark().await;
    user.call("echo").run().await.verdict(ANSWER, 0)?;
    works(other, mark).await
}

async fn clients_forgotten(other: &Other) -> Attempted {
    let user = User::signed_in(other).await?;
    let mark = other.mark().await;
    other.tell("forget").await;
    let ended = user.call("echo").run().await;
    if !ended.was_interrupted() {
        ended.verdict(ANSWER, 1)?;
        return works(other, mark).await;
    }
    // The page said that the client is unknown, and the user gave up. The next attempt registers another client.
    user.call("echo").run().await.verdict(ANSWER, 1)?;
    works(other, mark).await
}

async fn sign_out(other: &Other) -> Attempted {
    let user = User::signed_in(other).await?;
    let token = user.access_token();
    let mark = other.mark().await;
    user.logout().run().await.verdict("", 0)?;
    let outcome = works(other, mark).await;
    if user.state().await["signedIn"] != false {
        return Err("still signed in".to_owned());
    }
    match other.accepts(&token).await {
        accepted if accepted == other.about.revokes => {
            Err(format!("token accepted afterwards: {accepted}"))
        }
        _ => outcome,
    }
}
