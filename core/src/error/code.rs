//! The codes of errors: the same in every language, and stable.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        /// What kind of [`Error`](crate::Error) it is: stable, and the same in every language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $code)] $name,)+
        }

        impl ErrorCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The code, in snake_case.
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
    /// The server needs more scope than was granted, and asking for it is off, impossible or was in vain.
    InsufficientScope = "insufficient_scope",
    /// The person was asked whether to grant more access, and said no.
    ConsentDenied = "consent_denied",
    /// The authorization server answered with less than the operation needs.
    ScopeNotGranted = "scope_not_granted",
    /// The server asked for more scope after as many step-ups as the policy allows.
    StepUpLimit = "step_up_limit",
    /// A person is needed, and now is not the time.
    InteractionRequired = "interaction_required",
    /// The server rejects every credential.
    Unauthorized = "unauthorized",
    /// The credential could not be renewed now.
    RefreshUnavailable = "refresh_unavailable",
    /// The credential was refused for renewal.
    RefreshRejected = "refresh_rejected",
    /// The authorization response names another issuer (RFC 9207).
    IssuerMismatch = "issuer_mismatch",
    /// The authorization response belongs to no sign-in that is under way.
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
    /// An address is neither https nor on this machine.
    InsecureEndpoint = "insecure_endpoint",
    /// An address is in a narrower network than the server that led there.
    BlockedEndpoint = "blocked_endpoint",
    /// An organization's policy refuses access.
    PolicyDenied = "policy_denied",
    /// An ID token cannot be trusted.
    IdTokenInvalid = "id_token_invalid",
    /// No identity provider was given.
    EnterpriseNotConfigured = "enterprise_not_configured",
    /// The identity provider is switched off.
    EnterpriseDisabled = "enterprise_disabled",
    /// It was stopped.
    Cancelled = "cancelled",
    /// It took too long.
    Timeout = "timeout",
    /// The store failed.
    Store = "store",
    /// An HTTP exchange outside token renewal failed.
    Http = "http",
    /// The application's own callback failed.
    Host = "host",
    /// The session was set up in a way that cannot work.
    Config = "config",
    /// A defect of this library, where a language's binding caught it.
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

/// A text that is no [`ErrorCode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no error code")]
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
