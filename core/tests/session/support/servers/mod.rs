//! What the servers know and answer. Refresh tokens rotate, and one that is used twice ends its family.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mcp_reauth::http::Response;
use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::log::{Kind, Seen};
use super::runtime::TestRuntime;
use super::world::{ISSUER, SERVER, response};

/// In every secret that the servers make, so that it is found wherever it gets to.
pub(crate) const CANARY: &str = "canary";

/// The servers: what a test may set, and what they keep.
pub(crate) struct Servers {
    /// What access tokens live for; `None`: longer than a test, and unsaid.
    pub(crate) lifetime: Option<u64>,
    /// Whether authorizations come with a refresh token.
    pub(crate) refresh_tokens: bool,
    /// Whether a refresh replaces the refresh token.
    pub(crate) rotates: bool,
    /// Whether every access token is the same text, whatever it stands for at the time.
    pub(crate) one_token: bool,
    /// What the resource names.
    pub(crate) authorization_servers: Vec<String>,
    /// The scope of a 401.
    pub(crate) base_scope: String,
    /// What is never granted, whoever asks.
    pub(crate) never_granted: HashSet<String>,
    /// Whether metadata promises `iss`, and answers carry it.
    pub(crate) sends_iss: bool,
    pub(crate) auth_methods: Vec<&'static str>,
    pub(crate) offers_offline_access: bool,
    /// The authentication every request needs: context class and age.
    pub(crate) authentication: Option<(String, u64)>,
    /// The error the authorization endpoint answers with.
    pub(crate) denies: Option<&'static str>,
    /// How often a refresh token was used twice.
    pub(crate) reused: usize,
    runtime: TestRuntime,
    /// By issuer and client id.
    clients: HashMap<(String, String), Client>,
    codes: HashMap<String, Code>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    families: HashMap<u64, Family>,
    next: u64,
}

struct Client {
    secret: Option<String>,
    method: String,
}

struct Code {
    family: u64,
    challenge: String,
    redirect_uri: String,
    client_id: String,
}

struct Access {
    family: u64,
    expires_at: Option<u64>,
}

struct Refresh {
    family: u64,
    used: bool,
}

#[derive(Clone)]
struct Family {
    issuer: String,
    client_id: String,
    scopes: Vec<String>,
    acr: String,
    signed_in_at: u64,
    alive: bool,
}

impl Servers {
    pub(crate) fn new(runtime: TestRuntime) -> Self {
        Self {
            lifetime: Some(3600),
            refresh_tokens: true,
            rotates: true,
            one_token: false,
            authorization_servers: vec![ISSUER.to_owned()],
            base_scope: "base".to_owned(),
            never_granted: HashSet::new(),
            sends_iss: true,
            auth_methods: vec!["none", "client_secret_basic", "client_secret_post"],
            offers_offline_access: false,
            authentication: None,
            denies: None,
            reused: 0,
            runtime,
            clients: HashMap::new(),
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            families: HashMap::new(),
            next: 0,
        }
    }

    /// Registers a client out of band.
    pub(crate) fn add_client(&mut self, issuer: &str, id: &str, secret: &str, method: &str) {
        let client = Client {
            secret: Some(secret.to_owned()),
            method: method.to_owned(),
        };
        self.clients
            .insert((issuer.to_owned(), id.to_owned()), client);
    }

    /// Forgets every client.
    pub(crate) fn forget_clients(&mut self) {
        self.clients.clear();
    }

    /// The access tokens given so far are no longer good; refresh tokens are.
    pub(crate) fn revoke_access(&mut self) {
        self.access.clear();
    }

    /// Nothing given so far is any good.
    pub(crate) fn revoke_all(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }

    /// How many access tokens would still be accepted.
    pub(crate) fn live_tokens(&self) -> usize {
        let live = |access: &&Access| self.families[&access.family].alive;
        self.access.values().filter(live).count()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn call(&self, scope: &str, authorization: Option<&str>) -> (u16, Vec<String>) {
        let metadata = format!(
            r#"resource_metadata="{}/.well-known/oauth-protected-resource/mcp""#,
            &SERVER[..SERVER.len() - 4]
        );
        let base = &self.base_scope;
        let refuse = |status, more: &str| (status, vec![format!("Bearer {metadata}{more}")]);
        let named = if base.is_empty() {
            String::new()
        } else {
            format!(r#", scope="{base}""#)
        };
        let Some(authorization) = authorization else {
            return refuse(401, &named);
        };
        let now = self.runtime.server_seconds();
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        let family = self.access.get(token).and_then(|access| {
            let family = &self.families[&access.family];
            let good = family.alive
                && access.expires_at.is_none_or(|at| now < at)
                && self.authorization_servers.contains(&family.issuer);
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
        let holds = |scope: &str| family.scopes.iter().any(|own| own == scope);
        if scope.split(' ').filter(|s| !s.is_empty()).all(holds) {
            return (200, Vec::new());
        }
        let more = format!(r#", error="insufficient_scope", scope="{scope}""#);
        refuse(403, &more)
    }

    /// 429 that tells by a date when to come back.
    pub(crate) fn come_back_in(&self, seconds: u64) -> Response {
        let now = UNIX_EPOCH + Duration::from_secs(self.runtime.server_seconds());
        let date = |time| httpdate::fmt_http_date(time).parse().expect("a value");
        let mut response = response(429, "");
        let headers = response.headers_mut();
        headers.insert(http::header::DATE, date(now));
        headers.insert(
            http::header::RETRY_AFTER,
            date(now + Duration::from_secs(seconds)),
        );
        response
    }

    pub(crate) fn answer(&mut self, seen: &Seen) -> Response {
        let (status, body) = match seen.kind {
            Kind::Prm => self.resource_metadata(),
            Kind::Meta => self.metadata(seen),
            Kind::Register => self.register(seen),
            Kind::Token => self.token(seen),
            Kind::Revoke => self.revoke(seen),
            Kind::Mcp | Kind::Visit => unreachable!("not asked by the client's own HTTP"),
        };
        response(status, &body.to_string())
    }

    fn resource_metadata(&self) -> (u16, Value) {
        let body = json!({
            "resource": SERVER,
            "authorization_servers": self.authorization_servers,
        });
        (200, body)
    }

    fn metadata(&self, seen: &Seen) -> (u16, Value) {
        if !seen
            .url
            .ends_with("/.well-known/oauth-authorization-server")
        {
            return (404, json!({}));
        }
        let issuer = issuer(&seen.url);
        let mut scopes = vec!["base", "a", "b", "c"];
        if self.offers_offline_access {
            scopes.push("offline_access");
        }
        let body = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "registration_endpoint": format!("{issuer}/register"),
            "revocation_endpoint": format!("{issuer}/revoke"),
            "scopes_supported": scopes,
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": self.auth_methods,
            "authorization_response_iss_parameter_supported": self.sends_iss,
        });
        (200, body)
    }

    fn register(&mut self, seen: &Seen) -> (u16, Value) {
        let number = self.number();
        let id = format!("client-{number}");
        let method = seen.param("token_endpoint_auth_method").to_owned();
        let secret = (method != "none").then(|| format!("{CANARY}-secret-{number}"));
        let client = Client {
            secret: secret.clone(),
            method: method.clone(),
        };
        self.clients.insert((issuer(&seen.url), id.clone()), client);
        let body = json!({
            "client_id": id,
            "client_secret": secret,
            "token_endpoint_auth_method": method,
        });
        (201, body)
    }

    /// The person says yes to everything, unless the server was told to deny.
    pub(crate) fn authorize(&mut self, seen: &Seen) -> String {
        let issuer = issuer(&seen.url);
        let client = (issuer.clone(), seen.param("client_id").to_owned());
        assert!(self.clients.contains_key(&client), "unknown: {client:?}");
        assert_eq!(seen.param("response_type"), "code");
        assert_eq!(seen.param("code_challenge_method"), "S256");
        assert_eq!(seen.param("resource"), SERVER);
        assert!(seen.param("state").len() >= 32);
        let mut back = Url::parse(seen.param("redirect_uri")).expect("a redirect URI");
        back.query_pairs_mut()
            .append_pair("state", seen.param("state"));
        if self.sends_iss {
            back.query_pairs_mut().append_pair("iss", &issuer);
        }
        if let Some(error) = self.denies {
            back.query_pairs_mut()
                .append_pair("error", error)
                .append_pair("error_description", "The person said no");
            return back.into();
        }
        let asked = seen.param("scope").split(' ').filter(|s| !s.is_empty());
        let scopes = asked
            .filter(|scope| !self.never_granted.contains(*scope))
            .map(str::to_owned)
            .collect();
        let family = self.number();
        self.families.insert(
            family,
            Family {
                issuer,
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
                challenge: seen.param("code_challenge").to_owned(),
                redirect_uri: seen.param("redirect_uri").to_owned(),
                client_id: seen.param("client_id").to_owned(),
            },
        );
        back.query_pairs_mut().append_pair("code", &code);
        back.into()
    }

    fn token(&mut self, seen: &Seen) -> (u16, Value) {
        let issuer = issuer(&seen.url);
        let Some(client_id) = self.authenticated(seen, &issuer) else {
            return refused(401, "invalid_client");
        };
        if seen.param("resource") != SERVER {
            return refused(400, "invalid_target");
        }
        match seen.param("grant_type") {
            "authorization_code" => self.redeem(seen, &client_id),
            "refresh_token" => self.renew(seen, &client_id),
            "client_credentials" => self.machine(seen, &client_id, issuer),
            _ => refused(400, "unsupported_grant_type"),
        }
    }

    fn redeem(&mut self, seen: &Seen, client_id: &str) -> (u16, Value) {
        let Some(code) = self.codes.remove(seen.param("code")) else {
            return refused(400, "invalid_grant");
        };
        let verifier = PkceCodeVerifier::new(seen.param("code_verifier").to_owned());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let right = challenge.as_str() == code.challenge
            && seen.param("redirect_uri") == code.redirect_uri
            && client_id == code.client_id;
        if !right {
            return refused(400, "invalid_grant");
        }
        let refreshable = self.refresh_tokens;
        (200, self.give(code.family, refreshable))
    }

    fn renew(&mut self, seen: &Seen, client_id: &str) -> (u16, Value) {
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
        if !family.alive || family.client_id != client_id {
            return refused(400, "invalid_grant");
        }
        refresh.used = rotates;
        (200, self.give(number, rotates))
    }

    fn machine(&mut self, seen: &Seen, client_id: &str, issuer: String) -> (u16, Value) {
        let asked = seen.param("scope").split(' ').filter(|s| !s.is_empty());
        let scopes: Vec<String> = asked.map(str::to_owned).collect();
        if scopes
            .iter()
            .any(|scope| self.never_granted.contains(scope))
        {
            return refused(400, "invalid_scope");
        }
        let family = self.number();
        self.families.insert(
            family,
            Family {
                issuer,
                client_id: client_id.to_owned(),
                scopes,
                acr: String::new(),
                signed_in_at: 0,
                alive: true,
            },
        );
        (200, self.give(family, false))
    }

    fn give(&mut self, number: u64, refreshable: bool) -> Value {
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
                expires_at: self.lifetime.map(|life| now.saturating_add(life)),
            },
        );
        if let Some(refresh) = &refresh {
            let token = Refresh {
                family: number,
                used: false,
            };
            self.refresh.insert(refresh.clone(), token);
        }
        let mut body = json!({
            "access_token": access,
            "token_type": "bearer",
            "scope": self.families[&number].scopes.join(" "),
        });
        if let Some(life) = self.lifetime {
            body["expires_in"] = life.into();
        }
        if let Some(refresh) = refresh {
            body["refresh_token"] = refresh.into();
        }
        body
    }

    fn revoke(&mut self, seen: &Seen) -> (u16, Value) {
        if self.authenticated(seen, &issuer(&seen.url)).is_none() {
            return refused(401, "invalid_client");
        }
        let token = seen.param("token");
        if let Some(refresh) = self.refresh.remove(token) {
            let family = self.families.get_mut(&refresh.family);
            family.expect("every token has one").alive = false;
        }
        self.access.remove(token);
        (200, json!({}))
    }

    /// The client that made a request, if it proved to be it the way it is registered.
    fn authenticated(&self, seen: &Seen, issuer: &str) -> Option<String> {
        let basic = seen.authorization.as_deref().map(|value| {
            let encoded = value.strip_prefix("Basic ").expect("HTTP Basic");
            let decoded = BASE64_STANDARD.decode(encoded).expect("base64");
            let decoded = String::from_utf8(decoded).expect("text");
            let (id, secret) = decoded.split_once(':').expect("a pair");
            let plain = |part: &str| {
                let pairs: BTreeMap<String, String> =
                    form_urlencoded::parse(format!("x={part}").as_bytes())
                        .into_owned()
                        .collect();
                pairs["x"].clone()
            };
            (plain(id), plain(secret))
        });
        let (id, secret, method) = match basic {
            Some((id, secret)) => (id, Some(secret), "client_secret_basic"),
            None => {
                let secret = seen.params.get("client_secret").cloned();
                let method = if secret.is_some() {
                    "client_secret_post"
                } else {
                    "none"
                };
                (seen.param("client_id").to_owned(), secret, method)
            }
        };
        let client = self.clients.get(&(issuer.to_owned(), id.clone()))?;
        let right = client.secret == secret && client.method == method;
        right.then_some(id)
    }
}

fn refused(status: u16, error: &str) -> (u16, Value) {
    (status, json!({ "error": error }))
}

/// The issuer that an address belongs to: its origin.
fn issuer(url: &str) -> String {
    let url = Url::parse(url).expect("an address");
    url.origin().ascii_serialization()
}
