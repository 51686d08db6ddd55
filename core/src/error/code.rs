//! Error codes: stable, and the same in every language.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        /// The kind of an [`Error`](crate::Error): stable, and the same in every language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $code)] $name,)+
        }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Returns the code in snake_case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }
        }
    };
}

codes! {
    /// The server needs more scope than was granted, and a step-up is disabled, impossible or did not help.
    InsufficientScope = "insufficient_scope",
    /// The user was asked to grant more access and declined.
    ConsentDenied = "consent_denied",
    /// The authorization server granted less than the operation needs.
    ScopeNotGranted = "scope_not_granted",
    /// The server asked for more scope after as many step-ups as the policy allows.
    StepUpLimit = "step_up_limit",
    /// The user is needed but cannot be asked now.
    InteractionRequired = "interaction_required",
    /// The server rejects every credential.
    Unauthorized = "unauthorized",
    /// A transient error prevented the renewal of the credential.
    RefreshUnavailable = "refresh_unavailable",
    /// The authorization server refused to renew the credential.
    RefreshRejected = "refresh_rejected",
    /// The authorization response names another issuer (RFC 9207).
    IssuerMismatch = "issuer_mismatch",
    /// The authorization response belongs to no pending sign-in.
    StateMismatch = "state_mismatch",
    /// The authorization server ended the sign-in with an error.
    AuthorizationDenied = "authorization_denied",
    /// The metadata is about another resource.
    ResourceMismatch = "resource_mismatch",
    /// A metadata document cannot be used.
    MetadataInvalid = "metadata_invalid",
    /// The authorization server does not offer PKCE with S256.
    PkceUnsupported = "pkce_unsupported",
    /// No client registration was obtained.
    RegistrationRejected = "registration_rejected",
    /// A URL is neither https nor loopback.
    InsecureEndpoint = "insecure_endpoint",
    /// An address is in a narrower network than the server that named it.
    BlockedEndpoint = "blocked_endpoint",
    /// An organization's policy refuses access.
    PolicyDenied = "policy_denied",
    /// An ID token failed validation.
    IdTokenInvalid = "id_token_invalid",
    /// No identity provider is configured.
    EnterpriseNotConfigured = "enterprise_not_configured",
    /// The identity provider is disabled.
    EnterpriseDisabled = "enterprise_disabled",
    /// The operation was cancelled.
    Cancelled = "cancelled",
    /// The operation took too long.
    Timeout = "timeout",
    /// The store failed.
    Store = "store",
    /// An HTTP exchange outside token renewal failed.
    Http = "http",
    /// The application's own callback failed.
    Host = "host",
    /// The session is configured in a way that cannot work.
    Config = "config",
    /// A defect of this library, caught by a language binding.
    Internal = "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorCode {
    type Err = UnknownErrorCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|code| code.as_str() == text);
        known.copied().ok_or(UnknownErrorCode)
    }
}

/// A text that is not an [`ErrorCode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an error code")]
pub struct UnknownErrorCode;

impl PartialEq<str> for ErrorCode {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for ErrorCode {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_as_it_is_written_and_no_other() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            let json = serde_json::to_string(code).expect("it is written");
            assert_eq!(json, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<ErrorCode>(&json).ok(), Some(*code));
        }
        for other in ["", "Config", "config ", "unknown"] {
            assert_eq!(other.parse::<ErrorCode>(), Err(UnknownErrorCode));
        }
    }
}
