//! Authorization and token endpoints.

use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use serde_json::{Value, json};
use url::Url;

use super::{Access, CANARY, Code, Family, Refresh, Refused, Servers, issuer, refused, words};
use crate::support::log::Seen;
use crate::support::world::{SECOND, SERVER};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

impl Servers {
    /// The user agrees to everything, unless the server was told to deny.
    pub(super) fn authorize(&mut self, seen: &Seen) -> String {
        let issuer = issuer(&seen.url);
        let client = (issuer.clone(), seen.param("client_id").to_owned());
        assert!(self.clients.contains_key(&client), "unknown: {client:?}");
        assert_eq!(seen.param("response_type"), "code");
        assert_eq!(seen.param("code_challenge_method"), "S256");
        assert!([SERVER, SECOND].contains(&seen.param("resource")));
        assert!(seen.param("state").len() >= 32);
        let mut back = Url::parse(seen.param("redirect_uri")).expect("a redirect URI");
        back.query_pairs_mut()
            .append_pair("state", seen.param("state"));
        if self.sends_iss {
            back.query_pairs_mut()
                .append_pair("iss", &(self.spells)(&issuer));
        }
        if let Some(error) = self.denies {
            back.query_pairs_mut()
                .append_pair("error", error)
                .append_pair("error_description", "The person said no");
            return back.into();
        }
        let registered = self.clients[&client].scopes.as_ref();
        let asked = words(seen.param("scope"));
        if registered.is_some_and(|known| asked.iter().any(|scope| !known.contains(scope))) {
            back.query_pairs_mut().append_pair("error", "invalid_scope");
            return back.into();
        }
        let asked = asked.into_iter();
        let scopes = asked
            .filter(|scope| !self.never_granted.contains(scope))
            .collect();
        let family = self.number();
        self.families.insert(
            family,
            Family {
                issuer,
                resource: seen.param("resource").to_owned(),
                client_id: seen.param("client_id").to_owned(),
                scopes,
                acr: seen.param("acr_values").to_owned(),
                signed_in_at: self.runtime.server_seconds(),
                alive: true,
            },
        );
        let code = format!("{CANARY}-code-{family}");
        self.codes.insert(
            code.clone(),
            Code {
                family,
                jkt: seen.param("dpop_jkt").to_owned(),
                challenge: seen.param("code_challenge").to_owned(),
                redirect_uri: seen.param("redirect_uri").to_owned(),
                client_id: seen.param("client_id").to_owned(),
            },
        );
        back.query_pairs_mut().append_pair("code", &code);
        back.into()
    }

    pub(super) fn token(&mut self, seen: &Seen) -> (u16, Value) {
        let issuer = issuer(&seen.url);
        let Some(client_id) = self.authenticated(seen, &issuer) else {
            return refused(401, "invalid_client");
        };
        if ![SERVER, SECOND].contains(&seen.param("resource")) {
            return refused(400, "invalid_target");
        }
        let now = self.runtime.server_seconds();
        let jkt = match self.proofs.check(seen, None, now) {
            Ok(jkt) => jkt,
            Err(Refused::Nonce) => return refused(400, "use_dpop_nonce"),
            Err(Refused::Proof) => return refused(400, "invalid_dpop_proof"),
        };
        match seen.param("grant_type") {
            "authorization_code" => self.redeem(seen, &client_id, jkt),
            "refresh_token" => self.renew(seen, &client_id, jkt),
            "client_credentials" => self.machine(seen, &client_id, issuer, jkt),
            JWT_BEARER => self.asserted(seen, &client_id, issuer, jkt),
            _ => refused(400, "unsupported_grant_type"),
        }
    }

    fn redeem(&mut self, seen: &Seen, client_id: &str, jkt: Option<String>) -> (u16, Value) {
        let Some(code) = self.codes.remove(seen.param("code")) else {
            return refused(400, "invalid_grant");
        };
        let verifier = PkceCodeVerifier::new(seen.param("code_verifier").to_owned());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let right = challenge.as_str() == code.challenge
            && seen.param("redirect_uri") == code.redirect_uri
            && client_id == code.client_id
            && code.jkt == jkt.clone().unwrap_or_default();
        if !right {
            return refused(400, "invalid_grant");
        }
        let refreshable = self.refresh_tokens;
        (200, self.give(code.family, refreshable, jkt))
    }

    fn renew(&mut self, seen: &Seen, client_id: &str, jkt: Option<String>) -> (u16, Value) {
        let rotates = self.rotates;
        let Some(refresh) = self.refresh.get_mut(seen.param("refresh_token")) else {
            return refused(400, "invalid_grant");
        };
        let number = refresh.family;
        let family = self.families.get_mut(&number).expect("every token has one");
        if refresh.used {
            self.reused += 1;
            family.alive = false;
        }
        let bound_elsewhere = refresh.jkt.is_some() && refresh.jkt != jkt;
        if !family.alive || family.client_id != client_id || bound_elsewhere {
            return refused(400, "invalid_grant");
        }
        refresh.used = rotates;
        let mut given = self.give(number, rotates, jkt);
        if self.refresh_needs_scope && seen.param("scope").is_empty() {
            let token = given["access_token"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            self.access.remove(&token);
            given["scope"] = "profile".into();
        }
        (200, given)
    }

    fn machine(
        &mut self,
        seen: &Seen,
        client_id: &str,
        issuer: String,
        jkt: Option<String>,
    ) -> (u16, Value) {
        let scopes = words(seen.param("scope"));
        if scopes
            .iter()
            .any(|scope| self.never_granted.contains(scope))
        {
            return refused(400, "invalid_scope");
        }
        let family = Family {
            issuer,
            resource: seen.param("resource").to_owned(),
            client_id: client_id.to_owned(),
            scopes,
            acr: String::new(),
            signed_in_at: 0,
            alive: true,
        };
        (200, self.begin(family, jkt))
    }

    /// RFC 7523 section 2.1: accepts an identity assertion of the identity provider, or a workload's.
    fn asserted(
        &mut self,
        seen: &Seen,
        client_id: &str,
        issuer: String,
        jkt: Option<String>,
    ) -> (u16, Value) {
        let now = self.runtime.server_seconds();
        let assertion = seen.param("assertion");
        let asked = words(seen.param("scope"));
        let family = Family {
            resource: seen.param("resource").to_owned(),
            client_id: client_id.to_owned(),
            scopes: asked.clone(),
            acr: String::new(),
            signed_in_at: 0,
            alive: true,
            issuer,
        };
        let family = match self.idp.vouched(assertion, &family.issuer, now) {
            // Nothing is granted for another resource than the assertion's.
            Some(vouched) if vouched.resource == family.resource => Family {
                scopes: asked
                    .into_iter()
                    .filter(|s| vouched.scopes.contains(s))
                    .collect(),
                acr: vouched.acr,
                signed_in_at: vouched.signed_in_at,
                ..family
            },
            Some(_) => return refused(400, "invalid_grant"),
            None if self.assertions.workload(assertion, &family.issuer, now) => family,
            None => return refused(400, "invalid_grant"),
        };
        if family.scopes.iter().any(|s| self.never_granted.contains(s)) {
            return refused(400, "invalid_scope");
        }
        (200, self.begin(family, jkt))
    }

    fn begin(&mut self, family: Family, jkt: Option<String>) -> Value {
        let number = self.number();
        self.families.insert(number, family);
        self.give(number, false, jkt)
    }

    fn give(&mut self, number: u64, refreshable: bool, jkt: Option<String>) -> Value {
        let (access, refresh) = (self.number(), self.number());
        let access = match self.one_token {
            true => format!("{CANARY}-access"),
            false => format!("{CANARY}-access-{access}"),
        };
        let refresh = refreshable.then(|| format!("{CANARY}-refresh-{refresh}"));
        let now = self.runtime.server_seconds();
        self.access.insert(
            access.clone(),
            Access {
                family: number,
                jkt: jkt.clone(),
                expires_at: self.lifetime.map(|life| now.saturating_add(life)),
            },
        );
        if let Some(refresh) = &refresh {
            let token = Refresh {
                family: number,
                jkt: jkt.clone(),
                used: false,
            };
            self.refresh.insert(refresh.clone(), token);
        }
        let mut body = json!({
            "access_token": access,
            "token_type": if jkt.is_some() { "DPoP" } else { "bearer" },
            "scope": self.families[&number].scopes.join(self.scope_separator),
        });
        if let Some(life) = self.lifetime {
            body["expires_in"] = life.into();
        }
        if let Some(refresh) = refresh {
            body["refresh_token"] = refresh.into();
        }
        body
    }
}
