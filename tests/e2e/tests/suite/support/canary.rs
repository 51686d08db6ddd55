//! The rule that no secret gets to where it can be read or used by others. Every test is held to it when its
//! [`World`](super::World) ends, in what was written down and in what the servers were sent.

use mcp_reauth_fixture::{Control, MAX_REQUESTS, SeenRequest};
use url::form_urlencoded;

use super::log;

/// What is shorter could be part of any word.
const MIN_SECRET: usize = 8;

/// Everything that breaks the rule.
pub(crate) fn leaks(control: &Control) -> Vec<String> {
    let requests = control.requests();
    assert!(requests.len() < MAX_REQUESTS, "some were not looked at");
    let secrets = Secrets::of(control, &requests);
    let mut leaks = log::lines_with(&secrets.all());
    for request in &requests {
        let place = |what| format!("{what} at {}: {request:?}", request.server);
        let leaky = secrets.misplaced(request).into_iter();
        leaks.extend(leaky.map(place));
    }
    leaks
}

/// Every secret of a test, by where it may go.
struct Secrets {
    /// Issued by the first and by the second authorization server.
    issued: [Vec<String>; 2],
    /// Made by the client: PKCE verifiers, and clients' credentials as they stand in a header.
    sent: Vec<String>,
}

impl Secrets {
    fn of(control: &Control, requests: &[SeenRequest]) -> Self {
        let mut sent = Vec::new();
        for request in requests {
            let form = form_urlencoded::parse(request.body.as_bytes());
            let verifiers = form.filter(|(name, _)| name == "code_verifier");
            sent.extend(verifiers.map(|(_, verifier)| verifier.into_owned()));
            let header = request.header("authorization").unwrap_or_default();
            sent.extend(header.strip_prefix("Basic ").map(str::to_owned));
        }
        let issued = control.issued_secrets_by_server();
        Self {
            issued: issued.map(|secrets| spellings(&secrets)),
            sent: spellings(&sent),
        }
    }

    fn all(&self) -> Vec<&str> {
        let all = self.issued.iter().flatten().chain(&self.sent);
        all.map(String::as_str).collect()
    }

    /// What is wrong with a request.
    fn misplaced(&self, request: &SeenRequest) -> Vec<&'static str> {
        let all = self.all();
        let any = |text: &str, secrets: &[&str]| secrets.iter().any(|s| text.contains(s));
        let header = |name| request.header(name).unwrap_or_default();
        let credential = header("authorization");
        let mut wrong = Vec::new();
        if any(&request.uri, &all) {
            wrong.push("a secret in an address");
        }
        let mut others = request.headers.iter().filter(|(n, _)| n != "authorization");
        if others.any(|(_, value)| any(value, &all)) {
            wrong.push("a secret in a header of another kind");
        }
        let (access, others): (Vec<&str>, Vec<&str>) =
            all.iter().partition(|secret| secret.starts_with("at_"));
        let foreign = match request.server.as_str() {
            "mcp" => {
                if any(&request.body, &all) || any(credential, &others) {
                    wrong.push("what is no access token");
                }
                return wrong;
            }
            "first" => &self.issued[1],
            _ => &self.issued[0],
        };
        let foreign: Vec<&str> = foreign.iter().map(String::as_str).collect();
        if any(&request.body, &foreign) || any(credential, &foreign) {
            wrong.push("a secret of the other authorization server");
        }
        let revokes = request.uri.ends_with("/revoke");
        if any(credential, &access) || any(&request.body, &access) && !revokes {
            wrong.push("an access token");
        }
        wrong
    }
}

/// The secrets as they could be written: also in parts, where a line breaks within one, and encoded.
fn spellings(secrets: &[String]) -> Vec<String> {
    let parts = secrets
        .iter()
        .flat_map(|secret| secret.split(|c: char| c.is_control() || c == ' '))
        .filter(|part| part.len() >= MIN_SECRET);
    let mut spellings = Vec::new();
    for part in parts {
        let encoded: String = form_urlencoded::byte_serialize(part.as_bytes()).collect();
        if encoded != part {
            spellings.push(encoded);
        }
        spellings.push(part.to_owned());
    }
    spellings
}
