//! Measures speed and size, and compares them with their baselines: `cargo bench`.
//!
//! For ratios, both sides are measured alternately in one run, so that load on the machine affects both. Arguments
//! select parts: `cargo bench -p mcp-reauth-bench -- recoveries`. Without `--bench`, as with `cargo test -p
//! mcp-reauth-bench --bench speed`, everything is measured once or twice to check that it works, and the figures are
//! not compared with their aims.

#![allow(clippy::unwrap_used)]

mod bare;
mod calls;
mod crowd;
mod in_memory;
mod pairs;
mod recoveries;
mod report;
mod sessions;
mod stage;

use mcp_reauth_bench::Counting;

use report::Report;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many measurements to make.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) pairs_a_round: usize,
    pub(crate) batches: usize,
    pub(crate) sessions: usize,
    pub(crate) crowd: usize,
}

const FULL: Effort = Effort {
    rounds: 40,
    pairs_a_round: 50,
    batches: 2000,
    sessions: 10_000,
    crowd: 1000,
};

const TRIAL: Effort = Effort {
    rounds: 2,
    pairs_a_round: 2,
    batches: 2,
    sessions: 10,
    crowd: 10,
};

type Part = (&'static str, fn(&mut Report, Effort));

const PARTS: [Part; 5] = [
    ("in_memory", in_memory::measure),
    ("sessions", sessions::measure),
    ("calls", calls::measure),
    ("recoveries", recoveries::measure),
    ("crowd", crowd::measure),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|argument| argument == "--bench");
    let effort = if full { FULL } else { TRIAL };
    let named = |part: &str| arguments.iter().any(|argument| argument == part);
    let all = !PARTS.iter().any(|(part, _)| named(part));
    let mut report = Report::new(full);
    for (part, measure) in PARTS {
        if all || named(part) {
            measure(&mut report, effort);
        }
    }
    report.print();
}
