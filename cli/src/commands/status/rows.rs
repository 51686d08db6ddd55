//! Formats the state of an authorization as rows.

use std::time::{SystemTime, UNIX_EPOCH};

use mcp_reauth::enterprise::IdpState;
use mcp_reauth::{ScopeSet, wording};

use crate::state::ServerState;

/// Labels and values.
pub(super) type Rows = Vec<(&'static str, String)>;

/// The rows of a server.
pub(super) fn of_server(state: &ServerState) -> Rows {
    let state = &state.connection;
    let mut rows = vec![("server", state.server.clone())];
    if !state.signed_in {
        rows.push(("signed in", "no".to_owned()));
        return rows;
    }
    let list = |scopes: &ScopeSet| match scopes.is_empty() {
        true => "(the server names none)".to_owned(),
        false => scopes.to_string(),
    };
    let signed_in = if state.authorized { "yes" } else { "expired" };
    rows.push(("signed in", signed_in.to_owned()));
    if let Some(issuer) = &state.identity_provider {
        rows.push(("through", issuer.clone()));
    }
    rows.push(("issuer", state.issuer.clone().unwrap_or_default()));
    let client_id = state.client_id.as_deref().unwrap_or_default();
    rows.push(("client id", wording::displayable(client_id)));
    rows.push(("scopes", list(&state.granted_scopes)));
    if state.requested_scopes != state.granted_scopes {
        rows.push(("asked for", list(&state.requested_scopes)));
    }
    if state.bound_to_key {
        rows.push(("bound", "to a key of this store's".to_owned()));
    }
    rows.push(("expires", expires(state.expires_at)));
    rows.push(("renewed", renewed(state.renewable)));
    rows
}

/// The rows of an identity provider.
pub(super) fn of_idp(state: &IdpState) -> Rows {
    let mut rows = vec![("idp", state.issuer.clone())];
    let session = match (state.signed_in, state.authorized) {
        (false, _) => "none",
        (true, true) => "signed in",
        (true, false) => "expired",
    };
    rows.push(("session", session.to_owned()));
    if let Some(subject) = &state.subject {
        rows.push(("as", wording::displayable(subject)));
    }
    if state.signed_in {
        rows.push(("expires", expires(state.expires_at)));
        rows.push(("renewed", renewed(state.renewable)));
    }
    for (n, server) in state.servers.iter().enumerate() {
        let name = if n == 0 { "servers" } else { "" };
        rows.push((name, server.clone()));
    }
    rows
}

fn renewed(silently: bool) -> String {
    match silently {
        true => "silently".to_owned(),
        false => "only by signing in again".to_owned(),
    }
}

fn expires(at: Option<u64>) -> String {
    at.map_or_else(|| "unknown".to_owned(), expiry)
}

fn expiry(at: u64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    let (span, when) = match at.checked_sub(now) {
        Some(left) => (left, "from now"),
        None => (now - at, "ago"),
    };
    let (days, hours, minutes, seconds) =
        (span / 86_400, span / 3600 % 24, span / 60 % 60, span % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s {when}"),
        (0, 0, _) => format!("{minutes} min {seconds} s {when}"),
        (0, _, _) => format!("{hours} h {minutes} min {when}"),
        _ => format!("{days} d {hours} h {when}"),
    }
}
