//! The rule that no secret leaks. Every test checks it when its [`World`](super::World) ends, in all logs and in all
//! requests.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mcp_reauth_fixture::{Control, MAX_REQUESTS, SeenRequest};
use url::form_urlencoded;

use super::log;

/// A shorter secret could be part of an ordinary word.
const MIN_SECRET: usize = 8;

/// All violations of the rule.
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

/// All secrets of a test, by the servers that may receive them.
struct Secrets {
    /// Issued by the first and by the second authorization server.
    issued: [Vec<String>; 2],
    /// Created by the client: PKCE verifiers, client assertions, and credentials as encoded in a header.
    sent: Vec<String>,
    /// Issued by the identity provider, without assertions.
    idp: Vec<String>,
    /// The identity provider's assertions, for authorization servers.
    id_jags: Vec<String>,
}

impl Secrets {
    fn of(control: &Control, requests: &[SeenRequest]) -> Self {
        let mut sent = Vec::new();
        for request in requests {
            let form = form_urlencoded::parse(request.body.as_bytes());
            let made =
                form.filter(|(name, _)| name == "code_verifier" || name == "client_assertion");
            sent.extend(made.map(|(_, made)| made.into_owned()));
            let header = request.header("authorization").unwrap_or_default();
            sent.extend(header.strip_prefix("Basic ").map(str::to_owned));
        }
        let issued = control.issued_secrets_by_server();
        let of_idp = control.issued_secrets_of_idp().into_iter();
        let (id_jags, idp): (Vec<_>, Vec<_>) = of_idp.partition(|secret| is_id_jag(secret));
        Self {
            idp: spellings(&idp),
            id_jags: spellings(&id_jags),
            issued: issued.map(|secrets| spellings(&secrets)),
            sent: spellings(&sent),
        }
    }

    fn all(&self) -> Vec<&str> {
        let issued = self.issued.iter().flatten();
        let all = issued
            .chain(&self.sent)
            .chain(&self.idp)
            .chain(&self.id_jags);
        all.map(String::as_str).collect()
    }

    /// The violations of a request.
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
        let of_idp: Vec<&str> = self.idp.iter().map(String::as_str).collect();
        if request.server != "idp" && any(&request.body, &of_idp) {
            wrong.push("what is the identity provider's");
        }
        let both: Vec<String> = self.issued.concat();
        let foreign = match request.server.as_str() {
            "idp" => &both,
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

fn is_id_jag(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let header = BASE64_URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
    String::from_utf8_lossy(&header).contains("oauth-id-jag+jwt")
}

/// The forms in which a secret could appear: also its parts, where a line break splits it, and encoded.
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
