//! Many sessions that recover at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Barrier;

use crate::Effort;
use crate::bare::Call;
use crate::pairs::at;
use crate::report::Report;
use crate::stage::Stage;

pub(crate) fn measure(report: &mut Report, effort: Effort) {
    let stage = Stage::new();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut sessions = Vec::new();
        for _ in 0..effort.crowd {
            sessions.push(stage.signed_in(|builder| builder).await);
        }
        let call = Arc::new(Call::new(&stage.mcp_url));
        let mut times = Vec::new();
        for _ in 0..9.min(effort.rounds) {
            stage.control.expire_access_tokens();
            stage.control.reset_counters();
            times.push(all_at_once(&sessions, &call).await);
            let counters = stage.control.counters();
            let expected = effort.crowd as u64;
            assert_eq!(counters.token_requests, expected);
            assert_eq!(counters.mcp_post, 2 * expected);
        }
        let first = effort.crowd as f64 / times[0].as_secs_f64();
        let each = effort.crowd as f64 / at(&mut times, 0.5).as_secs_f64();
        report.noted(
            &format!("{} sessions recover at once, 2 threads", effort.crowd),
            format!("{each:.0} sessions a second; the first time {first:.0}"),
        );
    });
}

async fn all_at_once(sessions: &[mcp_reauth::AuthSession], call: &Arc<Call>) -> Duration {
    let gate = Arc::new(Barrier::new(sessions.len() + 1));
    let tasks = sessions.iter().map(|session| {
        let (session, call, gate) = (session.clone(), Arc::clone(call), Arc::clone(&gate));
        tokio::spawn(async move {
            gate.wait().await;
            call.send_through(&session).await;
        })
    });
    let tasks: Vec<_> = tasks.collect();
    gate.wait().await;
    let start = Instant::now();
    for ended in join_all(tasks).await {
        ended.unwrap();
    }
    start.elapsed()
}
