//! What to do about a rejected request: one pure state machine, without I/O, clock or waiting.
//!
//! - A [`State`] records what has been tried for one request, over all its tries. [`State::begin`] takes in a
//!   rejection, [`State::next`] returns the next [`Step`], and [`State::record`] records its result, until a step ends
//!   the recovery. There are no other transitions.
//! - A step also depends on the [`Facts`] of the moment. State and facts together are a [`Situation`].
//! - [`next_step`] decides: the first of the [`RULES`] that applies.
//!
//! The driver of a recovery gathers the facts, executes the steps and reports events. A test (`core/tests/recovery`)
//! walks these very transitions and shows that every path ends, whatever the facts. `docs/recovery.md` is printed from
//! the rules and from that walk.

mod facts;
mod rules;
mod situation;
mod state;

pub use facts::{Current, Event, Facts, Permissions, ProofDemand, Renewal, Source, Tried};
pub use rules::{RULES, Rule, decide, next_step};
pub use situation::{
    Attempt, Consent, Destination, Ending, IssuerCheck, Means, Proof, Protocol, Rejection, Scoping,
    Situation, Step, Trigger,
};
pub use state::State;
