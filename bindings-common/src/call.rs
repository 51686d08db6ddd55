//! Everything that an application can be asked or told.

use std::time::Duration;

use mcp_reauth::Event;
use mcp_reauth::host::{AuthorizationRequest, StepUpRequest};
use mcp_reauth::store::{LeaseId, StoreKey};
use serde::{Serialize, Serializer};

/// A method, with its input in JSON. Each names what it is answered by.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Call {
    /// A text.
    RedirectUri { registered: bool },
    /// Whether the person agrees.
    ConfirmStepUp(StepUpRequest),
    /// `{"callback": text}` or `"elsewhere"`.
    Authorize(AuthorizationRequest),
    /// Anything.
    SignInElsewhere { server: String },
    /// Not answered.
    Event(Event),
    /// Not answered: a line for the person at the terminal.
    Show { line: String },
    /// What the person typed; a text.
    Question { question: String },
    /// A text.
    Assertion { audience: String },
    /// `{"status", "headers", "too_large"}`, and the body. The request's body goes along.
    Fetch {
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        max_body: usize,
    },
    /// `{"authorities", "envProxies"}`.
    Network,
    /// `{"version"}` and the record, or `null`.
    Load { key: Key },
    /// The new version, or `null` after a conflict. The record goes along.
    Save { key: Key, expected: Option<u64> },
    /// Whether it was deleted.
    Delete { key: Key, expected: u64 },
    /// A text that stands for the lease, or `null`.
    TryLease { key: Key, ttl: Millis },
    /// Whether it is held.
    RenewLease {
        key: Key,
        lease: LeaseId,
        ttl: Millis,
    },
    /// Not answered.
    ReleaseLease { key: Key, lease: LeaseId },
    /// Not answered: a lease of this process is out, and the store is to be there until it is back.
    LeaseOut,
    /// Not answered.
    LeaseBack,
    /// Not answered: the call with this number is not waited for any more.
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

/// Which record.
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

/// A time in milliseconds.
pub(crate) struct Millis(pub(crate) Duration);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        u64::try_from(self.0.as_millis())
            .unwrap_or(u64::MAX)
            .serialize(serializer)
    }
}
