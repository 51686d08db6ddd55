//! Why a command failed: the message for the user and the exit code for scripts.

use std::error::Error as StdError;
use std::fmt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use mcp_reauth::ErrorCode;
use mcp_reauth::wording::failure_detail;
use mcp_reauth_rmcp::{find_error, innermost};

use crate::output;

const FAILED: u8 = 1;
/// The exit code of an invalid command line, the same as clap's.
const USAGE: u8 = 2;

/// How to configure an organization's identity provider.
const WHERE_TO_SAY: &str = "Set them by --idp ISSUER --idp-client-id ID, or in the environment: MCP_REAUTH_IDP and MCP_REAUTH_IDP_CLIENT_ID.";

/// Whether to print the causes of an error.
static VERBOSE: AtomicBool = AtomicBool::new(false);

/// Turns printing the causes of an error on or off.
pub(crate) fn explain(verbose: bool) {
    VERBOSE.store(verbose, Ordering::Relaxed);
}

/// The causes of an error, one a line, if they are to be printed.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut causes = Vec::new();
    let mut at = error.source();
    while let Some(cause) = at {
        causes.push(cause.to_string());
        at = cause.source();
    }
    let lines = causes.iter().filter(|_| VERBOSE.load(Ordering::Relaxed));
    lines
        .map(|cause| format!("\n  because: {}", failure_detail(cause)))
        .collect()
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Authorization could not be obtained or recovered.
    Auth(mcp_reauth::Error),
    /// The options cannot work, whatever the servers answer.
    Unusable(mcp_reauth::Error),
    /// Enterprise-managed sign-in was requested without an identity provider.
    NotConfigured,
    /// The command line is invalid.
    Usage(String),
    /// Anything else.
    Other(String),
    /// A signal ended the program, with this exit code.
    Ended(u8),
    /// The same, while a token may have been pending.
    EndedEarly(u8),
}

impl Failure {
    /// Converts an error of rmcp. An authorization error inside it takes precedence.
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Self {
        if let Some(error) = find_error(error) {
            return Self::Auth(error.clone());
        }
        let error = innermost(error);
        let said = failure_detail(&error.to_string());
        Self::Other(format!("{said}{}", causes(error)))
    }

    /// Adds the server's URL to the message.
    pub(crate) fn at(self, server: &str) -> Self {
        match self {
            Self::Other(what) => Self::Other(format!("{server}: {what}")),
            other => other,
        }
    }

    pub(crate) fn report(&self) {
        output::say(format_args!("mcp-reauth: {self}"));
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Auth(_) | Self::NotConfigured | Self::Other(_) => FAILED,
            Self::Usage(_) | Self::Unusable(_) => USAGE,
            Self::Ended(code) | Self::EndedEarly(code) => *code,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error @ mcp_reauth::Error::ClientIssuerUnknown { issuer, .. }) => write!(
                f,
                "{error} Set it by --client-issuer {issuer} [{}]",
                error.code()
            ),
            Self::Auth(error) | Self::Unusable(error) => {
                write!(f, "{error} [{}]{}", error.code(), causes(error))
            }
            Self::NotConfigured => {
                let error = mcp_reauth::Error::EnterpriseNotConfigured;
                write!(f, "{error} {WHERE_TO_SAY} [{}]", error.code())
            }
            Self::Usage(what) | Self::Other(what) => f.write_str(what),
            Self::Ended(_) => f.write_str("interrupted; nothing was lost"),
            Self::EndedEarly(_) => {
                f.write_str("interrupted during a token request; you may have to sign in again")
            }
        }
    }
}

impl Failure {
    /// Converts an error of opening a session.
    pub(crate) fn of_setup(error: mcp_reauth::Error) -> Self {
        match error {
            mcp_reauth::Error::EnterpriseNotConfigured => Self::NotConfigured,
            error => match error.code() {
                ErrorCode::Config | ErrorCode::InsecureEndpoint => Self::Unusable(error),
                _ => Self::Auth(error),
            },
        }
    }
}

impl From<mcp_reauth::Error> for Failure {
    fn from(error: mcp_reauth::Error) -> Self {
        Self::Auth(error)
    }
}

impl From<rmcp::ServiceError> for Failure {
    fn from(error: rmcp::ServiceError) -> Self {
        match error {
            rmcp::ServiceError::TransportClosed => {
                Self::Other("the server ended its response before the result; try again".to_owned())
            }
            other => Self::of(&other),
        }
    }
}
