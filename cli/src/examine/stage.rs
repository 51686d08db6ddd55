//! The servers, the person and the client processes of one scenario.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use mcp_reauth_fixture::{Config, Control, Counters, Faults, Fixture, SeenRequest};
use tempfile::TempDir;

use super::client::{Answer, Client, Launch, Output, Unanswered};
use super::front::Front;
use super::scenario::{Counted, Kind, Played, Problem, Report, Scenario, Stopped};
use super::stranger::Stranger;
use super::visit;
use crate::failure::Failure;

/// A client with this many additional requests in one scenario loops.
const LOOP: u64 = 400;
/// How long a scenario may take in all.
const SCENARIO_LIMIT: Duration = Duration::from_secs(180);
/// How many ports are tried for the authorization server.
const PORTS: usize = 5;

/// What is the same for all scenarios.
pub(super) struct Setting {
    pub(super) command: Vec<String>,
    pub(super) protocol: String,
    /// The time limit of a call.
    pub(super) limit: Duration,
}

/// The servers, the store and the clients of one scenario.
pub(super) struct Stage {
    fixture: Fixture,
    front: Front,
    pub(super) stranger: Stranger,
    launch: Launch,
    output: Output,
    clients: Vec<Client>,
    began: Instant,
    counted: Option<(Counted, Duration)>,
    /// How many requests came before the measured part.
    earlier: usize,
    answered: u64,
    calls: u64,
    problems: Vec<Problem>,
    _folder: TempDir,
}

impl Stage {
    pub(super) async fn set_up(setting: &Setting, scenario: &Scenario) -> Result<Self, Failure> {
        let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
        let (fixture, front) = servers().await?;
        let stranger = Stranger::start().await.map_err(|error| other(&error))?;
        let folder = tempfile::tempdir().map_err(|error| other(&error))?;
        let store = folder.path().join("store");
        std::fs::create_dir(&store).map_err(|error| other(&error))?;
        let launch = Launch {
            command: setting.command.clone(),
            server: fixture.mcp_url().to_owned(),
            limit: setting.limit,
            variables: vec![
                (
                    "MCP_CONFORMANCE_SCENARIO",
                    format!("examine/{}", scenario.name),
                ),
                ("MCP_CONFORMANCE_CONTEXT", "{}".to_owned()),
                ("MCP_CONFORMANCE_PROTOCOL_VERSION", setting.protocol.clone()),
                ("MCP_REAUTH_EXAMINE_STORE", store.display().to_string()),
            ],
            browser: visit::browser(folder.path())?,
        };
        Ok(Self {
            fixture,
            front,
            stranger,
            launch,
            output: Output::default(),
            clients: Vec::new(),
            began: Instant::now(),
            counted: None,
            earlier: 0,
            answered: 0,
            calls: 0,
            problems: Vec::new(),
            _folder: folder,
        })
    }

    /// Plays a scenario, unless the client loops or takes too long.
    pub(super) async fn play(&mut self, scenario: &Scenario) -> Result<(), Failure> {
        let control = self.control().clone();
        let loops = |counters: &Counters| Counted::of(*counters, 0).extra > LOOP;
        let played = tokio::select! {
            played = (scenario.play)(self) => played,
            _ = control.counters_when(loops) => {
                self.found(Kind::Looped, format!("it was stopped after {LOOP} additional requests"));
                self.kill_clients();
                Ok(())
            }
            () = tokio::time::sleep(SCENARIO_LIMIT) => {
                self.found(Kind::Hung, format!("not done after {} s", SCENARIO_LIMIT.as_secs()));
                self.kill_clients();
                Ok(())
            }
        };
        match played {
            Err(Stopped::Broken(failure)) => return Err(failure),
            Ok(()) | Err(Stopped::Judged) => self.stop_counting(),
        }
        self.close_clients().await;
        self.look_for_leaks();
        Ok(())
    }

    pub(super) fn control(&self) -> &Control {
        self.fixture.control()
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.control().set_faults(faults);
    }

    // ── Clients ─────────────────────────────────────────────────────────────────────────────────

    /// Starts a process of the client.
    pub(super) fn start(&mut self) -> Result<usize, Failure> {
        self.clients
            .push(Client::start(&self.launch, &self.output)?);
        Ok(self.clients.len() - 1)
    }

    pub(super) fn client(&self, index: usize) -> &Client {
        &self.clients[index]
    }

    /// Starts a process and connects it, which must succeed.
    pub(super) async fn connected(&mut self) -> Result<usize, Stopped> {
        let index = self.start()?;
        let answer = self.clients[index].connect().await;
        self.must("connecting", answer)?;
        Ok(index)
    }

    /// The same with one successful call, after which everything that a connection sends has been sent.
    pub(super) async fn signed_in(&mut self) -> Result<usize, Stopped> {
        let index = self.connected().await?;
        let answer = self.clients[index].call("echo").await;
        self.must("the first call", answer)?;
        Ok(index)
    }

    /// Ends all processes as their users do.
    pub(super) async fn close_clients(&mut self) {
        let closing = self.clients.drain(..).map(Client::close);
        for closed in futures_util::future::join_all(closing).await {
            if let Err(problem) = closed {
                self.problems.push(Problem::new(Kind::Hung, problem));
            }
        }
    }

    /// Ends all processes at once.
    pub(super) fn kill_clients(&mut self) {
        self.clients.clear();
    }

    /// A signed-in client whose process has ended, so that only its store is left.
    pub(super) async fn signed_in_earlier(&mut self) -> Played {
        self.signed_in().await?;
        self.close_clients().await;
        Ok(())
    }

    // ── Counting ────────────────────────────────────────────────────────────────────────────────

    /// Starts to count.
    pub(super) fn measure(&mut self) {
        self.control().reset_counters();
        self.earlier = self.control().requests().len();
        self.began = Instant::now();
    }

    /// Stops to count, if the scenario has not done so.
    pub(super) fn stop_counting(&mut self) {
        if self.counted.is_none() {
            let counted = Counted::of(self.control().counters(), self.prompts());
            self.counted = Some((counted, self.began.elapsed()));
        }
    }

    /// The requests since counting began.
    fn measured(&self) -> Vec<SeenRequest> {
        self.control().requests().split_off(self.earlier)
    }

    /// The number of pages that were requested. The same one again, such as by a client that first tries whether it is
    /// there, is one prompt.
    fn prompts(&self) -> u64 {
        let measured = self.measured();
        let pages = measured.iter().filter(|request| {
            let path = request.uri.split('?').next();
            request.server != "mcp" && path == Some("/authorize")
        });
        pages.map(|page| &page.uri).collect::<HashSet<_>>().len() as u64
    }

    /// The requests since counting began: server, method and path, without anything secret.
    fn trace(&self) -> Vec<String> {
        let measured = self.measured();
        measured
            .iter()
            .map(|request| {
                let path = request.uri.split('?').next().unwrap_or_default();
                format!("{} {} {path}", request.server, request.method)
            })
            .collect()
    }

    /// Compares what was counted with the limits of the scenario.
    pub(super) fn report(self, scenario: &Scenario) -> Report {
        let (counted, took) = self.counted.unwrap_or_default();
        let score = (self.answered, self.calls);
        let trace = self.trace();
        Report::of(scenario, counted, score, took.as_secs_f64(), self.problems).with(trace)
    }

    // ── Judging ─────────────────────────────────────────────────────────────────────────────────

    pub(super) fn found(&mut self, kind: Kind, message: impl Into<String>) {
        self.problems.push(Problem::new(kind, message));
    }

    pub(super) fn check(&mut self, holds: bool, kind: Kind, otherwise: &str) {
        if !holds {
            self.found(kind, otherwise);
        }
    }

    /// Records a result that should be a success.
    pub(super) fn should(&mut self, what: &str, answer: Answer) {
        self.calls += 1;
        match answer {
            Ok(()) => self.answered += 1,
            Err(unanswered) => self.problems.push(Problem::of(what, &unanswered)),
        }
    }

    /// Records results that should be successes; equal problems once.
    pub(super) fn all_should(&mut self, what: &str, answers: Vec<Answer>) {
        for answer in answers {
            self.should(what, answer);
        }
    }

    /// The result of a preparation, without which the scenario cannot go on.
    pub(super) fn must(&mut self, what: &str, answer: Answer) -> Played {
        answer.map_err(|unanswered| {
            self.problems.push(Problem::of(what, &unanswered));
            Stopped::Judged
        })
    }

    /// Records a result that should be an error, and in time.
    pub(super) fn should_fail(&mut self, what: &str, answer: Answer) {
        match answer {
            Err(Unanswered::Failed(_)) => {}
            Ok(()) => self.found(
                Kind::Fooled,
                format!("{what}: the client reported a success, where it has to fail"),
            ),
            Err(unanswered) => self.problems.push(Problem::of(what, &unanswered)),
        }
    }

    /// Checks that the grant has all of these scopes.
    pub(super) fn should_have_scopes(&mut self, scopes: &[&str]) {
        let tokens = self.control().live_tokens();
        let covers = |granted: &str| {
            let granted: Vec<&str> = granted.split(' ').collect();
            scopes.iter().all(|scope| granted.contains(scope))
        };
        let held = tokens.iter().any(|token| covers(&token.scope));
        self.check(
            held,
            Kind::Lost,
            &format!("no valid token has the scopes {}", scopes.join(" ")),
        );
    }

    /// Looks for secrets in what the client printed, in addresses, and at servers that they are not for.
    fn look_for_leaks(&mut self) {
        let secrets = self.control().issued_secrets();
        let holds = |text: &str| secrets.iter().any(|secret| text.contains(secret.as_str()));
        let printed = holds(&self.output.text());
        let strange = holds(&self.stranger.received());
        let requests = self.control().requests();
        // A code in an address is for the client's callback, which is not among these requests.
        let in_address = requests.iter().any(|request| holds(&request.uri));
        let [first, second] = self.control().issued_secrets_by_server();
        let crossed = requests.iter().any(|request| {
            let others = match request.server.as_str() {
                "first" => &second,
                "second" => &first,
                _ => return false,
            };
            let fields = request.headers.iter().map(|(_, value)| value);
            let texts: Vec<&String> = fields.chain([&request.body, &request.uri]).collect();
            others
                .iter()
                .any(|secret| texts.iter().any(|text| text.contains(secret.as_str())))
        });
        for (leaked, how) in [
            (printed, "it printed a token, a code or a secret"),
            (
                strange,
                "it sent a token, a code or a secret to another origin",
            ),
            (
                in_address,
                "it sent a token or a secret in an address, which servers log",
            ),
            (
                crossed,
                "it sent a secret of one authorization server to another",
            ),
        ] {
            self.check(!leaked, Kind::Leaked, how);
        }
    }

    // ── The authorization server ────────────────────────────────────────────────────────────────

    /// Has the authorization server refuse connections, or accept them again.
    pub(super) async fn refuse_connections(&mut self, refuse: bool) -> Result<(), Failure> {
        if refuse {
            self.front.refuse().await;
            return Ok(());
        }
        let accepts = self.front.accept().await;
        accepts.map_err(|error| Failure::Other(format!("the authorization server's port: {error}")))
    }
}

/// Starts the servers, with a relay in front of the authorization server.
async fn servers() -> Result<(Fixture, Front), Failure> {
    let mut tried = 0;
    loop {
        tried += 1;
        let other = |error: std::io::Error| Failure::Other(error.to_string());
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(other)?;
        let port = free.local_addr().map_err(other)?.port();
        drop(free);
        let front = Front::start(port).await.map_err(other)?;
        let config = Config {
            issuer_port: port,
            issuer_public_port: front.port(),
            ..Config::default()
        };
        match Fixture::start(config).await {
            Ok(fixture) => return Ok((fixture, front)),
            // Another program may have taken the port in between.
            Err(_) if tried < PORTS => {}
            Err(error) => return Err(Failure::Other(error.to_string())),
        }
    }
}
