//! What a session may do by itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What to do when a server asks for more scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnInsufficientScope {
    /// Ask the user, then authorize again with the union of scopes.
    #[default]
    Reauthorize,
    /// Fail with the typed error at once; the caller decides.
    Throw,
}

/// When tokens are bound to a key, so that no other party can use them (RFC 9449).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Dpop {
    /// If the server asks for it.
    #[default]
    WhenAsked,
    /// Always; the session does not sign in at a server that does not bind tokens.
    Always,
}

/// What a session may do by itself. The default suits a program with a user in front of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Policy {
    /// What to do when a server asks for more scope.
    pub on_insufficient_scope: OnInsufficientScope,
    /// How many step-ups one request may go through (default 1); 0 is as [`OnInsufficientScope::Throw`].
    pub max_step_up_retries: u8,
    /// Whether the user is asked before an enterprise session extends access, which it could do silently (default no:
    /// the organization has decided).
    pub confirm_enterprise_step_up: bool,
    /// Whether the user may be involved at all (default yes).
    pub interaction: bool,
    /// How long before expiry a credential is renewed (default 30 s). In JSON `refreshAheadMs`, in milliseconds.
    #[serde(rename = "refreshAheadMs", with = "milliseconds")]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub refresh_ahead: Duration,
    /// How long the user may take to answer or to sign in (default 15 minutes). In JSON `interactionTimeoutMs`, in
    /// milliseconds.
    #[serde(rename = "interactionTimeoutMs", with = "milliseconds")]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub interaction_timeout: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            on_insufficient_scope: OnInsufficientScope::default(),
            max_step_up_retries: 1,
            confirm_enterprise_step_up: false,
            interaction: true,
            refresh_ahead: Duration::from_secs(30),
            interaction_timeout: Duration::from_secs(15 * 60),
        }
    }
}

impl Policy {
    /// Returns the maximum number of step-ups per request, from both settings.
    pub(crate) fn max_step_ups(&self) -> u8 {
        match self.on_insufficient_scope {
            OnInsufficientScope::Reauthorize => self.max_step_up_retries,
            OnInsufficientScope::Throw => 0,
        }
    }
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        u64::try_from(value.as_millis())
            .unwrap_or(u64::MAX)
            .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
