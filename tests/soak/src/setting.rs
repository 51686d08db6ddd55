//! Assigns the sessions to workers.

use std::path::Path;
use std::time::Duration;

use crate::args::SoakArgs;
use crate::checks::Places;
use crate::record::{Pair, Place};
use crate::servers::Server;
use crate::wire::{INTERACTION_TIMEOUT, SessionTask, Task, Transport};

/// The number of processes that use Node.
pub(crate) fn node_processes(args: &SoakArgs) -> usize {
    // Both numbers are small.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    let share = (args.processes as f64 * args.node_share.clamp(0.0, 1.0)).round() as usize;
    share.min(args.processes)
}

/// The tasks of the workers. The last ones use Node, unless they are `skipped`.
pub(crate) fn tasks(
    args: &SoakArgs,
    seed: u64,
    store: &Path,
    servers: &[Server],
    skipped: usize,
) -> Vec<Task> {
    let processes = args.processes.max(1);
    let rust = processes - node_processes(args);
    let broken = args.break_on_purpose;
    let broken = broken.and_then(|broken| clap::ValueEnum::to_possible_value(&broken));
    let broken = broken.map(|value| value.get_name().to_owned());
    let task = |worker: usize| Task {
        worker,
        seed: seed.wrapping_add(worker as u64),
        store: store.to_owned(),
        interaction_timeout_ms: u64::try_from(INTERACTION_TIMEOUT.as_millis()).unwrap_or(8_000),
        // One worker is enough to test it.
        broken: broken.clone().filter(|_| worker == 0),
        sessions: (worker..args.sessions)
            .step_by(processes)
            .map(|session| self::session(args, servers, session, worker >= rust))
            .collect(),
    };
    (0..processes - skipped.min(processes)).map(task).collect()
}

/// Consecutive sessions are in different processes and share a profile.
fn session(args: &SoakArgs, servers: &[Server], session: usize, node: bool) -> SessionTask {
    let row = session / args.processes.max(1);
    let server = &servers[row % servers.len()];
    let profile = row / servers.len() % args.profiles.max(1);
    let ways = [
        Transport::Request,
        Transport::Stateless,
        Transport::Sessions,
    ];
    SessionTask {
        session,
        profile: format!("profile-{profile}"),
        url: server.fixture.mcp_url().to_owned(),
        question: server.question(),
        transport: if node {
            Transport::Node
        } else {
            ways[(row + session) % ways.len()]
        },
    }
}

/// The place of each session.
pub(crate) fn places(tasks: &[Task], servers: &[Server]) -> Places {
    let sessions = tasks.iter().flat_map(|task| {
        let sessions = task.sessions.iter();
        sessions.filter_map(move |session| {
            let server = servers
                .iter()
                .position(|s| s.fixture.mcp_url() == session.url)?;
            let profile = session.profile.clone();
            let place = Place {
                pair: Pair { server, profile },
                worker: task.worker,
            };
            Some((session.session, place))
        })
    });
    sessions.collect()
}

/// How long a worker may take to reach its normal memory use.
pub(crate) fn warm_up(minutes: f64) -> Duration {
    Duration::from_secs_f64((minutes * 60.0 / 4.0).clamp(15.0, 120.0))
}
