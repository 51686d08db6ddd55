//! A run, from its start to its report.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_reauth_fixture::Consent;

use crate::args::{Breakage, SoakArgs};
use crate::checks::{self, Finding, Growth, Places};
use crate::faults::{Stage, heeds_permissions};
use crate::kinds::Kind;
use crate::proxy::ledger;
use crate::record::Record;
use crate::report::{Report, Skipped};
use crate::schedule::{Planned, plan};
use crate::servers::Server;
use crate::store_reader::StoreReader;
use crate::vitals::Vitals;
use crate::wire::{Order, now};
use crate::{fleet, secrets, setting};

/// The interval of progress messages.
const SAID_EVERY: Duration = Duration::from_secs(5);
/// The interval of memory measurements.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
/// How long pending work may take after all faults are lifted: a call can have met every fault.
const SETTLES_WITHIN: Duration = Duration::from_secs(150);
/// The largest `Retry-After` that may still be in effect after the faults are lifted.
const LEFT_ALONE: Duration = Duration::from_secs(3);

/// A run in progress.
struct Run {
    args: SoakArgs,
    seed: u64,
    stage: Stage,
    record: Arc<Record>,
    places: Places,
    reader: StoreReader,
    /// Each worker's vitals at the end of its warm-up, with the number of its process.
    warm: BTreeMap<usize, (u64, Vitals)>,
    start: u64,
    began: Instant,
    interrupted: bool,
    /// Problems that the checks do not cover.
    trouble: Vec<String>,
}

/// Runs the soak, and returns whether everything passed.
pub(crate) async fn run(args: SoakArgs) -> io::Result<bool> {
    let seed = args.seed.unwrap_or_else(|| now() % 1_000_000_007);
    let temporary = temporary()?;
    let folder = args
        .folder
        .clone()
        .unwrap_or_else(|| temporary.path().to_owned());
    let (store_folder, said) = (folder.join("store"), folder.join("said"));
    for folder in [&store_folder, &said] {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder)?;
    }
    let skipped = Skipped::find(&args);
    skipped.say();
    let planned = plan(seed, &kinds(&args, &skipped), args.minutes);
    println!(
        "{} minutes with seed {seed}: {} faults",
        args.minutes,
        planned.len()
    );
    let servers = vec![Server::start(false).await?, Server::start(true).await?];
    let store = store_folder.join("credentials.json");
    let tasks = setting::tasks(&args, seed, &store, &servers, skipped.processes);
    let places = setting::places(&tasks, &servers);
    let record = Arc::new(Record::default());
    let mut workers = Vec::new();
    for task in tasks {
        workers.push(fleet::Worker::start(task, &said, &record)?);
    }
    let mut run = Run {
        reader: StoreReader::start(store),
        stage: Stage::new(servers, workers, Arc::clone(&record), store_folder),
        places,
        warm: BTreeMap::new(),
        start: now(),
        began: Instant::now(),
        interrupted: false,
        trouble: Vec::new(),
        args,
        seed,
        record,
    };
    run.storm(&planned).await?;
    run.settle().await?;
    let report = run.end(&said, skipped).await?;
    report.say();
    report.write()?;
    if !report.is_well() && report.folder_is_temporary() {
        let kept = temporary.keep();
        println!("What the workers said is in {}", kept.display());
    }
    Ok(report.is_well())
}

/// A folder in memory if possible, so that the speed of a shared disk does not matter.
fn temporary() -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("mcp-reauth-soak-");
    let in_memory = builder.tempdir_in("/dev/shm");
    in_memory.or_else(|_| builder.tempdir())
}

/// The requested kinds that this machine can run.
fn kinds(args: &SoakArgs, skipped: &Skipped) -> Vec<Kind> {
    let asked = match args.faults.is_empty() {
        true => Kind::all(),
        false => &args.faults,
    };
    let kinds = asked.iter().copied();
    kinds.filter(|kind| !skipped.kinds.contains(kind)).collect()
}

impl Run {
    fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Injects the planned faults, and lifts them.
    async fn storm(&mut self, planned: &[Planned]) -> io::Result<()> {
        let end = Duration::from_secs_f64(self.args.minutes * 60.0);
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let mut coming = planned.iter().copied().peekable();
        let mut say = tokio::time::interval(SAID_EVERY);
        let mut look = tokio::time::interval(LOOKED_EVERY);
        while self.began.elapsed() < end {
            let from = coming.peek().map(|planned| planned.from);
            let next_end = self.stage.next_end();
            let next = from.into_iter().chain(next_end.map(|(at, _)| at)).min();
            let next = next.map_or(end, |next| Duration::from_millis(next).min(end));
            tokio::select! {
                _ = &mut interrupt => {
                    println!("Interrupted: what is under way ends first.");
                    self.interrupted = true;
                    return Ok(());
                }
                _ = say.tick() => self.say(),
                _ = look.tick() => self.look(),
                () = tokio::time::sleep(next.saturating_sub(self.began.elapsed())) => {
                    if let Some((_, number)) = next_end.filter(|(at, _)| *at <= self.elapsed()) {
                        self.stage.lift(number);
                    } else if let Some(fault) = coming.next_if(|f| f.from <= self.elapsed()) {
                        self.stage.begin(fault).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Lifts all faults, waits for pending work, and has each session make one call.
    async fn settle(&mut self) -> io::Result<()> {
        self.stage.lift_all();
        self.say();
        if self.args.break_on_purpose == Some(Breakage::Recovery) {
            for server in &self.stage.servers {
                server.fixture.control().revoke_grants();
                server.fixture.control().consent(Consent::Deny);
            }
        }
        let left_alone = Instant::now() + LEFT_ALONE;
        self.order(Order::Pause);
        self.wait("did not end what was under way", |progress| progress.quiet)
            .await;
        tokio::time::sleep_until(left_alone.into()).await;
        self.order(Order::Check);
        self.wait("did not make its first call", |progress| progress.checked)
            .await;
        self.say();
        Ok(())
    }

    fn order(&self, order: Order) {
        for worker in &self.stage.workers {
            worker.order(order);
        }
    }

    async fn wait(&mut self, otherwise: &str, reached: impl Fn(&fleet::Progress) -> bool) {
        let limit = tokio::time::Instant::now() + SETTLES_WITHIN;
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        for worker in &mut self.stage.workers {
            let reached = worker.progress.wait_for(|progress| reached(progress));
            tokio::select! {
                reached = tokio::time::timeout_at(limit, reached) => {
                    if !matches!(reached, Ok(Ok(_))) {
                        let number = worker.task.worker;
                        self.trouble.push(format!("worker {number} {otherwise}"));
                    }
                }
                _ = &mut interrupt => {
                    self.interrupted = true;
                    return;
                }
            }
        }
    }

    /// Measures the workers during their warm-up.
    fn look(&mut self) {
        let warm_up = setting::warm_up(self.args.minutes);
        for worker in &mut self.stage.workers {
            let number = worker.task.worker;
            if worker.has_died() {
                let dead = format!("worker {number} has ended by itself");
                if !self.trouble.contains(&dead) {
                    self.trouble.push(dead);
                }
                continue;
            }
            let age = worker.began.elapsed();
            let warming = age > warm_up / 2 && age < warm_up && !worker.stopped;
            let Some(vitals) = worker.id().filter(|_| warming).and_then(Vitals::of) else {
                continue;
            };
            let entry = self.warm.entry(number).or_insert((worker.life, vitals));
            *entry = match entry.0 == worker.life {
                true => (worker.life, entry.1.max(vitals)),
                false => (worker.life, vitals),
            };
        }
    }

    /// The growth of the workers that ran for twice the warm-up.
    fn growths(&self) -> Vec<Growth> {
        let warm_up = setting::warm_up(self.args.minutes);
        let grown = self.stage.workers.iter().filter_map(|worker| {
            let (life, warm) = *self.warm.get(&worker.task.worker)?;
            let old = life == worker.life && worker.began.elapsed() > warm_up * 2;
            let end = Vitals::of(worker.id().filter(|_| old)?)?;
            Some(Growth {
                worker: worker.task.worker,
                node: worker.is_node(),
                life,
                warm,
                end,
            })
        });
        grown.collect()
    }

    fn say(&self) {
        let record = self.record.lock();
        let failed = record.calls.iter().filter(|call| call.code.is_some());
        let active = record.faults.iter().filter(|fault| fault.ended.is_none());
        let active: Vec<_> = active.map(|fault| fault.kind.name()).collect();
        println!(
            "{:>6.1} s  {:>6} calls, {:>5} failed, {:>4} pages, {:>4} faults, {:>6} store reads; now: {}",
            self.began.elapsed().as_secs_f64(),
            record.calls.len(),
            failed.count(),
            record.pages.len(),
            record.faults.len(),
            self.reader.reads(),
            if active.is_empty() {
                "nothing".to_owned()
            } else {
                active.join(" ")
            }
        );
    }

    /// Presents a token or code once more.
    async fn present_again(&self, what: Breakage) -> io::Result<()> {
        let server = &self.stage.servers[0];
        let form = {
            let ledger = server.ledger.lock();
            let acted = |(_, presented): &(&String, &Vec<ledger::Refresh>)| {
                presented.iter().any(|refresh| refresh.acted)
            };
            match what {
                Breakage::Reuse => {
                    let token = ledger.refreshes.iter().find(acted);
                    token
                        .map(|(token, _)| format!("grant_type=refresh_token&refresh_token={token}"))
                }
                _ => {
                    let code = ledger.codes.keys().next();
                    code.map(|code| format!("grant_type=authorization_code&code={code}"))
                }
            }
        };
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build();
        let sent = http.map_err(io::Error::other)?;
        let sent = sent.post(format!("{}/token", server.fixture.issuer()));
        let sent = sent.header("content-type", "application/x-www-form-urlencoded");
        sent.body(form.unwrap_or_default())
            .send()
            .await
            .map_err(io::Error::other)?;
        Ok(())
    }

    /// Ends the workers, and runs the checks.
    async fn end(mut self, said: &Path, skipped: Skipped) -> io::Result<Report> {
        let growths = self.growths();
        match self.args.break_on_purpose {
            Some(what @ (Breakage::Reuse | Breakage::CodeTwice)) => {
                self.present_again(what).await?
            }
            Some(Breakage::Store) => {
                let before = self.reader.reads();
                std::fs::write(
                    self.stage.folder.join("credentials.json"),
                    "{\"format\": 1, ",
                )?;
                while self.reader.reads() < before + 3 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            _ => {}
        }
        for worker in &mut self.stage.workers {
            if !worker.end().await {
                let number = worker.task.worker;
                self.trouble
                    .push(format!("worker {number} did not end by itself, and well"));
            }
        }
        let (store_reads, store_problems) = self.reader.end();
        let ledgers: Vec<ledger::Entries> = {
            let servers = self.stage.servers.iter();
            servers
                .map(|server| std::mem::take(&mut *server.ledger.lock()))
                .collect()
        };
        let entries = std::mem::take(&mut *self.record.lock());
        self.trouble.extend(entries.oddities.iter().cloned());
        let (reuses, excused) = checks::reuses(&entries, &ledgers, self.start);
        let (pages, bound) = checks::pages_bounded(&entries, &self.places);
        let [memory, descriptors] = checks::nobody_grows(&growths);
        let findings = vec![
            checks::nothing_hangs(&entries, &self.places, self.start),
            checks::codes_fit(&entries, &self.places, self.start),
            reuses,
            checks::codes_once(&ledgers, self.start),
            checks::one_at_a_time(&entries, &self.places, self.start),
            pages,
            checks::all_recover(&entries, &self.places, self.start),
            memory,
            descriptors,
            Finding::new(
                "the store is whole",
                format!("{store_reads} reads"),
                store_problems,
            ),
            self.no_secrets(said, &ledgers)?,
            Finding::new("the soak itself", "its workers".to_owned(), self.trouble),
        ];
        let counters = self.stage.servers.iter();
        let counters = counters
            .map(|server| server.fixture.control().counters())
            .collect();
        Ok(Report::new(
            self.args,
            self.seed,
            &entries,
            &ledgers,
            counters,
            findings,
            growths,
            skipped,
            excused,
            bound,
            store_reads,
            self.interrupted,
        ))
    }

    fn no_secrets(&self, said: &Path, ledgers: &[ledger::Entries]) -> io::Result<Finding> {
        let mut all = HashSet::new();
        for server in &self.stage.servers {
            all.extend(server.fixture.control().issued_secrets());
        }
        for ledger in ledgers {
            all.extend(ledger.verifiers.iter().cloned());
            all.extend(ledger.codes.keys().cloned());
            all.extend(ledger.refreshes.keys().cloned());
        }
        let (bytes, problems) = secrets::found(said, &all)?;
        let looked_at = format!("{} secrets in {} KiB", all.len(), bytes / 1024);
        Ok(Finding::new("no secret is told", looked_at, problems))
    }
}

/// Whether read-only folders can be tested on this machine.
pub(crate) fn can_be_read_only() -> bool {
    heeds_permissions()
}
