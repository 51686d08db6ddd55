//! What the servers know and how they respond. Refresh tokens rotate, and one that is used twice ends its family.

mod grants;
mod resource;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mcp_reauth::http::Response;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::log::{Kind, Seen};
use super::runtime::TestRuntime;
use super::signed::{Assertions, IdentityProvider, Proofs, Refused};
use super::world::{ISSUER, OTHER, SECOND, response};

/// Part of every secret that the servers issue, so that a test finds it wherever it appears.
pub(crate) const CANARY: &str = "canary";

/// The servers: their settings and their state.
pub(crate) struct Servers {
    /// The lifetime of access tokens; `None`: longer than a test, and without `expires_in`.
    pub(crate) lifetime: Option<u64>,
    /// Whether authorizations yield a refresh token.
    pub(crate) refresh_tokens: bool,
    /// Whether a refresh that names no scopes returns a token without scopes.
    pub(crate) refresh_needs_scope: bool,
    /// Whether a refresh replaces the refresh token.
    pub(crate) rotates: bool,
    /// Whether responses have a `Date`.
    pub(crate) dates: bool,
    /// Whether every access token is the same text, whatever it stands for at the time.
    pub(crate) one_token: bool,
    /// The authorization servers that the resource names. The second resource always names `OTHER`.
    pub(crate) authorization_servers: Vec<String>,
    /// The `Cache-Control` of the resource's metadata (RFC 9111).
    pub(crate) cache_control: Option<&'static str>,
    /// The scopes that the resource's metadata lists.
    pub(crate) scopes_supported: Option<Vec<&'static str>>,
    /// The scopes that the authorization servers' metadata lists.
    pub(crate) lists: Vec<&'static str>,
    /// The scope of a 401.
    pub(crate) base_scope: String,
    /// The scopes that are never granted.
    pub(crate) never_granted: HashSet<String>,
    /// How the authorization servers write their own issuers, in metadata and in responses.
    pub(crate) spells: fn(&str) -> String,
    /// Whether metadata promises `iss`, and responses contain it.
    pub(crate) sends_iss: bool,
    pub(crate) auth_methods: Vec<&'static str>,
    /// Whether the client's id has to be in the form, whatever its method.
    pub(crate) wants_id_in_form: bool,
    /// Whether the response to a registration names the method.
    pub(crate) names_method: bool,
    /// Whether clients are granted only the scopes they were registered with.
    pub(crate) keeps_to_registered_scopes: bool,
    /// Whether the response to a registration names the scopes.
    pub(crate) names_scopes: bool,
    /// The separator of the scopes in a response.
    pub(crate) scope_separator: &'static str,
    /// The path of the token endpoint in the metadata.
    pub(crate) token_path: &'static str,
    /// The scopes that a registration gets; `None`: all that it requests.
    pub(crate) registers_scopes: Option<Vec<&'static str>>,
    /// The scopes that exist, for a server that rejects a registration with any other.
    pub(crate) known_scopes: Option<Vec<&'static str>>,
    pub(crate) offers_offline_access: bool,
    /// The authentication that every request needs: context class and age.
    pub(crate) authentication: Option<(String, u64)>,
    /// The error with which the authorization endpoint responds.
    pub(crate) denies: Option<&'static str>,
    /// Whether there is an endpoint for pushed authorization requests.
    pub(crate) takes_pushed: bool,
    /// Whether other authorization requests are rejected.
    pub(crate) only_pushed: bool,
    /// Whether tokens can be revoked.
    pub(crate) revokes: bool,
    /// How often a refresh token was used twice.
    pub(crate) reused: usize,
    pub(crate) idp: IdentityProvider,
    pub(crate) proofs: Proofs,
    /// The assertions of clients and workloads.
    pub(crate) assertions: Assertions,
    runtime: TestRuntime,
    /// By issuer and client id.
    clients: HashMap<(String, String), Client>,
    codes: HashMap<String, Code>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    families: HashMap<u64, Family>,
    /// Authorization requests, by their `request_uri`.
    pushed: HashMap<String, BTreeMap<String, String>>,
    next: u64,
}

struct Client {
    secret: Option<String>,
    method: String,
    /// `None`: any.
    scopes: Option<Vec<String>>,
}

struct Code {
    family: u64,
    /// The key it is bound to.
    jkt: String,
    challenge: String,
    redirect_uri: String,
    client_id: String,
}

struct Access {
    family: u64,
    /// The key it is bound to.
    jkt: Option<String>,
    expires_at: Option<u64>,
}

struct Refresh {
    family: u64,
    /// The key it is bound to.
    jkt: Option<String>,
    used: bool,
}

#[derive(Clone)]
struct Family {
    issuer: String,
    /// The MCP server.
    resource: String,
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
            refresh_needs_scope: false,
            rotates: true,
            dates: false,
            one_token: false,
            authorization_servers: vec![ISSUER.to_owned()],
            cache_control: None,
            scopes_supported: None,
            lists: vec!["base"],
            base_scope: "base".to_owned(),
            never_granted: HashSet::new(),
            spells: str::to_owned,
            sends_iss: true,
            auth_methods: vec!["none", "client_secret_basic", "client_secret_post"],
            wants_id_in_form: false,
            names_method: true,
            keeps_to_registered_scopes: false,
            names_scopes: false,
            scope_separator: " ",
            token_path: "/token",
            registers_scopes: None,
            known_scopes: None,
            offers_offline_access: false,
            authentication: None,
            denies: None,
            takes_pushed: false,
            only_pushed: false,
            revokes: true,
            reused: 0,
            idp: IdentityProvider::new(runtime.clone()),
            proofs: Proofs::default(),
            assertions: Default::default(),
            runtime,
            clients: HashMap::new(),
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            families: HashMap::new(),
            pushed: HashMap::new(),
            next: 0,
        }
    }

    /// Registers a client out of band.
    pub(crate) fn add_client(&mut self, issuer: &str, id: &str, secret: &str, method: &str) {
        let client = Client {
            secret: Some(secret.to_owned()),
            method: method.to_owned(),
            scopes: None,
        };
        self.clients
            .insert((issuer.to_owned(), id.to_owned()), client);
    }

    /// Registers a client without a secret out of band.
    pub(crate) fn add_public_client(&mut self, issuer: &str, id: &str) {
        let client = Client {
            secret: None,
            method: "none".to_owned(),
            scopes: None,
        };
        self.clients
            .insert((issuer.to_owned(), id.to_owned()), client);
    }

    /// Forgets every client.
    pub(crate) fn forget_clients(&mut self) {
        self.clients.clear();
    }

    /// Invalidates all access tokens issued so far; refresh tokens stay valid.
    pub(crate) fn revoke_access(&mut self) {
        self.access.clear();
    }

    /// Invalidates all tokens issued so far.
    pub(crate) fn revoke_all(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }

    /// Removes this scope from all grants made so far, without notice.
    pub(crate) fn withdraw(&mut self, scope: &str) {
        for family in self.families.values_mut() {
            family.scopes.retain(|own| own != scope);
        }
    }

    /// Returns how many access tokens would still be accepted.
    pub(crate) fn live_tokens(&self) -> usize {
        let live = |access: &&Access| self.families[&access.family].alive;
        self.access.values().filter(live).count()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Returns the `Date` of a response, if it has one.
    pub(crate) fn date(&self) -> Option<String> {
        let now = UNIX_EPOCH + Duration::from_secs(self.runtime.server_seconds());
        self.dates.then(|| httpdate::fmt_http_date(now))
    }

    /// Returns a 429 whose `Retry-After` is a date.
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
            Kind::Prm => self.resource_metadata(seen),
            Kind::Meta => self.metadata(seen),
            Kind::Register => self.register(seen),
            Kind::Token => self.token(seen),
            Kind::Revoke => self.revoke(seen),
            Kind::Push => self.push(seen),
            Kind::IdpMeta => self.idp.metadata(),
            Kind::IdpKeys => self.idp.keys(),
            Kind::IdpToken | Kind::Exchange | Kind::IdpRevoke => self.identity_provider(seen),
            Kind::Mcp | Kind::Visit | Kind::IdpVisit => {
                unreachable!("not asked by the client's own HTTP")
            }
        };
        let mut response = response(status, &body.to_string());
        if let (Kind::Prm, Some(said)) = (seen.kind, self.cache_control) {
            let said = http::HeaderValue::from_static(said);
            let headers = response.headers_mut();
            headers.insert(http::header::CACHE_CONTROL, said);
        }
        if let Some(nonce) = self.proofs.nonce(&seen.url) {
            let headers = response.headers_mut();
            headers.insert("dpop-nonce", nonce.parse().expect("a value"));
        }
        response
    }

    fn identity_provider(&mut self, seen: &Seen) -> (u16, Value) {
        match self.authenticated(seen, &issuer(&seen.url)) {
            Some(client) => self.idp.answer(seen, &client),
            None => refused(401, "invalid_client"),
        }
    }

    /// Sends the user to an authorization endpoint, and returns the URL that they are sent back to.
    pub(crate) fn visit(&mut self, seen: &Seen) -> String {
        let mut asked = seen.clone();
        if let Some(pushed) = self.pushed.remove(seen.param("request_uri")) {
            asked.params = pushed;
        } else {
            assert!(!self.only_pushed, "it was not pushed: {seen:?}");
        }
        match seen.kind {
            Kind::IdpVisit => self.idp.authorize(&asked),
            _ => self.authorize(&asked),
        }
    }

    /// RFC 9126.
    fn push(&mut self, seen: &Seen) -> (u16, Value) {
        let Some(client) = self.authenticated(seen, &issuer(&seen.url)) else {
            return refused(401, "invalid_client");
        };
        let mut params = seen.params.clone();
        params.insert("client_id".to_owned(), client);
        let uri = format!("urn:ietf:params:oauth:request_uri:{}", self.number());
        self.pushed.insert(uri.clone(), params);
        (201, json!({ "request_uri": uri, "expires_in": 60 }))
    }

    /// Returns the authorization servers that the MCP server at `server` names.
    fn named_by(&self, server: &str) -> Vec<String> {
        match server {
            SECOND => vec![OTHER.to_owned()],
            _ => self.authorization_servers.clone(),
        }
    }

    /// Whether the MCP server at `server` names an authorization server, in any spelling.
    fn names(&self, server: &str, issuer: &str) -> bool {
        let mut named = self.named_by(server).into_iter();
        named.any(|own| own == issuer || own.strip_suffix('/') == Some(issuer))
    }

    fn metadata(&self, seen: &Seen) -> (u16, Value) {
        if !seen
            .url
            .ends_with("/.well-known/oauth-authorization-server")
        {
            return (404, json!({}));
        }
        let issuer = issuer(&seen.url);
        let mut scopes = self.lists.clone();
        if self.offers_offline_access {
            scopes.push("offline_access");
        }
        let mut body = json!({
            "issuer": (self.spells)(&issuer),
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}{}", self.token_path),
            "registration_endpoint": format!("{issuer}/register"),
            "scopes_supported": scopes,
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": self.auth_methods,
            "authorization_response_iss_parameter_supported": self.sends_iss,
            "require_pushed_authorization_requests": self.only_pushed,
        });
        if self.revokes {
            body["revocation_endpoint"] = format!("{issuer}/revoke").into();
        }
        if self.takes_pushed {
            body["pushed_authorization_request_endpoint"] = format!("{issuer}/par").into();
        }
        if self.proofs.offered {
            body["dpop_signing_alg_values_supported"] = json!(self.proofs.algorithms);
        }
        (200, body)
    }

    fn register(&mut self, seen: &Seen) -> (u16, Value) {
        let asked: Vec<String> = words(seen.param("scope"));
        if let Some(known) = &self.known_scopes
            && asked.iter().any(|scope| !known.contains(&scope.as_str()))
        {
            return refused(400, "invalid_client_metadata");
        }
        let given = |scope: &String| match &self.registers_scopes {
            Some(given) => given.contains(&scope.as_str()),
            None => true,
        };
        let scopes: Vec<String> = asked.into_iter().filter(given).collect();
        let number = self.number();
        let id = format!("client-{number}");
        let method = seen.param("token_endpoint_auth_method").to_owned();
        let secret = (method != "none").then(|| format!("{CANARY}-secret-{number}"));
        let mut body = json!({ "client_id": id, "client_secret": secret });
        if self.names_method {
            body["token_endpoint_auth_method"] = json!(method);
        }
        if self.names_scopes && !seen.param("scope").is_empty() {
            body["scope"] = scopes.join(" ").into();
        }
        let client = Client {
            secret,
            method,
            scopes: self.keeps_to_registered_scopes.then_some(scopes),
        };
        self.clients.insert((issuer(&seen.url), id), client);
        (201, body)
    }

    fn revoke(&mut self, seen: &Seen) -> (u16, Value) {
        let secret_in_form = seen.params.contains_key("client_secret");
        let authenticated = self.authenticated(seen, &issuer(&seen.url)).is_some();
        if !authenticated || (self.wants_id_in_form && !secret_in_form) {
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

    /// Returns the client that made a request, if it authenticated by its registered method.
    fn authenticated(&mut self, seen: &Seen, issuer: &str) -> Option<String> {
        if !seen.param("client_assertion").is_empty() {
            let now = self.runtime.server_seconds();
            return self.assertions.client(seen, issuer, now);
        }
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
        if self.wants_id_in_form && seen.param("client_id") != id {
            return None;
        }
        let client = self.clients.get(&(issuer.to_owned(), id.clone()))?;
        let right = client.secret == secret && client.method == method;
        right.then_some(id)
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn refused(status: u16, error: &str) -> (u16, Value) {
    (status, json!({ "error": error }))
}

/// Returns the issuer of a URL: its origin.
fn issuer(url: &str) -> String {
    let url = Url::parse(url).expect("an address");
    url.origin().ascii_serialization()
}
