//! Every sentence a host may show, so that web, terminal and mobile say the same thing.
//!
//! Sentences name the server, say what happens next, and never quote a protocol message raw.

mod failure;
mod message;
pub(crate) mod next;

use std::borrow::Cow;

use serde::Deserialize;

use crate::challenge::{AuthChallenge, Operation, Reason};
use crate::scope::ScopeSet;
use crate::text;
pub use failure::failure;

/// The maximum number of permissions that a sentence names.
const MAX_NAMED: usize = 8;

/// A sentence and its parameters, as other languages request it:
/// `{"sentence": "success", "server": "...", "newScopes": []}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    tag = "sentence",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
#[allow(
    missing_docs,
    reason = "each is a function of this module, with its parameters"
)]
#[non_exhaustive]
pub enum Sentence {
    StepUpTitle {
        challenge: AuthChallenge,
    },
    StepUpBody {
        server: String,
        challenge: AuthChallenge,
        new_scopes: ScopeSet,
    },
    OrganizationStepUpBody {
        server: String,
        challenge: AuthChallenge,
        new_scopes: ScopeSet,
    },
    InProgress {
        server: String,
    },
    InProgressElsewhere {
        server: String,
    },
    Success {
        server: String,
        new_scopes: ScopeSet,
    },
    RetryHint {
        operation: Operation,
    },
    Cancelled {
        server: String,
    },
    NotGranted {
        server: String,
        new_scopes: ScopeSet,
    },
    SessionExpired {
        server: String,
    },
    ReauthenticationBanner {
        server: String,
        challenge: AuthChallenge,
    },
    LostAuthorizationState {},
    IssuerMismatch {},
    FailureDetail {
        detail: String,
    },
    Displayable {
        text: String,
    },
}

impl Sentence {
    /// Returns the sentence for the user.
    #[must_use]
    pub fn say(&self) -> String {
        match self {
            Self::StepUpTitle { challenge } => step_up_title(challenge).to_owned(),
            Self::StepUpBody {
                server,
                challenge,
                new_scopes,
            } => step_up_body(server, challenge, new_scopes),
            Self::OrganizationStepUpBody {
                server,
                challenge,
                new_scopes,
            } => organization_step_up_body(server, challenge, new_scopes),
            Self::InProgress { server } => in_progress(server),
            Self::InProgressElsewhere { server } => in_progress_elsewhere(server),
            Self::Success { server, new_scopes } => success(server, new_scopes),
            Self::RetryHint { operation } => retry_hint(operation),
            Self::Cancelled { server } => cancelled(server),
            Self::NotGranted { server, new_scopes } => not_granted(server, new_scopes),
            Self::SessionExpired { server } => session_expired(server),
            Self::ReauthenticationBanner { server, challenge } => {
                reauthentication_banner(server, challenge)
            }
            Self::LostAuthorizationState {} => lost_authorization_state().to_owned(),
            Self::IssuerMismatch {} => issuer_mismatch().to_owned(),
            Self::FailureDetail { detail } => failure_detail(detail),
            Self::Displayable { text } => displayable(text),
        }
    }
}

/// The title of a step-up question.
#[must_use]
pub fn step_up_title(challenge: &AuthChallenge) -> &'static str {
    match challenge.reason {
        Reason::InsufficientUserAuthentication => "Confirm that it is you",
        _ => "More access needed",
    }
}

/// The body of a step-up question. `new_scopes` are the scopes that are not granted yet.
#[must_use]
pub fn step_up_body(server: &str, challenge: &AuthChallenge, new_scopes: &ScopeSet) -> String {
    let doing = doing(&challenge.context);
    if challenge.reason == Reason::InsufficientUserAuthentication {
        let how = match (challenge.acr_values.is_empty(), challenge.max_age) {
            (true, Some(_)) => "again",
            (false, _) => "again with a stronger method",
            (true, None) => "once more",
        };
        return format!(
            "{server} asks you to sign in {how} {doing}. You keep the access you have."
        );
    }
    let wanted = list(new_scopes);
    format!(
        "{server} needs {wanted} {doing}. You will be sent to its sign-in page to agree; you keep the access you have."
    )
}

/// The body of a step-up question, if an organization manages access and no page is shown.
#[must_use]
pub fn organization_step_up_body(
    server: &str,
    challenge: &AuthChallenge,
    new_scopes: &ScopeSet,
) -> String {
    format!(
        "{server} needs {} {}. Your organization's sign-in is used to ask for it; you keep the access you have.",
        list(new_scopes),
        doing(&challenge.context)
    )
}

/// While the user is at the authorization server.
#[must_use]
pub fn in_progress(server: &str) -> String {
    format!("Waiting for you to finish signing in to {server} in the browser\u{2026}")
}

/// While the user is at the authorization server for another session or program.
#[must_use]
pub fn in_progress_elsewhere(server: &str) -> String {
    format!(
        "Waiting for you to finish signing in to {server} in the page that another session or program opened\u{2026}"
    )
}

/// After an authorization. `added` are the scopes that it added, if it was a step-up.
#[must_use]
pub fn success(server: &str, added: &ScopeSet) -> String {
    if added.is_empty() {
        format!("Signed in to {server}.")
    } else {
        format!("Access to {server} now includes {}.", list(added))
    }
}

/// What happens to the interrupted operation.
#[must_use]
pub fn retry_hint(operation: &Operation) -> String {
    match name(operation) {
        Some(name) => format!("Trying {name} again now."),
        None => "Trying again now.".to_owned(),
    }
}

/// After the user declined, or closed the page.
#[must_use]
pub fn cancelled(server: &str) -> String {
    format!(
        "Nothing was changed. Other access to {server} is unchanged; try again to be asked again."
    )
}

/// After an authorization that granted less than needed.
#[must_use]
pub fn not_granted(server: &str, missing: &ScopeSet) -> String {
    let missing = if missing.is_empty() {
        "the access it asked for".to_owned()
    } else {
        list(missing)
    };
    format!(
        "You are signed in to {server}, but without {missing}. Your account may not have it; ask the server's administrator."
    )
}

/// When the credential is no longer valid and cannot be renewed.
#[must_use]
pub fn session_expired(server: &str) -> String {
    format!(
        "Your sign-in to {server} has ended. Sign in again to continue; nothing you entered is lost."
    )
}

/// A banner for later: the user is needed, but no caller waits.
#[must_use]
pub fn reauthentication_banner(server: &str, challenge: &AuthChallenge) -> String {
    match challenge.reason {
        Reason::InsufficientScope => {
            format!(
                "{server} needs {} to continue in the background.",
                list(&challenge.required_scopes)
            )
        }
        Reason::InsufficientUserAuthentication => {
            format!("{server} asks you to sign in again before it continues in the background.")
        }
        _ => format!("You are signed out of {server}. Sign in to reconnect."),
    }
}

/// For a callback that belongs to no pending authorization.
#[must_use]
pub fn lost_authorization_state() -> &'static str {
    "This sign-in is unknown: it timed out, was already completed, or was started by another program. Start again."
}

/// For a callback from another server than the user was sent to.
#[must_use]
pub fn issuer_mismatch() -> &'static str {
    "The response did not come from the server you were sent to, so it was not used. Start again; if it happens again, do not trust that page."
}

/// Makes a failure's detail readable for the user: shows the message of a JSON document, never the document, and
/// nothing that could be mistaken for the program's own words.
#[must_use]
pub fn failure_detail(detail: &str) -> String {
    let shown = match detail.find(['{', '[']) {
        Some(at) => match serde_json::from_str::<serde_json::Value>(&detail[at..]) {
            Ok(document) => format!("{} {}", detail[..at].trim_end(), said(&document)),
            Err(_) => detail.to_owned(),
        },
        None => detail.to_owned(),
    };
    text::displayable(&shown).unwrap_or_else(|| "It failed without giving a reason.".to_owned())
}

/// Returns the message of a JSON error document.
fn said(document: &serde_json::Value) -> String {
    ["error_description", "message", "detail", "title", "error"]
        .iter()
        .find_map(|name| match document.get(name)? {
            serde_json::Value::String(text) => Some(text.clone()),
            nested @ serde_json::Value::Object(_) => Some(said(nested)),
            _ => None,
        })
        .unwrap_or_else(|| "(the server's response has no readable message)".to_owned())
}

/// Makes text from a server fit to be shown: without characters that control a terminal or change the direction of
/// writing, and bounded.
#[must_use]
pub fn displayable(text: &str) -> String {
    text::displayable(text).unwrap_or_default()
}

/// Makes text of any length, such as a tool result, harmless to a terminal: writes characters that control a terminal
/// or change the direction of writing as `\uXXXX`, and keeps newlines and tabs. JSON keeps its meaning.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    text::escaped(text)
}

/// Puts a name from a server in quotation marks that it cannot close, so that it never reads as the program's own
/// words. `None` if nothing is left to show.
fn quoted(name: &str) -> Option<String> {
    let shown = text::displayable(name)?;
    Some(format!("\"{}\"", shown.replace('"', "'")))
}

fn name(operation: &Operation) -> Option<String> {
    if let Some(tool) = &operation.tool_name {
        return Some(format!("the tool {}", quoted(tool)?));
    }
    if let Some(prompt) = &operation.prompt_name {
        return Some(format!("the prompt {}", quoted(prompt)?));
    }
    let uri = operation.resource_uri.as_ref()?;
    Some(format!("the resource {}", quoted(uri)?))
}

fn doing(operation: &Operation) -> String {
    let shown = |text: &String| quoted(text);
    if let Some(tool) = operation.tool_name.as_ref().and_then(shown) {
        return format!("to run the tool {tool}");
    }
    if let Some(prompt) = operation.prompt_name.as_ref().and_then(shown) {
        return format!("to use the prompt {prompt}");
    }
    if let Some(uri) = operation.resource_uri.as_ref().and_then(shown) {
        return format!("to read {uri}");
    }
    "to continue".to_owned()
}

fn list(scopes: &ScopeSet) -> String {
    // A server may name any number of scopes, of any length.
    let names: Vec<String> = scopes.iter().filter_map(quoted).collect();
    if let [first @ .., _] = names.as_slice()
        && first.len() > MAX_NAMED
    {
        let named = names[..MAX_NAMED].join(", ");
        return format!(
            "the permissions {named} and {} more",
            names.len() - MAX_NAMED
        );
    }
    match names.as_slice() {
        [] => "more access".to_owned(),
        [one] => format!("the permission {one}"),
        [first @ .., last] => format!("the permissions {} and {last}", first.join(", ")),
    }
}
