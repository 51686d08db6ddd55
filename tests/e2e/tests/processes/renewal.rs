//! Many processes with one expired credential renew it once.

use std::time::{Duration, Instant};

use mcp_reauth_fixture::Faults;

use crate::stage::{Stage, Worker};

const ROUNDS: u64 = 50;
const PROCESSES: usize = 8;
const CALLS: usize = 10;
const ALL: u64 = (PROCESSES * CALLS) as u64;
/// A little longer than the lifetime of an access token.
const LIFE: u64 = 3601;

/// How the credential of a round becomes invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The server rejects it; its expiry is not known to the clients.
    Rejected,
    /// As before, and no program receives a response before all calls are sent.
    RejectedAtOnce,
    /// It expires by every clock.
    Expired,
}

impl End {
    fn of(round: u64) -> Self {
        [Self::Rejected, Self::RejectedAtOnce, Self::Expired][(round % 3) as usize]
    }
}

/// Invalidates the credential, makes the calls of all programs at once, and checks the requests.
async fn round(stage: &Stage, programs: &mut [Worker], end: End) {
    let control = stage.control();
    control.reset_counters();
    match end {
        End::Rejected => control.expire_access_tokens(),
        End::RejectedAtOnce => {
            control.expire_access_tokens();
            stage.fault(Faults {
                mcp_hold: true,
                ..Faults::default()
            });
        }
        End::Expired => {}
    }
    for program in &mut *programs {
        program.begin(CALLS).await;
    }
    if end == End::RejectedAtOnce {
        stage.counted(|c| c.mcp_requests == ALL).await;
        stage.mend();
    }
    let mut succeeded = 0;
    for program in programs {
        let calls = program.end().await;
        assert!(calls.failed.is_empty(), "{end:?}: {calls:?}");
        succeeded += calls.succeeded;
    }
    let counters = stage.counters();
    assert_eq!(succeeded, ALL);
    assert_eq!(counters.token_refresh, 1, "{end:?}: {counters:#?}");
    assert_eq!(counters.reuse_detected, 0, "{end:?}: {counters:#?}");
    assert_eq!(counters.authorize_visits, 0, "{end:?}: {counters:#?}");
    match end {
        End::Rejected => assert!(counters.mcp_requests <= 2 * ALL, "{counters:#?}"),
        End::RejectedAtOnce => assert_eq!(counters.mcp_requests, 2 * ALL, "{counters:#?}"),
        End::Expired => assert_eq!(counters.mcp_requests, ALL, "{counters:#?}"),
    }
}

/// Running programs have the old credential in memory.
#[tokio::test]
async fn one_refresh_for_eighty_calls_of_eight_processes_fifty_times() {
    let stage = Stage::signed_in().await;
    let mut programs = stage.programs(PROCESSES).await;
    let begun = Instant::now();
    for number in 0..ROUNDS {
        let end = End::of(number);
        if end == End::Expired {
            stage.control().advance(Duration::from_secs(LIFE));
            for program in &mut programs {
                program.advance(LIFE).await;
            }
        }
        round(&stage, &mut programs, end).await;
    }
    println!("{ROUNDS} rounds took {:?}", begun.elapsed());
}

/// Half of the programs have just started, with what the store held then.
#[tokio::test]
async fn one_refresh_for_eighty_calls_of_four_old_and_four_new_processes() {
    let stage = Stage::signed_in().await;
    let mut programs = stage.programs(PROCESSES).await;
    let mut ahead = 0;
    for number in 0..ROUNDS / 4 {
        let end = End::of(number);
        programs.truncate(PROCESSES / 2);
        if end == End::Expired {
            stage.control().advance(Duration::from_secs(LIFE));
            ahead += LIFE;
            for program in &mut programs {
                program.advance(LIFE).await;
            }
        }
        for mut program in stage.programs(PROCESSES / 2).await {
            program.advance(ahead).await;
            programs.push(program);
        }
        // Next time, the older half is replaced.
        programs.rotate_left(PROCESSES / 2);
        round(&stage, &mut programs, end).await;
    }
}
