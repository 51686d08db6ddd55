//! The next steps that errors of [`InteractionRequired`](crate::Error::InteractionRequired) and
//! [`InsufficientScope`](crate::Error::InsufficientScope) name.

/// The page is open; the callback comes elsewhere.
pub(crate) const SIGN_IN_THERE: &str = "Sign in there, then try again.";

pub(crate) const NO_HOST: &str = "The user could not be asked, as this session has no host: sign in with a session that has one, then try again.";

pub(crate) const INTERACTION_DISABLED: &str = "The user was not asked, as this program's policy disables interaction: sign in, then try again.";

pub(crate) const NO_CALLER: &str =
    "The user was not asked, as no caller waited for this request: sign in, then try again.";

pub(crate) const STEP_UP_DISABLED: &str = "Step-up is disabled in this program's policy.";

pub(crate) const ASK_ADMINISTRATOR: &str =
    "Ask the server's administrator to extend the client's access.";

/// The grant covers the required scopes already.
pub(crate) const COVERED: &str = "The stored grant already covers it, and a renewal did not help; sign out and in again, or ask the server's operator.";
