//! An organization's identity provider: OpenID Connect sign-ins, and identity assertions for them.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use serde_json::{Value, json};
use url::Url;

use super::key::{Key, verified};
use crate::support::log::{Kind, Seen};
use crate::support::runtime::TestRuntime;
use crate::support::servers::CANARY;
use crate::support::world::IDP;

const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// What can be wrong with an ID token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untrue {
    Issuer,
    Audience,
    Nonce,
    Expired,
    /// `alg` is `none`.
    Unsigned,
    UnknownKey,
    /// It is about another user.
    Subject,
    /// There is none.
    Missing,
}

/// The settings of the identity provider, and its state.
pub(crate) struct IdentityProvider {
    pub(crate) id_token_lifetime: u64,
    /// Whether sign-ins yield a refresh token.
    pub(crate) refresh_tokens: bool,
    /// Whether a refresh replaces the refresh token.
    pub(crate) rotates: bool,
    /// What is wrong with its ID tokens.
    pub(crate) untrue: Option<Untrue>,
    /// The error with which the exchange for a scope is rejected.
    pub(crate) forbids: HashMap<&'static str, &'static str>,
    /// The scopes in an assertion, if not all that were requested.
    pub(crate) allows: Option<&'static str>,
    /// Whether tokens can be revoked.
    pub(crate) revokes: bool,
    pub(crate) token_path: &'static str,
    pub(crate) only_pushed: bool,
    /// How often a refresh token or an identity assertion was used twice.
    pub(crate) reused: usize,
    runtime: TestRuntime,
    keys: Vec<Key>,
    codes: HashMap<String, Code>,
    /// The sign-in, and whether it was used, by refresh token.
    refresh: HashMap<String, (u64, bool)>,
    sign_ins: HashMap<u64, SignIn>,
    /// ID tokens up to this `jti` are no longer accepted.
    stale: u64,
    used: HashSet<String>,
    next: u64,
}

struct Code {
    sign_in: u64,
    challenge: String,
    redirect_uri: String,
    nonce: String,
}

#[derive(Clone)]
struct SignIn {
    client_id: String,
    acr: String,
    at: u64,
}

/// What an identity assertion contains.
pub(crate) struct Vouched {
    pub(crate) resource: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) acr: String,
    pub(crate) signed_in_at: u64,
}

impl IdentityProvider {
    pub(crate) fn new(runtime: TestRuntime) -> Self {
        Self {
            id_token_lifetime: 3600,
            refresh_tokens: true,
            rotates: true,
            untrue: None,
            forbids: HashMap::new(),
            allows: None,
            revokes: true,
            only_pushed: false,
            token_path: "/token",
            reused: 0,
            runtime,
            keys: vec![Key::generate()],
            codes: HashMap::new(),
            refresh: HashMap::new(),
            sign_ins: HashMap::new(),
            stale: 0,
            used: HashSet::new(),
            next: 0,
        }
    }

    /// Signs with another key from now on, and publishes only that.
    pub(crate) fn change_key(&mut self) {
        self.keys.push(Key::generate());
    }

    /// Refuses all ID tokens issued so far.
    pub(crate) fn refuse_id_tokens(&mut self) {
        self.stale = self.next;
    }

    /// Ends all sign-ins; their ID tokens stay valid until they expire.
    pub(crate) fn end_sign_ins(&mut self) {
        self.refresh.clear();
    }

    /// Returns how many refresh tokens would still be accepted.
    pub(crate) fn live(&self) -> usize {
        self.refresh.values().filter(|(_, used)| !used).count()
    }

    pub(crate) fn metadata(&self) -> (u16, Value) {
        let mut body = json!({
            "issuer": IDP,
            "authorization_endpoint": format!("{IDP}/authorize"),
            "token_endpoint": format!("{IDP}{}", self.token_path),
            "jwks_uri": format!("{IDP}/keys"),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
            "authorization_response_iss_parameter_supported": true,
            "require_pushed_authorization_requests": self.only_pushed,
        });
        if self.revokes {
            body["revocation_endpoint"] = format!("{IDP}/revoke").into();
        }
        if self.only_pushed {
            body["pushed_authorization_request_endpoint"] = format!("{IDP}/par").into();
        }
        (200, body)
    }

    pub(crate) fn keys(&self) -> (u16, Value) {
        (200, json!({ "keys": [self.key().public()] }))
    }

    /// Signs a user in.
    pub(crate) fn authorize(&mut self, seen: &Seen) -> String {
        assert_eq!(seen.param("response_type"), "code");
        assert_eq!(seen.param("code_challenge_method"), "S256");
        assert_eq!(seen.param("scope"), "openid offline_access");
        assert_eq!(seen.param("resource"), "");
        assert!(seen.param("nonce").len() >= 20);
        let number = self.number();
        self.sign_ins.insert(
            number,
            SignIn {
                client_id: seen.param("client_id").to_owned(),
                acr: seen.param("acr_values").to_owned(),
                at: self.runtime.server_seconds(),
            },
        );
        let code = format!("{CANARY}-idp-code-{number}");
        self.codes.insert(
            code.clone(),
            Code {
                sign_in: number,
                challenge: seen.param("code_challenge").to_owned(),
                redirect_uri: seen.param("redirect_uri").to_owned(),
                nonce: seen.param("nonce").to_owned(),
            },
        );
        let mut back = Url::parse(seen.param("redirect_uri")).expect("a redirect URI");
        back.query_pairs_mut()
            .append_pair("state", seen.param("state"))
            .append_pair("iss", IDP)
            .append_pair("code", &code);
        back.into()
    }

    /// Handles a request by an authenticated client.
    pub(crate) fn answer(&mut self, seen: &Seen, client_id: &str) -> (u16, Value) {
        match (seen.kind, seen.param("grant_type")) {
            (Kind::Exchange, _) => self.exchange(seen, client_id),
            (Kind::IdpRevoke, _) => {
                self.refresh.remove(seen.param("token"));
                (200, json!({}))
            }
            (_, "authorization_code") => self.redeem(seen, client_id),
            (_, "refresh_token") => self.renew(seen),
            _ => refused("unsupported_grant_type"),
        }
    }

    /// Returns what an identity assertion for `issuer` contains, if it is valid. It can be used once.
    pub(crate) fn vouched(&mut self, assertion: &str, issuer: &str, now: u64) -> Option<Vouched> {
        let claims = verified(assertion, "oauth-id-jag+jwt", self.key().public())?;
        let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
        if !self.used.insert(text("jti")) {
            self.reused += 1;
            return None;
        }
        let good = claims["aud"] == *issuer && claims["exp"].as_u64()? > now;
        good.then(|| Vouched {
            resource: text("resource"),
            scopes: text("scope").split(' ').map(str::to_owned).collect(),
            acr: text("acr"),
            signed_in_at: claims["auth_time"].as_u64().unwrap_or_default(),
        })
    }

    fn redeem(&mut self, seen: &Seen, client_id: &str) -> (u16, Value) {
        let Some(code) = self.codes.remove(seen.param("code")) else {
            return refused("invalid_grant");
        };
        let verifier = PkceCodeVerifier::new(seen.param("code_verifier").to_owned());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let right = challenge.as_str() == code.challenge
            && seen.param("redirect_uri") == code.redirect_uri
            && client_id == self.sign_ins[&code.sign_in].client_id;
        match right {
            true => (200, self.give(code.sign_in, Some(&code.nonce))),
            false => refused("invalid_grant"),
        }
    }

    fn renew(&mut self, seen: &Seen) -> (u16, Value) {
        let rotates = self.rotates;
        let Some((sign_in, used)) = self.refresh.get_mut(seen.param("refresh_token")) else {
            return refused("invalid_grant");
        };
        let sign_in = *sign_in;
        if std::mem::replace(used, rotates) {
            self.reused += 1;
            self.refresh.retain(|_, (of, _)| *of != sign_in);
            return refused("invalid_grant");
        }
        (200, self.give(sign_in, None))
    }

    fn give(&mut self, number: u64, nonce: Option<&str>) -> Value {
        let mut body = json!({ "access_token": format!("{CANARY}-idp"), "token_type": "Bearer" });
        if self.untrue != Some(Untrue::Missing) {
            body["id_token"] = self.id_token(number, nonce).into();
        }
        if self.refresh_tokens && (nonce.is_some() || self.rotates) {
            let token = format!("{CANARY}-idp-refresh-{}", self.number());
            self.refresh.insert(token.clone(), (number, false));
            body["refresh_token"] = token.into();
        }
        body
    }

    fn id_token(&mut self, number: u64, nonce: Option<&str>) -> String {
        let now = self.runtime.server_seconds();
        let sign_in = self.sign_ins[&number].clone();
        let mut claims = json!({
            "iss": IDP, "sub": "anna", "aud": sign_in.client_id, "jti": self.number(),
            "iat": now, "exp": now + self.id_token_lifetime,
            "auth_time": sign_in.at, "acr": sign_in.acr,
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        match self.untrue {
            Some(Untrue::Issuer) => claims["iss"] = "https://evil.example".into(),
            Some(Untrue::Audience) => claims["aud"] = "somebody-else".into(),
            Some(Untrue::Nonce) => claims["nonce"] = "another".into(),
            Some(Untrue::Expired) => claims["exp"] = (now - 61).into(),
            Some(Untrue::Subject) => claims["sub"] = "ben".into(),
            Some(Untrue::UnknownKey) => return Key::generate().sign("JWT", &claims),
            Some(Untrue::Unsigned) => {
                let part = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
                return format!("{}.{}.", part(json!({ "alg": "none" })), part(claims));
            }
            Some(Untrue::Missing) | None => {}
        }
        self.key().sign("JWT", &claims)
    }

    /// RFC 8693, for an identity assertion.
    fn exchange(&mut self, seen: &Seen, client_id: &str) -> (u16, Value) {
        let asked = seen.param("requested_token_type") == ID_JAG
            && seen.param("subject_token_type") == ID_TOKEN
            && !seen.param("audience").is_empty();
        if !asked {
            return refused("invalid_request");
        }
        let token = seen.param("subject_token");
        let mut keys = self.keys.iter();
        let claims = keys.find_map(|key| verified(token, "JWT", key.public()));
        let now = self.runtime.server_seconds();
        let claims = claims.filter(|claims| {
            let alive = claims["exp"].as_u64().is_some_and(|at| at > now);
            let fresh = claims["jti"].as_u64().is_some_and(|id| id > self.stale);
            alive && fresh && claims["aud"] == *client_id
        });
        let Some(claims) = claims else {
            return refused("invalid_grant");
        };
        let scope = seen.param("scope");
        let forbidden = scope.split(' ').find_map(|scope| self.forbids.get(scope));
        if let Some(error) = forbidden {
            return refused(error);
        }
        let scope = self.allows.unwrap_or(scope).to_owned();
        let number = self.number();
        let assertion = self.key().sign(
            "oauth-id-jag+jwt",
            &json!({
                "iss": IDP, "sub": claims["sub"], "aud": seen.param("audience"),
                "resource": seen.param("resource"), "scope": scope, "jti": format!("jag-{number}"),
                "iat": now, "exp": now + 300,
                "auth_time": claims["auth_time"], "acr": claims["acr"],
            }),
        );
        let body = json!({
            "issued_token_type": ID_JAG,
            "access_token": assertion,
            "token_type": "N_A",
            "expires_in": 300,
            "scope": scope,
        });
        (200, body)
    }

    fn key(&self) -> &Key {
        self.keys.last().expect("at least one")
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

fn refused(error: &str) -> (u16, Value) {
    (400, json!({ "error": error }))
}
