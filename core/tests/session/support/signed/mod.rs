//! The parts that need signatures: an identity provider, assertions, and proofs of possession.

mod assertions;
mod idp;
mod key;
mod organization;
mod proofs;

pub(crate) use assertions::Assertions;
pub(crate) use idp::{IdentityProvider, Untrue};
pub(crate) use key::{Key, claims};
pub(crate) use organization::CLIENT;
pub(crate) use proofs::Proofs;

/// Why a proof is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It lacks the server's nonce.
    Nonce,
    /// It is wrong.
    Proof,
}
