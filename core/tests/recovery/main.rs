//! The state machine of recovery: its rules in all situations, every path through it, and its documentation page.

mod printed;
mod rules;
mod walk;
