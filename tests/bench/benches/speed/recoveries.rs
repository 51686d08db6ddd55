//! The overhead of a session for the three requests of a recovery from an expired token.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, ready};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};
use mcp_reauth::http::{HttpClient, HttpError, Request, Response};
use mcp_reauth::recovery::Trigger;
use mcp_reauth::{AuthSession, FileStore, Operation, Recovery};

use crate::Effort;
use crate::bare::{ByHand, Call};
use crate::pairs::{at, compare, micros, timed};
use crate::report::Report;
use crate::sessions::{OPAQUE, state};
use crate::stage::{Stage, one_thread};

/// A token endpoint that answers immediately.
struct AtOnce;

impl HttpClient for AtOnce {
    fn send(&self, _: Request, _: usize) -> BoxFuture<'static, Result<Response, HttpError>> {
        const TOKENS: &str = r#"{"access_token":"0123456789abcdef0123456789abcdef","token_type":"Bearer",
            "expires_in":3600,"refresh_token":"fedcba9876543210fedcba9876543210","scope":"files:read"}"#;
        Box::pin(ready(Ok(Response::new(TOKENS.as_bytes().to_vec()))))
    }
}

/// The cost of a recovery without network time.
fn without_the_network(report: &mut Report, effort: Effort) {
    one_thread().block_on(async {
        let builder = AuthSession::builder("https://mcp.example.com/mcp");
        let session = builder.http_client(AtOnce).open().await.unwrap();
        session.set_auth_state(state(OPAQUE)).await.unwrap();
        let recover = async || {
            let mut request = session.request(Operation::default(), Trigger::Command);
            let url = session.server();
            request.authorize("POST", url).await.unwrap();
            let line = HeaderValue::from_static(r#"Bearer error="invalid_token""#);
            let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, line)]);
            let ((), time) = timed(async {
                let recovery = request.recover(StatusCode::UNAUTHORIZED, &headers).await;
                assert!(matches!(recovery, Recovery::Retry), "{recovery:?}");
            })
            .await;
            time
        };
        let mut times = Vec::new();
        for _ in 0..effort.batches {
            times.push(recover().await);
        }
        let words = format!("{:.1} us", micros(at(&mut times, 0.5)));
        report.noted("recovery by a server that answers at once", words);
    });
}

pub(crate) fn measure(report: &mut Report, effort: Effort) {
    without_the_network(report, effort);
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.json");
    one_thread().block_on(async {
        let session = stage.signed_in(|builder| builder).await;
        let ratio = against_bare(&stage, effort, &session).await;
        let what = "recovery / its three requests";
        report.aimed(what, ratio.median, 1.1, "", ratio.to_string());

        let store = FileStore::new(&file);
        let session = stage.signed_in(|builder| builder.store(store)).await;
        let ratio = against_bare(&stage, effort, &session).await;
        let what = "the same with a file store";
        report.noted(what, ratio.to_string());
        let syncing = syncing(effort, &file);
        let added = ratio.other.saturating_sub(ratio.base);
        let share = 100.0 * syncing.as_secs_f64() / added.as_secs_f64();
        let words = format!(
            "{:.0} us of the {:.0} us added ({share:.0} %)",
            micros(syncing),
            micros(added)
        );
        report.noted("of it, making sure that it is on the disk", words);
    });
}

async fn against_bare(stage: &Stage, effort: Effort, session: &AuthSession) -> crate::pairs::Ratio {
    let mut by_hand = ByHand::from(stage.signed_in(|builder| builder).await).await;
    let (plain, through) = (Call::new(&stage.mcp_url), Call::new(&stage.mcp_url));
    let base = async || {
        stage.control.expire_access_tokens();
        by_hand.recover(&plain).await
    };
    let other = async || {
        stage.control.expire_access_tokens();
        let before = requests(stage);
        let ((), time) = timed(through.send_through(session)).await;
        assert_eq!(requests(stage) - before, 3);
        time
    };
    compare(effort, base, other).await
}

/// The number of requests to the servers.
fn requests(stage: &Stage) -> u64 {
    let counters = stage.control.counters();
    counters.mcp_post + counters.token_requests
}

/// The time to sync a file of this size, to rename it, and to sync its folder.
fn syncing(effort: Effort, path: &Path) -> Duration {
    let contents = std::fs::read(path).unwrap();
    let folder = path.parent().unwrap();
    let once = || {
        let mut file = File::create(folder.join("copy")).unwrap();
        file.write_all(&contents).unwrap();
        let start = Instant::now();
        file.sync_all().unwrap();
        std::fs::rename(folder.join("copy"), folder.join("target")).unwrap();
        File::open(folder).unwrap().sync_all().unwrap();
        start.elapsed()
    };
    let mut times: Vec<Duration> = (0..effort.rounds * 10).map(|_| once()).collect();
    at(&mut times, 0.5)
}
