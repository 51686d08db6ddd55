//! Every call and notification for the application.

use std::time::Duration;

use mcp_reauth::Event;
use mcp_reauth::host::{AuthorizationRequest, StepUpRequest};
use mcp_reauth::store::{LeaseId, StoreKey};
use serde::{Serialize, Serializer};

/// A method with its input in JSON. The comment of each variant describes its answer.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Call {
    /// A string.
    RedirectUri { registered: bool },
    /// Whether the user agrees.
    ConfirmStepUp(StepUpRequest),
    /// `{"callback": text}` or `"elsewhere"`.
    Authorize(AuthorizationRequest),
    /// Any value.
    SignInElsewhere { server: String },
    /// No answer.
    Event(Event),
    /// No answer: prints a line at the terminal.
    Show { line: String },
    /// The line that the user typed, as a string.
    Question { question: String },
    /// A string.
    Assertion { audience: String },
    /// `{"status", "headers", "too_large"}` and the response body. The request body accompanies the call.
    Fetch {
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        max_body: usize,
    },
    /// `{"authorities", "envProxies"}`.
    Network,
    /// `{"version"}` and the record as body, or `null`.
    Load { key: Key },
    /// The new version, or `null` after a conflict. The record accompanies the call.
    Save { key: Key, expected: Option<u64> },
    /// Whether it was deleted.
    Delete { key: Key, expected: u64 },
    /// The ID of the lease as a string, or `null`.
    TryLease { key: Key, ttl: Millis },
    /// Whether the lease is still held.
    RenewLease {
        key: Key,
        lease: LeaseId,
        ttl: Millis,
    },
    /// No answer.
    ReleaseLease { key: Key, lease: LeaseId },
    /// No answer: an in-process lease was granted, and the store must stay alive until `LeaseBack`.
    LeaseOut,
    /// No answer.
    LeaseBack,
    /// No answer: the caller no longer waits for the call with this number.
    Cancel,
}

impl Call {
    pub(crate) fn method(&self) -> &'static str {
        match self {
            Self::RedirectUri { .. } => "redirectUri",
            Self::ConfirmStepUp(_) => "confirmStepUp",
            Self::Authorize(_) => "authorize",
            Self::SignInElsewhere { .. } => "signInElsewhere",
            Self::Event(_) => "event",
            Self::Show { .. } => "show",
            Self::Question { .. } => "question",
            Self::Assertion { .. } => "assertion",
            Self::Fetch { .. } => "fetch",
            Self::Network => "network",
            Self::Load { .. } => "store.load",
            Self::Save { .. } => "store.save",
            Self::Delete { .. } => "store.delete",
            Self::TryLease { .. } => "store.tryLease",
            Self::RenewLease { .. } => "store.renewLease",
            Self::ReleaseLease { .. } => "store.releaseLease",
            Self::LeaseOut => "store.leaseOut",
            Self::LeaseBack => "store.leaseBack",
            Self::Cancel => "cancel",
        }
    }
}

/// The key of a record.
#[derive(Serialize)]
pub(crate) struct Key {
    profile: String,
    server: String,
}

impl From<&StoreKey> for Key {
    fn from(key: &StoreKey) -> Self {
        Self {
            profile: key.profile.clone(),
            server: key.server.clone(),
        }
    }
}

/// A duration in milliseconds.
pub(crate) struct Millis(pub(crate) Duration);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        u64::try_from(self.0.as_millis())
            .unwrap_or(u64::MAX)
            .serialize(serializer)
    }
}
