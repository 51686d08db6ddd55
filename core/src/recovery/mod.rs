//! What to do about a rejected request: one state machine, pure. No I/O, no clock, nothing that waits.
//!
//! - A [`State`] is what has been tried for one request, over all its tries. [`State::begin`] takes a rejection in,
//!   [`State::next`] says the next [`Step`], and [`State::record`] notes what came of it, until a step is one that
//!   ends the recovery. There are no other transitions.
//! - What a step depends on besides are the [`Facts`] of the moment. Both together are a [`Situation`].
//! - [`next_step`] decides: the first of the [`RULES`] that applies.
//!
//! The code that drives a recovery gathers the facts, carries the steps out and reports events. That no way through the
//! machine goes on for ever, whatever the facts, is a test (`core/tests/recovery`), which walks these very transitions.
//! `docs/recovery.md` is printed from the rules and from that walk.

mod facts;
mod rules;
mod situation;
mod state;

pub use facts::{Current, Event, Facts, Permissions, ProofDemand, Renewal, Source, Tried};
pub use rules::{RULES, Rule, decide, next_step};
pub use situation::{
    Ask, Attempt, Consent, Ending, IssuerCheck, Means, Proof, Protocol, Rejection, Situation, Step,
    Trigger, Venue,
};
pub use state::State;
