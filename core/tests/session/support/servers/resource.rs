//! The MCP servers.

use serde_json::{Value, json};

use super::{Refused, Servers, issuer};
use crate::support::log::Seen;
use crate::support::world::{SECOND, SERVER};

impl Servers {
    pub(super) fn resource_metadata(&self, seen: &Seen) -> (u16, Value) {
        let servers = [SERVER, SECOND].into_iter();
        let resource = servers
            .into_iter()
            .find(|server| issuer(server) == issuer(&seen.url));
        let resource = resource.expect("one of the MCP servers");
        let mut body = json!({
            "resource": resource,
            "authorization_servers": self.named_by(resource),
        });
        if let Some(scopes) = &self.scopes_supported {
            body["scopes_supported"] = json!(scopes);
        }
        if self.proofs.announced {
            body["dpop_bound_access_tokens_required"] = true.into();
        }
        (200, body)
    }

    /// Handles a request to an MCP server that needs this scope. Returns the status and the challenges.
    pub(crate) fn call(&mut self, seen: &Seen) -> (u16, Vec<String>) {
        let server = seen.url.as_str();
        let metadata = format!(
            r#"resource_metadata="{}/.well-known/oauth-protected-resource/mcp""#,
            issuer(server)
        );
        let scheme = match self.proofs.required {
            true => r#"DPoP algs="ES256", "#,
            false => "Bearer ",
        };
        let base = &self.base_scope;
        let named = match base.as_str() {
            "" => String::new(),
            base => format!(r#", scope="{base}""#),
        };
        let refuse = |status, more: &str| (status, vec![format!("{scheme}{metadata}{more}")]);
        let Some(authorization) = &seen.authorization else {
            return refuse(401, &named);
        };
        let now = self.runtime.server_seconds();
        let (sent_as, token) = authorization.split_once(' ').unwrap_or_default();
        let proven = match sent_as {
            "DPoP" => match self.proofs.check(seen, Some(token), now) {
                Ok(jkt) => jkt,
                Err(refused) => return (401, vec![refused.challenge().to_owned()]),
            },
            _ => None,
        };
        let family = self.access.get(token).and_then(|access| {
            let family = &self.families[&access.family];
            let good = family.alive
                && access.expires_at.is_none_or(|at| now < at)
                && access.jkt == proven
                && (proven.is_some() || !self.proofs.required)
                && family.resource == server
                && self.names(server, &family.issuer);
            good.then_some(family)
        });
        let Some(family) = family else {
            return refuse(401, &format!(r#", error="invalid_token"{named}"#));
        };
        if let Some((acr, max_age)) = &self.authentication
            && (family.acr != *acr || now > family.signed_in_at + max_age)
        {
            let more = format!(
                r#", error="insufficient_user_authentication", acr_values="{acr}", max_age={max_age}"#
            );
            return refuse(401, &more);
        }
        let scope = seen.param("scope");
        let holds = |scope: &str| family.scopes.iter().any(|own| own == scope);
        if scope.split(' ').filter(|s| !s.is_empty()).all(holds) {
            return (200, Vec::new());
        }
        let more = format!(r#", error="insufficient_scope", scope="{scope}""#);
        refuse(403, &more)
    }
}

impl Refused {
    fn challenge(self) -> &'static str {
        match self {
            Self::Nonce => r#"DPoP error="use_dpop_nonce""#,
            Self::Proof => r#"DPoP error="invalid_dpop_proof""#,
        }
    }
}
