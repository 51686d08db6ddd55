//! Injects each kind of fault, and lifts it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mcp_reauth_fixture::{Answer, Consent, Faults};

use crate::fleet::Worker;
use crate::kinds::{Kind, Whom};
use crate::proxy::Door;
use crate::proxy::rules::{Act, Part};
use crate::record::{Happened, Pair, Record};
use crate::schedule::Planned;
use crate::servers::{Server, TOKEN_LIFE};
use crate::wire::{Order, now};

/// A redirect target that must receive nothing secret: no program listens there.
const ELSEWHERE: &str = "http://127.0.0.1:9/elsewhere";
/// Longer than the limit of 20 s for a call.
const TOO_LONG: Duration = Duration::from_secs(26);

/// Everything that faults act on.
pub(crate) struct Stage {
    pub(crate) servers: Vec<Server>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) record: Arc<Record>,
    pub(crate) folder: PathBuf,
    /// The active faults by number, each with its index in the record.
    active: BTreeMap<u64, (Planned, usize)>,
    number: u64,
    /// The store's lock file, while this program holds the lock.
    lock: Option<File>,
}

impl Stage {
    pub(crate) fn new(
        servers: Vec<Server>,
        workers: Vec<Worker>,
        record: Arc<Record>,
        folder: PathBuf,
    ) -> Self {
        Self {
            servers,
            workers,
            record,
            folder,
            active: BTreeMap::new(),
            number: 0,
            lock: None,
        }
    }

    /// When the next active fault must be lifted, and its number.
    pub(crate) fn next_end(&self) -> Option<(u64, u64)> {
        let ends = self
            .active
            .iter()
            .map(|(number, (planned, _))| (planned.until, *number));
        ends.min()
    }

    /// Injects a fault.
    pub(crate) async fn begin(&mut self, planned: Planned) -> io::Result<()> {
        self.number += 1;
        let number = self.number;
        let worker = (planned.kind.whom() == Whom::Worker).then(|| self.chosen_worker(&planned));
        let worker = worker.flatten();
        let happened = Happened {
            kind: planned.kind,
            began: now(),
            ended: None,
            server: planned.server,
            worker,
            pair: worker.and_then(|worker| self.chosen_pair(&planned, worker)),
        };
        let place = {
            let mut record = self.record.lock();
            record.faults.push(happened);
            record.faults.len() - 1
        };
        match planned.server {
            Some(server) => self.begin_at(number, planned.kind, server),
            None => self.begin_with(&planned, worker).await?,
        }
        if planned.until > planned.from {
            self.active.insert(number, (planned, place));
            self.set_fixtures();
        } else {
            self.over(place);
        }
        Ok(())
    }

    /// Lifts a fault.
    pub(crate) fn lift(&mut self, number: u64) {
        let Some((planned, place)) = self.active.remove(&number) else {
            return;
        };
        if let Some(server) = planned.server.and_then(|server| self.servers.get(server)) {
            server.mcp.rules.remove(number);
            server.issuer.rules.remove(number);
        }
        match planned.kind {
            Kind::WorkerStopped => {
                let hit = self.record.lock().faults[place].worker;
                if let Some(worker) = hit.and_then(|worker| self.workers.get_mut(worker)) {
                    worker.go_on();
                }
            }
            Kind::StoreFull => self.set_full(false),
            Kind::StoreLocked => self.lock = None,
            Kind::StoreReadOnly => set_writable(&self.folder, true),
            _ => {}
        }
        self.set_fixtures();
        self.over(place);
    }

    pub(crate) fn lift_all(&mut self) {
        for number in self.active.keys().copied().collect::<Vec<_>>() {
            self.lift(number);
        }
    }

    fn over(&self, place: usize) {
        self.record.lock().faults[place].ended = Some(now());
    }

    fn chosen_worker(&self, planned: &Planned) -> Option<usize> {
        let workers = u64::try_from(self.workers.len()).ok()?;
        let first = usize::try_from(planned.choice % workers).ok()?;
        let order = (0..self.workers.len()).map(|step| (first + step) % self.workers.len());
        // A stopped worker receives no orders.
        order
            .into_iter()
            .find(|worker| !self.workers[*worker].stopped)
    }

    /// The server and profile of a fault for one session.
    fn chosen_pair(&self, planned: &Planned, worker: usize) -> Option<Pair> {
        if !matches!(planned.kind, Kind::SignOut | Kind::SignIn) {
            return None;
        }
        let session = self.chosen_session(planned, worker)?;
        let task = self.workers[worker].task.sessions.get(session)?;
        let server = self
            .servers
            .iter()
            .position(|s| s.fixture.mcp_url() == task.url)?;
        Some(Pair {
            server,
            profile: task.profile.clone(),
        })
    }

    fn chosen_session(&self, planned: &Planned, worker: usize) -> Option<usize> {
        let sessions = u64::try_from(self.workers[worker].task.sessions.len()).ok()?;
        usize::try_from((planned.choice >> 8) % sessions.max(1)).ok()
    }

    /// Injects faults of processes and of the store.
    async fn begin_with(&mut self, planned: &Planned, worker: Option<usize>) -> io::Result<()> {
        let session = worker.and_then(|worker| {
            let session = self.chosen_session(planned, worker)?;
            Some(self.workers[worker].task.sessions.get(session)?.session)
        });
        let hit = worker.and_then(|worker| self.workers.get_mut(worker));
        match (planned.kind, hit) {
            (Kind::WorkerStopped, Some(worker)) => worker.stop(),
            (Kind::WorkerKilled, Some(worker)) => worker.kill_and_start().await?,
            (Kind::CallsCancelled, Some(worker)) => worker.order(Order::Cancel),
            (Kind::SignOut, Some(worker)) => {
                if let Some(session) = session {
                    worker.order(Order::SignOut { session });
                }
            }
            (Kind::SignIn, Some(worker)) => {
                if let Some(session) = session {
                    worker.order(Order::SignIn { session });
                }
            }
            (Kind::StoreFull, _) => self.set_full(true),
            (Kind::StoreLocked, _) => self.lock = self.locked().await?,
            (Kind::StoreReadOnly, _) => set_writable(&self.folder, false),
            _ => {}
        }
        // A worker that is restarted while the disk is full has no space either.
        let full = |(planned, _): &(Planned, usize)| planned.kind == Kind::StoreFull;
        if planned.kind == Kind::WorkerKilled && self.active.values().any(full) {
            self.set_full(true);
        }
        Ok(())
    }

    /// Locks the store as soon as its lock is free; gives up after a while.
    async fn locked(&self) -> io::Result<Option<File>> {
        let file = File::open(self.folder.join("credentials.json.lock"))?;
        for _ in 0..1_000 {
            if file.try_lock().is_ok() {
                return Ok(Some(file));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(None)
    }

    fn set_full(&self, full: bool) {
        for worker in &self.workers {
            worker.limit_files(full);
        }
    }

    /// Injects faults of a server.
    fn begin_at(&self, number: u64, kind: Kind, server: usize) {
        let server = &self.servers[server];
        let control = server.fixture.control();
        match kind {
            Kind::TokensExpire => control.expire_access_tokens(),
            Kind::ServerClockAhead => control.advance(Duration::from_secs(TOKEN_LIFE.into())),
            Kind::GrantsRevoked => control.revoke_grants(),
            Kind::GrantsShrink => control.shrink_grants(&["mcp:read"]),
            Kind::ClientsForgotten => {
                control.forget_clients();
                control.expire_access_tokens();
            }
            Kind::NoncesRotate => control.rotate_dpop_nonces(),
            _ => {}
        }
        if let Some((parts, act)) = rule(kind) {
            for proxy in [&server.mcp, &server.issuer] {
                proxy.rules.add(number, &parts, act.clone());
            }
        }
        // Most faults have an effect only when a client needs the faulty endpoint.
        let parts = parts_of(kind);
        if parts.iter().any(|part| part.is_token()) || kind == Kind::RefreshRefused {
            control.expire_access_tokens();
        }
        if kind == Kind::Registration503 {
            control.forget_clients();
        }
        let signed_in_for = [Part::Metadata, Part::Authorize, Part::Register];
        if parts.iter().any(|part| signed_in_for.contains(part)) || kind == Kind::UserDenies {
            control.revoke_grants();
        }
        if kind == Kind::UserDeclines {
            control.shrink_grants(&["mcp:read"]);
        }
    }

    /// Sets the faults of the fixtures, for all active ones.
    pub(crate) fn set_fixtures(&self) {
        for (number, server) in self.servers.iter().enumerate() {
            let kinds = self.active.values().map(|(planned, _)| planned);
            let kinds = kinds.filter(|planned| planned.server == Some(number));
            let kinds: Vec<_> = kinds.map(|planned| planned.kind).collect();
            let mut faults = Faults::default();
            for kind in &kinds {
                set_fixture_fault(*kind, &mut faults);
            }
            let control = server.fixture.control();
            if control.faults() != faults {
                control.set_faults(faults);
            }
            control.consent(match kinds.contains(&Kind::UserDenies) {
                true => Consent::Deny,
                false => Consent::Approve,
            });
            let door = |kind: &Kind| match kind {
                Kind::IssuerRefuses => Some((&server.issuer, Door::Shut)),
                Kind::McpRefuses => Some((&server.mcp, Door::Shut)),
                Kind::IssuerResets => Some((&server.issuer, Door::Trap)),
                _ => None,
            };
            for proxy in [&server.mcp, &server.issuer] {
                let mut doors = kinds.iter().filter_map(door);
                let own = doors.find(|(of, _)| of.port == proxy.port);
                proxy.set_door(own.map_or(Door::Open, |(_, door)| door));
            }
        }
    }
}

/// The faults that the fixture implements itself.
fn set_fixture_fault(kind: Kind, faults: &mut Faults) {
    match kind {
        Kind::RefreshRefused => {
            faults.refresh_answer = Some(Answer::oauth_error(400, "invalid_grant"));
        }
        Kind::NonceStorm => faults.dpop_nonce_always_token = true,
        Kind::ProofClockSkew => faults.dpop_clock_skew = Some(300),
        Kind::Always401 => faults.always_401 = true,
        Kind::Plain403 => faults.plain_403 = true,
        Kind::EverNewScope => faults.ever_new_scope = true,
        Kind::Alternating401And403 => faults.alternate_401_403 = true,
        Kind::ChallengesInResults => faults.challenge_in_tool_result = true,
        _ => {}
    }
}

fn parts_of(kind: Kind) -> Vec<Part> {
    rule(kind).map(|(parts, _)| parts).unwrap_or_default()
}

/// The faults that the proxies implement.
fn rule(kind: Kind) -> Option<(Vec<Part>, Act)> {
    let token = || vec![Part::TokenCode, Part::TokenRefresh];
    let refresh = || vec![Part::TokenRefresh];
    let metadata = || vec![Part::Metadata];
    let mcp = || vec![Part::Mcp, Part::McpStream];
    Some(match kind {
        Kind::Token503 => (token(), Act::status(503)),
        Kind::Token500 => (token(), Act::status(500)),
        Kind::Token503RetryAfter => (token(), Act::status_after(503, 2)),
        Kind::Token429RetryAfter => (token(), Act::status_after(429, 1)),
        Kind::TokenGone => (token(), Act::status(404)),
        Kind::TokenRedirects => (token(), Act::redirect(ELSEWHERE)),
        Kind::TokenGarbage => (token(), Act::status(200)),
        Kind::TokenHangsShortly => (token(), Act::Delay(Duration::from_secs(3))),
        Kind::TokenHangsLong => (token(), Act::Delay(TOO_LONG)),
        Kind::TokenCloses => (token(), Act::Close),
        Kind::TokenAnswerLost => (refresh(), Act::Lose),
        Kind::TokenAnswerCut => (refresh(), Act::Cut),
        Kind::TokenAnswerHalved => (token(), Act::Halve),
        Kind::Metadata503 => (metadata(), Act::status(503)),
        Kind::MetadataGarbage => (metadata(), Act::status(200)),
        Kind::MetadataHangs => (metadata(), Act::Delay(TOO_LONG)),
        Kind::MetadataDrips => (metadata(), Act::Drip),
        Kind::MetadataHuge => (metadata(), Act::Huge),
        Kind::Registration503 => (vec![Part::Register], Act::status(503)),
        Kind::Mcp503RetryAfter => (mcp(), Act::status_after(503, 1)),
        Kind::Mcp500 => (mcp(), Act::status(500)),
        Kind::McpHangs => (vec![Part::Mcp], Act::Delay(Duration::from_secs(12))),
        Kind::McpCloses => (mcp(), Act::Close),
        Kind::McpAnswerLost => (vec![Part::Mcp], Act::Lose),
        Kind::McpAnswerCut => (vec![Part::Mcp], Act::Cut),
        Kind::McpRedirects => (mcp(), Act::redirect(ELSEWHERE)),
        Kind::UserSlow => (
            vec![Part::Authorize, Part::Question],
            Act::Delay(Duration::from_secs(3)),
        ),
        Kind::UserDeclines => (vec![Part::Question], Act::status(403)),
        Kind::PageClosed => (vec![Part::Authorize], Act::status(410)),
        Kind::PageAbandoned => (vec![Part::Authorize], Act::Never),
        _ => return None,
    })
}

/// Whether permissions apply to this user: they do not restrict root.
pub(crate) fn heeds_permissions() -> bool {
    !rustix::process::geteuid().is_root()
}

fn set_writable(folder: &Path, writable: bool) {
    let mode = if writable { 0o700 } else { 0o500 };
    let permissions = std::fs::Permissions::from_mode(mode);
    let _ = std::fs::set_permissions(folder, permissions);
}
