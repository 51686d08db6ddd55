//! A program is killed or stopped in the middle of a renewal. Its locks end with it. If only it knew the new token,
//! that is lost, and one user signs in, once.

use std::fs::File;
use std::path::Path;

use mcp_reauth_fixture::{Config, Faults};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::stage::{Stage, Worker, until};

/// How many programs without a user wait for the one that is killed.
const OTHERS: usize = 4;
const CALLS: usize = 10;
const ALL: u64 = (OTHERS * CALLS) as u64;

fn token_hold() -> Faults {
    Faults {
        token_hold: true,
        ..Faults::default()
    }
}

fn hold_after_rotation() -> Faults {
    Faults {
        hold_after_rotation: true,
        ..Faults::default()
    }
}

fn tolerate_reuse() -> Faults {
    Faults {
        tolerate_reuse: true,
        ..Faults::default()
    }
}

/// Starts the calls of all programs, and waits until each is rejected: now they wait for the lease.
async fn begin(stage: &Stage, others: &mut [Worker]) {
    let before = stage.counters().mcp_401;
    for other in &mut *others {
        other.begin(CALLS).await;
    }
    let refused = before + (others.len() * CALLS) as u64;
    stage.counted(|c| c.mcp_401 == refused).await;
}

/// Asserts that the started calls succeed, without prompts.
async fn all_succeed(others: &mut [Worker]) {
    for other in others {
        let calls = other.end().await;
        assert_eq!(calls.succeeded, CALLS as u64, "{calls:?}");
    }
}

/// A program that has begun to renew, and those that must continue without it.
async fn renewing(stage: &Stage, faults: Faults) -> (Worker, Vec<Worker>) {
    let mut leader = stage.program(&[]).await;
    let others = stage.programs(OTHERS).await;
    stage.control().expire_access_tokens();
    stage.fault(faults);
    leader.begin(1).await;
    stage.counted(|c| c.token_refresh == 1).await;
    (leader, others)
}

#[tokio::test]
async fn leader_killed_before_the_rotation_is_replaced_by_one_other_at_once() {
    let stage = Stage::signed_in().await;
    let (mut leader, mut others) = renewing(&stage, token_hold()).await;
    begin(&stage, &mut others).await;
    leader.kill().await;
    // Its lock ended with it: the next program renews, long before the lease would lapse.
    stage.counted(|c| c.token_refresh == 2).await;
    stage.mend();
    all_succeed(&mut others).await;
    let counters = stage.counters();
    assert_eq!((counters.token_refresh, counters.rotations), (2, 1));
    assert_eq!((counters.reuse_detected, counters.authorize_visits), (0, 0));
}

/// When the leader is killed: the server has rotated the token, and the store does not have the new one.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// Before the response arrives.
    BeforeTheAnswer,
    /// While it waits for the lock to write the response.
    BeforeTheWrite,
}

/// Kills the leader at that moment, while all others wait for it. Then the server has the faults `then`.
async fn kill_after_rotation(stage: &Stage, death: Death, then: Faults) -> Vec<Worker> {
    let before = stage.record();
    let (mut leader, mut others) = match death {
        Death::BeforeTheAnswer => renewing(stage, hold_after_rotation()).await,
        Death::BeforeTheWrite => renewing(stage, token_hold()).await,
    };
    begin(stage, &mut others).await;
    let turn = match death {
        Death::BeforeTheAnswer => {
            stage.counted(|c| c.rotations == 1).await;
            None
        }
        Death::BeforeTheWrite => {
            let path = stage.store().with_file_name("credentials.json.lock");
            let turn = File::options().write(true).open(&path).unwrap();
            until(|| turn.try_lock().is_ok()).await;
            stage.mend();
            stage.counted(|c| c.rotations == 1).await;
            until(|| has_open(leader.id(), &path)).await;
            Some(turn)
        }
    };
    leader.kill().await;
    stage.fault(then);
    assert_eq!(stage.record(), before, "nothing of the answer was stored");
    drop(turn);
    others
}

/// Whether a process has a file open.
fn has_open(process: u32, path: &Path) -> bool {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let mut files = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    files.any(|file| file == path)
}

/// The server has received the refresh token twice and revokes the grant. The programs without a user fail and do not
/// prompt; one user signs in once, for all.
async fn one_person_recovers(death: Death) {
    let stage = Stage::signed_in().await;
    let mut attended = stage.program(&["person"]).await;
    let mut others = kill_after_rotation(&stage, death, Faults::default()).await;
    for other in &mut others {
        told_to_sign_in(&stage, other, CALLS).await;
    }
    let counters = stage.counters();
    assert_eq!(
        (counters.token_refresh, counters.reuse_detected),
        (2, 1),
        "{counters:#?}"
    );
    assert_eq!(counters.mcp_requests, 1 + ALL, "each call was made once");
    // Another try gets the same error, without a prompt.
    others[0].begin(CALLS).await;
    told_to_sign_in(&stage, &mut others[0], CALLS).await;
    assert_eq!(stage.counters().token_requests, 2);

    let calls = attended.calls(CALLS).await;
    assert_eq!(
        (calls.succeeded, calls.pages),
        (CALLS as u64, 1),
        "{calls:?}"
    );
    for other in &mut others {
        other.begin(CALLS).await;
    }
    all_succeed(&mut others).await;
    let counters = stage.counters();
    assert_eq!((counters.token_code, counters.authorize_visits), (1, 1));
    assert_eq!((counters.token_refresh, counters.reuse_detected), (2, 1));
}

async fn told_to_sign_in(stage: &Stage, program: &mut Worker, calls: usize) {
    let ended = program.end().await;
    assert_eq!(
        (ended.succeeded, ended.failed.len()),
        (0, calls),
        "{ended:?}"
    );
    for [code, message, shown] in ended.failed {
        assert_eq!(code, "interaction_required");
        assert!(message.contains(stage.server()), "{message}");
        assert!(
            shown.contains("this session has no host: sign in"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn leader_killed_before_the_answer_costs_one_person_one_sign_in() {
    one_person_recovers(Death::BeforeTheAnswer).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn leader_killed_before_the_write_costs_one_person_one_sign_in() {
    one_person_recovers(Death::BeforeTheWrite).await;
}

/// A user with an open program learns why.
#[tokio::test]
async fn whoever_signs_in_hears_that_access_was_not_renewed_any_more() {
    let stage = Stage::signed_in().await;
    let mut attended = stage.program(&["person"]).await;
    let (mut leader, _) = renewing(&stage, hold_after_rotation()).await;
    attended.begin(1).await;
    stage.counted(|c| (c.rotations, c.mcp_401) == (1, 2)).await;
    leader.kill().await;
    stage.mend();
    let calls = attended.end().await;
    assert_eq!((calls.succeeded, calls.pages), (1, 1), "{calls:?}");
    let heard = |event: &Value| event[0] == "renewal_failed" && event[1] == "refresh_rejected";
    let heard = calls.events.iter().find(|event| heard(event));
    let message = heard.expect("it was told")[2].as_str().unwrap();
    assert!(
        message.contains("no longer renews this access"),
        "{message}"
    );
    assert!(
        message.contains("the refresh token has been replaced"),
        "{message}"
    );
    assert!(message.ends_with("Sign in again."), "{message}");
}

async fn all_recover_silently(config: Config, death: Death, then: Faults) {
    let stage = Stage::signed_in_with(config).await;
    let mut others = kill_after_rotation(&stage, death, then).await;
    all_succeed(&mut others).await;
    let counters = stage.counters();
    assert_eq!((counters.token_refresh, counters.rotations), (2, 2));
    assert_eq!((counters.reuse_detected, counters.authorize_visits), (0, 0));
}

#[tokio::test]
async fn server_that_allows_for_lost_answers_costs_nobody_anything() {
    all_recover_silently(Config::default(), Death::BeforeTheAnswer, tolerate_reuse()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn server_that_allows_for_lost_writes_costs_nobody_anything() {
    all_recover_silently(Config::default(), Death::BeforeTheWrite, tolerate_reuse()).await;
}

/// Without rotation nothing can be lost.
#[tokio::test]
async fn server_that_does_not_rotate_costs_nobody_anything() {
    let config = Config {
        rotate_refresh_tokens: false,
        ..Config::default()
    };
    let stage = Stage::signed_in_with(config).await;
    let (mut leader, mut others) = renewing(&stage, hold_after_rotation()).await;
    begin(&stage, &mut others).await;
    leader.kill().await;
    stage.counted(|c| c.token_refresh == 2).await;
    stage.mend();
    all_succeed(&mut others).await;
    assert_eq!(stage.counters().token_refresh, 2);
    assert_eq!(stage.counters().authorize_visits, 0);
}

fn signal(program: &Worker, signal: Signal) {
    let id = i32::try_from(program.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}

/// A leader that was stopped for longer than its lease continues with an outdated response.
#[tokio::test]
async fn stopped_leader_that_goes_on_does_not_overwrite_what_was_stored_meanwhile() {
    let stage = Stage::signed_in().await;
    let (mut leader, _) = renewing(&stage, hold_after_rotation()).await;
    stage.counted(|c| c.rotations == 1).await;
    signal(&leader, Signal::STOP);
    // By the other programs' clock the lease has lapsed.
    let mut attended = stage.program(&["person", "speed=50"]).await;
    attended.advance(161).await;
    let calls = attended.calls(CALLS).await;
    assert_eq!(
        (calls.succeeded, calls.pages),
        (CALLS as u64, 1),
        "{calls:?}"
    );
    let stored = stage.record();
    signal(&leader, Signal::CONT);
    stage.mend();
    let calls = leader.end().await;
    assert_eq!((calls.succeeded, &calls.events), (1, &vec![]), "{calls:?}");
    assert_eq!(stage.record(), stored);
    // All programs continue with the stored token.
    stage.control().reset_counters();
    assert_eq!(leader.calls(CALLS).await.succeeded, CALLS as u64);
    assert_eq!(attended.calls(CALLS).await.succeeded, CALLS as u64);
    assert_eq!(stage.counters().mcp_requests, 2 * CALLS as u64);
    assert_eq!(stored["pending"], json!({}));
}
