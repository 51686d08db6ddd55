//! The scenarios, in the order in which they are played.

mod attacks;
mod outage;
mod parallel;
mod refusals;
mod renewal;
mod restart;
mod step_up;

use super::scenario::Scenario;

/// All scenarios.
pub(super) fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        renewal::SCENARIOS,
        restart::SCENARIOS,
        step_up::SCENARIOS,
        parallel::SCENARIOS,
        outage::SCENARIOS,
        refusals::SCENARIOS,
        attacks::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}
