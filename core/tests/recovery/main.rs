//! The state machine of recovery: its rules over all situations, every way through it, and its page in the documentation.

mod printed;
mod rules;
mod walk;
