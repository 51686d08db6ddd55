//! The report, as a table and as JSON.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use mcp_reauth_fixture::Counters;
use serde::Serialize;

use crate::args::SoakArgs;
use crate::checks::{Finding, Growth};
use crate::kinds::Kind;
use crate::proxy::ledger;
use crate::record::Entries;
use crate::run::can_be_read_only;
use crate::{fleet, setting};

/// What this machine cannot run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Skipped {
    /// The number of Node processes.
    pub(crate) processes: usize,
    pub(crate) sessions: usize,
    pub(crate) kinds: Vec<Kind>,
    why: Vec<String>,
}

impl Skipped {
    pub(crate) fn find(args: &SoakArgs) -> Self {
        let mut skipped = Self::default();
        if let Some(why) = no_node() {
            skipped.processes = setting::node_processes(args);
            let rust = args.processes - skipped.processes;
            let sessions = (0..args.sessions).filter(|s| s % args.processes.max(1) >= rust);
            skipped.sessions = sessions.count();
            skipped.why.push(format!(
                "{} of {} processes, with {} of {} sessions: {why}",
                skipped.processes, args.processes, skipped.sessions, args.sessions
            ));
        }
        if !can_be_read_only() {
            skipped.kinds.push(Kind::StoreReadOnly);
            let why = "the fault store-read-only: permissions mean nothing to root";
            skipped.why.push(why.to_owned());
        }
        if !cfg!(target_os = "linux") {
            skipped.kinds.push(Kind::StoreFull);
            let why = "the fault store-full: this system limits no other process's files";
            skipped.why.push(why.to_owned());
        }
        skipped
    }

    pub(crate) fn say(&self) {
        for why in &self.why {
            println!("SKIPPED: {why}");
        }
    }
}

/// Why no workers can use Node.
fn no_node() -> Option<&'static str> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bindings-node");
    let is_native =
        |name: &std::ffi::OsStr| Path::new(name).extension().is_some_and(|e| e == "node");
    let native = std::fs::read_dir(&package).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| is_native(&entry.file_name())))
    });
    if !native || !package.join("dist/index.mjs").exists() {
        return Some("the Node package is not built (bindings-node/build.sh builds it)");
    }
    let version = std::process::Command::new("node").arg("--version").output();
    let runs = version.is_ok_and(|output| output.status.success());
    (!runs || !fleet::node_program().exists()).then_some("node is not on this machine")
}

/// The results of a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    well: bool,
    seed: u64,
    /// The command that repeats the run.
    command: String,
    minutes: f64,
    interrupted: bool,
    calls: usize,
    failures: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
    pages: usize,
    pages_accounted_for: u64,
    requests: BTreeMap<String, u64>,
    refreshes: u64,
    renewed: u64,
    reuses_excused: u64,
    reuses_seen_by_servers: u64,
    store_reads: u64,
    longest_call_seconds: f64,
    workers: Vec<Growth>,
    events: BTreeMap<String, u64>,
    findings: Vec<Finding>,
    skipped: Skipped,
    #[serde(skip)]
    args: SoakArgs,
}

impl Report {
    #[expect(
        clippy::too_many_arguments,
        reason = "it is where everything comes together"
    )]
    pub(crate) fn new(
        args: SoakArgs,
        seed: u64,
        entries: &Entries,
        ledgers: &[ledger::Entries],
        counters: Vec<Counters>,
        findings: Vec<Finding>,
        workers: Vec<Growth>,
        skipped: Skipped,
        reuses_excused: u64,
        pages_accounted_for: u64,
        store_reads: u64,
        interrupted: bool,
    ) -> Self {
        let (mut failures, mut faults, mut requests) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for code in entries.calls.iter().filter_map(|call| call.code.clone()) {
            *failures.entry(code).or_default() += 1;
        }
        for fault in &entries.faults {
            *faults.entry(fault.kind.name()).or_default() += 1;
        }
        for (part, count) in ledgers.iter().flat_map(|ledger| &ledger.requests) {
            *requests.entry(format!("{part:?}")).or_default() += count;
        }
        let took = entries
            .calls
            .iter()
            .map(|call| call.ended.saturating_sub(call.began));
        let sum = |of: fn(&Counters) -> u64| counters.iter().map(of).sum();
        Self {
            well: findings.iter().all(|finding| finding.problems.is_empty()),
            seed,
            command: again(&args, seed),
            minutes: args.minutes,
            interrupted,
            calls: entries.calls.len(),
            failures,
            faults,
            pages: entries.pages.len(),
            pages_accounted_for,
            requests,
            refreshes: sum(|counters| counters.token_refresh),
            renewed: sum(|counters| counters.rotations),
            reuses_excused,
            reuses_seen_by_servers: sum(|counters| counters.reuse_detected),
            store_reads,
            longest_call_seconds: crate::checks::seconds(took.max().unwrap_or_default()),
            workers,
            events: entries.events.clone(),
            findings,
            skipped,
            args,
        }
    }

    pub(crate) fn is_well(&self) -> bool {
        self.well
    }

    pub(crate) fn folder_is_temporary(&self) -> bool {
        self.args.folder.is_none()
    }

    /// Writes the JSON report, if it was requested.
    pub(crate) fn write(&self) -> io::Result<()> {
        match &self.args.report {
            Some(path) => std::fs::write(path, serde_json::to_string_pretty(self)?),
            None => Ok(()),
        }
    }

    pub(crate) fn say(&self) {
        let row = |name: &str, value: String| println!("{name:<26} {value}");
        let counts = |counts: &BTreeMap<String, u64>| {
            let counts = counts.iter().map(|(name, count)| format!("{name} {count}"));
            counts.collect::<Vec<_>>().join(", ")
        };
        println!();
        row("seed", self.seed.to_string());
        row("calls", self.calls.to_string());
        row("failures by code", counts(&self.failures));
        row("faults by kind", counts(&self.faults));
        row(
            "pages",
            format!(
                "{}; the faults account for {}",
                self.pages, self.pages_accounted_for
            ),
        );
        row(
            "refreshes",
            format!("{} sent, {} granted", self.refreshes, self.renewed),
        );
        row(
            "reuses",
            format!(
                "{} excused; the servers saw {}",
                self.reuses_excused, self.reuses_seen_by_servers
            ),
        );
        row("requests", counts(&self.requests));
        row("what hosts heard", counts(&self.events));
        row("store reads", self.store_reads.to_string());
        row(
            "longest call",
            format!("{:.1} s", self.longest_call_seconds),
        );
        for growth in &self.workers {
            row(
                &format!(
                    "worker {} ({})",
                    growth.worker,
                    if growth.node { "Node" } else { "Rust" }
                ),
                format!(
                    "RSS {} -> {} KiB, descriptors {} -> {}",
                    growth.warm.rss_kib,
                    growth.end.rss_kib,
                    growth.warm.descriptors,
                    growth.end.descriptors
                ),
            );
        }
        println!();
        for finding in &self.findings {
            let mark = if finding.problems.is_empty() {
                "✓"
            } else {
                "✗"
            };
            println!("{mark} {:<28} {}", finding.check, finding.looked_at);
            for problem in &finding.problems {
                println!("    {problem}");
            }
        }
        self.skipped.say();
        if self.interrupted {
            println!("It was interrupted.");
        }
        if !self.well {
            println!(
                "\nFAILED with seed {}. To run it again:\n    {}",
                self.seed, self.command
            );
        }
    }
}

/// The command that repeats the run.
fn again(args: &SoakArgs, seed: u64) -> String {
    let mut command = format!(
        "cargo run -p mcp-reauth-soak -- --minutes {} --sessions {} --profiles {} --processes {} --node-share {} --seed {seed}",
        args.minutes, args.sessions, args.profiles, args.processes, args.node_share
    );
    if !args.faults.is_empty() {
        let names: Vec<_> = args.faults.iter().map(|kind| kind.name()).collect();
        command.push_str(&format!(" --faults {}", names.join(",")));
    }
    command
}
