//! `mcp-reauth demo`: plays everything that can happen to an authorization, on this machine.

mod clock;
mod enterprise;
mod stage;
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
use crate::signal::wait_for_signal;
use enterprise::Enterprise;
use stage::{Stage, Step};
use steps::STEPS;
use timeline::{Report, Timeline};
use user::User;

/// The time limit of a step when the demo answers the pages itself.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// The time limit of a step when the user answers the pages.
const PERSON_LIMIT: Duration = Duration::from_secs(300);

/// A server with its authorization server, one client, and its user.
pub(super) struct Demo {
    fixture: Fixture,
    user: Arc<User>,
    folder: TempDir,
    session: AuthSession,
    client: Option<Client>,
}

impl Demo {
    async fn set_up(browser: bool) -> Result<Self, Failure> {
        let config = Config {
            consent: consent(browser),
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
            .host(Arc::clone(&user))
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

impl Stage for Demo {
    fn reset_counters(&self) {
        self.control().reset_counters();
    }

    fn requests(&self) -> u64 {
        self.counters().http_requests()
    }

    fn user(&self) -> &User {
        &self.user
    }
}

fn consent(browser: bool) -> Consent {
    if browser {
        Consent::Page
    } else {
        Consent::Approve
    }
}

/// Runs all steps. The exit code is 0 only if every step went as expected.
pub(crate) async fn run(args: DemoArgs) -> Result<ExitCode, Failure> {
    tokio::select! {
        biased;
        ended = wait_for_signal() => Err(ended),
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
    let mut show = Show {
        timeline,
        start,
        limit,
        steps: 0,
        failed: 0,
    };
    show.act(&mut demo, STEPS).await?;
    demo.fixture.shutdown().await;
    let mut organization = Enterprise::set_up(args.browser).await?;
    show.act(&mut organization, enterprise::STEPS).await?;
    organization.shutdown().await;
    show.timeline
        .close(show.steps, show.failed, start.elapsed())?;
    Ok(ExitCode::from(u8::from(show.failed > 0)))
}

/// The state of the running demo.
struct Show {
    timeline: Timeline,
    start: Instant,
    /// The time limit of one step.
    limit: Duration,
    steps: usize,
    failed: usize,
}

impl Show {
    async fn act<S: Stage>(&mut self, stage: &mut S, steps: &[Step<S>]) -> Result<(), Failure> {
        for step in steps {
            self.steps += 1;
            stage.reset_counters();
            stage.user().reset();
            let limit = self.limit;
            let ended = tokio::time::timeout(limit, (step.play)(stage)).await;
            let ended = ended.unwrap_or_else(|_| Err(format!("took longer than {limit:?}")));
            let report = Report {
                step: self.steps,
                title: step.title,
                seconds: self.start.elapsed().as_secs_f64(),
                requests: stage.requests(),
                questions: stage.user().questions(),
                pages: stage.user().pages(),
                problem: None,
                happened: String::new(),
            };
            let report = report.judged(ended, &step.expect);
            self.failed += usize::from(report.problem.is_some());
            self.timeline.show(&report)?;
        }
        Ok(())
    }
}
