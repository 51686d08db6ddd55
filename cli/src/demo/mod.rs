//! `mcp-reauth demo`: everything that can happen to an authorization, lived through on this machine.

mod steps;
mod timeline;
mod user;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_reauth::{AuthSession, FileStore};
use mcp_reauth_fixture::{Config, Consent, Control, Counters, Fixture};
use tempfile::TempDir;

use crate::args::DemoArgs;
use crate::connection::{Client, connect};
use crate::failure::Failure;
use crate::signal::told_to_end;
use steps::STEPS;
use timeline::{Report, Timeline};
use user::User;

/// How long a step may take when nobody has to click anything.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// How long a step may take when a person clicks.
const PERSON_LIMIT: Duration = Duration::from_secs(300);

/// The stage: a server with its authorization server, one client, and its user.
pub(super) struct Demo {
    fixture: Fixture,
    user: Arc<User>,
    folder: TempDir,
    session: AuthSession,
    client: Option<Client>,
}

impl Demo {
    async fn set_up(browser: bool) -> Result<Self, Failure> {
        let consent = if browser {
            Consent::Page
        } else {
            Consent::Approve
        };
        let config = Config {
            consent,
            ..Config::default()
        };
        let fixture = Fixture::start(config)
            .await
            .map_err(|error| Failure::Other(error.to_string()))?;
        let folder = tempfile::tempdir()
            .map_err(|error| Failure::Other(format!("a folder for the demo's store: {error}")))?;
        let user = Arc::new(User::new(browser));
        let session = AuthSession::builder(fixture.mcp_url())
            .client_name("mcp-reauth demo")
            .store(FileStore::new(folder.path().join("credentials.json")))
            .shared_host(Arc::clone(&user) as Arc<_>)
            .open()
            .await?;
        Ok(Self {
            fixture,
            user,
            folder,
            session,
            client: None,
        })
    }

    fn control(&self) -> &Control {
        self.fixture.control()
    }

    fn counters(&self) -> Counters {
        self.control().counters()
    }

    async fn client(&mut self) -> Result<&Client, String> {
        if self.client.is_none() {
            let client = connect(&self.session).await;
            self.client = Some(client.map_err(|failure| failure.to_string())?);
        }
        self.client
            .as_ref()
            .ok_or_else(|| "there is no client".to_owned())
    }
}

/// Runs all steps. The exit code is 0 only if each went as it should.
pub(crate) async fn run(args: DemoArgs) -> Result<ExitCode, Failure> {
    tokio::select! {
        biased;
        ended = told_to_end() => Err(ended),
        played = play(&args) => played,
    }
}

async fn play(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let start = Instant::now();
    let mut demo = Demo::set_up(args.browser).await?;
    let timeline = Timeline::new(args.json);
    timeline.open(demo.fixture.mcp_url(), demo.fixture.issuer())?;
    let limit = if args.browser {
        PERSON_LIMIT
    } else {
        STEP_LIMIT
    };
    let mut failed = 0;
    for (n, step) in STEPS.iter().enumerate() {
        demo.control().reset_counters();
        demo.user.reset();
        let ended = tokio::time::timeout(limit, (step.play)(&mut demo)).await;
        let ended = ended.unwrap_or_else(|_| Err(format!("took longer than {limit:?}")));
        let report = Report {
            step: n + 1,
            title: step.title,
            seconds: start.elapsed().as_secs_f64(),
            requests: demo.counters().http_requests(),
            questions: demo.user.questions(),
            pages: demo.user.pages(),
            problem: None,
            happened: String::new(),
        };
        let report = report.judged(ended, &step.expect);
        failed += usize::from(report.problem.is_some());
        timeline.show(&report)?;
    }
    timeline.close(STEPS.len(), failed, start.elapsed())?;
    demo.fixture.shutdown().await;
    Ok(ExitCode::from(u8::from(failed > 0)))
}
