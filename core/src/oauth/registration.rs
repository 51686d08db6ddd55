//! Registers a client at an authorization server (MCP 2026-07-28, client registration).

use http::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::answer::{is_transient, scope_member};
use super::client_auth::{Means, Origin, method, secret_method, wanted_method};
use super::lenient;
use super::metadata::ServerMetadata;
use super::token::JWT_BEARER;
use crate::client::Client;
use crate::error::Error;
use crate::grant::{AuthMethod, Registration};
use crate::http::{GuardedClient, Response, is_loopback};
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::text;

/// The client identity that the application provides.
#[derive(Clone, Default)]
pub(crate) struct ClientIdentity {
    /// The name shown on consent pages.
    pub(crate) name: String,
    /// A pre-registered client.
    pub(crate) preregistered: Option<Client>,
    /// An https URL that is the client ID, and serves the client's metadata.
    pub(crate) metadata_url: Option<String>,
}

impl ClientIdentity {
    /// Whether `server` knows the client, and its redirect URIs, by what the application provides.
    pub(crate) fn is_known_at(&self, server: &ServerMetadata) -> bool {
        from_application(server, self).is_some()
    }

    /// Checks that there is a way to be registered at `server`.
    pub(crate) fn fits(
        &self,
        server: &ServerMetadata,
        recorded: Option<&Registration>,
    ) -> Result<(), Error> {
        let known = from_application(server, self).is_some() || recorded.is_some();
        match known {
            true => Ok(()),
            false => registration_endpoint(server).map(drop),
        }
    }
}

/// What a client is registered for.
#[derive(Clone, Copy)]
pub(crate) struct Purpose<'a> {
    /// The redirect URI; `None` for a client that presents assertions (RFC 7523), which has no page.
    pub(crate) redirect_uri: Option<&'a str>,
    /// The scopes that the next request names.
    pub(crate) scopes: &'a ScopeSet,
    /// The scopes that the resource's metadata lists: a later step-up may request them.
    pub(crate) supported: &'a ScopeSet,
}

impl Purpose<'_> {
    /// Whether a recorded registration serves the purpose.
    fn is_served_by(&self, known: &Registration) -> bool {
        // Not every server lets the port of a loopback redirect vary (RFC 8252 section 7.3).
        let returns = match self.redirect_uri {
            Some(uri) => known.redirect_uris.iter().any(|own| own == uri),
            None => known.redirect_uris.is_empty(),
        };
        known.dynamic && returns && known.allows(self.scopes)
    }
}

/// Returns the registration to use at `server`: the pre-registered client, otherwise a metadata document, otherwise the
/// recorded registration, otherwise a new one.
pub(crate) async fn register(
    http: &GuardedClient,
    server: &ServerMetadata,
    identity: &ClientIdentity,
    purpose: Purpose<'_>,
    recorded: Option<&Registration>,
) -> Result<Registration, Error> {
    if let Some(client) = from_application(server, identity) {
        return Ok(client);
    }
    match recorded.filter(|known| purpose.is_served_by(known)) {
        Some(known) => Ok(known.clone()),
        None => register_dynamically(http, server, &identity.name, purpose, recorded).await,
    }
}

fn from_application(server: &ServerMetadata, identity: &ClientIdentity) -> Option<Registration> {
    if let Some(client) = &identity.preregistered {
        return Some(preregistered(client, server));
    }
    let url = identity.metadata_url.as_ref();
    let url = url.filter(|_| server.client_id_metadata_document_supported)?;
    Some(Registration {
        client_id: url.clone(),
        client_secret: None,
        auth_method: AuthMethod::None,
        secret_method: None,
        redirect_uris: Vec::new(),
        dynamic: false,
        scopes: None,
        scopes_sent: ScopeSet::new(),
    })
}

/// Returns the registration of a pre-registered client.
pub(crate) fn preregistered(client: &Client, server: &ServerMetadata) -> Registration {
    let offered = server.token_endpoint_auth_methods_supported.as_deref();
    let has = Means {
        secret: client.own_secret().is_some(),
        key: client.own_key().is_some(),
    };
    Registration {
        client_id: client.id.clone(),
        auth_method: client
            .configured_method()
            .unwrap_or_else(|| method(None, offered, has, Origin::Preregistered)),
        secret_method: Some(secret_method(offered)),
        client_secret: client.own_secret().cloned(),
        redirect_uris: Vec::new(),
        dynamic: false,
        scopes: None,
        scopes_sent: ScopeSet::new(),
    }
}

/// Returns a recorded pre-registered client with the authentication method that the application set, otherwise with one
/// that the metadata offers now. `key`: it has one.
pub(crate) fn as_offered(
    client: &Registration,
    said: Option<AuthMethod>,
    key: bool,
    server: &ServerMetadata,
) -> Registration {
    let offered = server.token_endpoint_auth_methods_supported.as_deref();
    let has = Means {
        secret: client.client_secret.is_some(),
        key,
    };
    Registration {
        auth_method: said.unwrap_or_else(|| method(None, offered, has, Origin::Preregistered)),
        secret_method: Some(secret_method(offered)),
        ..client.clone()
    }
}

async fn register_dynamically(
    http: &GuardedClient,
    server: &ServerMetadata,
    name: &str,
    purpose: Purpose<'_>,
    recorded: Option<&Registration>,
) -> Result<Registration, Error> {
    let endpoint = registration_endpoint(server)?;
    let metadata = client_metadata(server, name, purpose.redirect_uri);
    let mut refused = None;
    for scopes in scopes_to_register(purpose, recorded) {
        let mut body = metadata.clone();
        if let Some(scopes) = scopes.as_ref().filter(|scopes| !scopes.is_empty()) {
            body["scope"] = scopes.to_string().into();
        }
        let response = http
            .post_json(endpoint, body.to_string().into_bytes())
            .await
            .map_err(|error| error.at(endpoint))?;
        if let Some(answer) = Registered::read(&response) {
            return Ok(answer.registration(server, purpose.redirect_uri, scopes));
        }
        let may_be_the_scopes = rejects_metadata(&response);
        refused = Some(refusal(server, endpoint, &response));
        if !may_be_the_scopes {
            break;
        }
    }
    let nothing = || rejected(server, "nothing was sent".to_owned());
    Err(refused.unwrap_or_else(nothing))
}

/// Returns the scopes to send, one element per try. A server may reject all of them because of one that it does not
/// know, or reject any `scope` (`None`).
fn scopes_to_register(
    purpose: Purpose<'_>,
    recorded: Option<&Registration>,
) -> Vec<Option<ScopeSet>> {
    let wanted = purpose.scopes;
    // The scopes of the previous registration are included, so that two needs in turn do not register again each time.
    let before = recorded.filter(|known| known.dynamic);
    let before = before.map(|known| known.scopes_sent.clone());
    let all = wanted.union(&before.unwrap_or_default());
    let all = all.union(purpose.supported);
    let mut tries = vec![Some(all.clone())];
    if all.len() > wanted.len() && !wanted.is_empty() {
        tries.push(Some(wanted.clone()));
    }
    if !all.is_empty() {
        tries.push(None);
    }
    tries
}

/// Returns the client metadata to send (RFC 7591 section 2), without scopes.
fn client_metadata(server: &ServerMetadata, name: &str, redirect_uri: Option<&str>) -> Value {
    let offered = server.token_endpoint_auth_methods_supported.as_deref();
    let mut body = json!({
        "client_name": name,
        "token_endpoint_auth_method": wanted_method(offered),
    });
    match redirect_uri {
        Some(uri) => {
            body["redirect_uris"] = json!([uri]);
            body["grant_types"] = json!(["authorization_code", "refresh_token"]);
            body["response_types"] = json!(["code"]);
            body["application_type"] = json!(application_type(uri));
        }
        None => {
            body["grant_types"] = json!([JWT_BEARER]);
            body["response_types"] = json!([]);
        }
    }
    body
}

/// The response to a registration (RFC 7591 section 3.2.1), as far as it matters here.
struct Registered {
    client_id: String,
    client_secret: Option<Secret>,
    method: Option<String>,
    scopes: Option<ScopeSet>,
}

impl Registered {
    /// `None` if the response registers nothing: it is no success, or names no client that could be sent and shown.
    /// Less important members are left out if they have another type.
    fn read(response: &Response) -> Option<Self> {
        let body = response.status().is_success().then(|| response.body())?;
        let body = lenient::json(body)?;
        let body = body.as_object()?;
        let client_id = body.get("client_id")?.as_str()?;
        if !is_credential(client_id) {
            return None;
        }
        let client_secret = match body.get("client_secret") {
            None | Some(Value::Null) => None,
            Some(Value::String(secret)) if secret.is_empty() => None,
            Some(Value::String(secret)) if is_credential(secret) => {
                Some(Secret::new(secret.as_str()))
            }
            Some(_) => return None,
        };
        let method = body.get("token_endpoint_auth_method");
        Some(Self {
            client_id: client_id.to_owned(),
            client_secret,
            method: method.and_then(Value::as_str).map(str::to_owned),
            scopes: scope_member(body).map(|scopes| scopes.iter().map(String::as_str).collect()),
        })
    }

    /// Returns the registration for a request that named these scopes (`None`: no `scope`, since the server rejects
    /// it).
    fn registration(
        self,
        server: &ServerMetadata,
        redirect_uri: Option<&str>,
        sent: Option<ScopeSet>,
    ) -> Registration {
        let offered = server.token_endpoint_auth_methods_supported.as_deref();
        let has = Means {
            secret: self.client_secret.is_some(),
            key: false,
        };
        Registration {
            auth_method: method(self.method.as_deref(), offered, has, Origin::SelfRegistered),
            secret_method: None,
            client_id: self.client_id,
            client_secret: self.client_secret,
            redirect_uris: redirect_uri.map(str::to_owned).into_iter().collect(),
            dynamic: true,
            scopes: match (&sent, self.scopes) {
                (_, Some(said)) => Some(said),
                // No scopes were requested, so none count as registered. Whether the server enforces that is unknown.
                (Some(sent), None) if sent.is_empty() => Some(ScopeSet::new()),
                (_, None) => None,
            },
            scopes_sent: sent.unwrap_or_default(),
        }
    }
}

/// The maximum length of a client id or secret, in bytes. Some servers encode the whole registration in it.
const MAX_CREDENTIAL: usize = 8192;

/// Whether a text can be a client id or a secret: both are sent, and the id is shown.
fn is_credential(text: &str) -> bool {
    let length = 1..=MAX_CREDENTIAL;
    length.contains(&text.len()) && !text.contains(text::is_deceptive)
}

/// Whether a response rejects the client metadata, maybe because of its scopes: it is neither a transient error, nor
/// does it mean that there is no endpoint, or that unknown clients may not register.
fn rejects_metadata(response: &Response) -> bool {
    let (status, error) = (response.status(), error_code(response));
    if !status.is_client_error() || is_transient(status) {
        return false;
    }
    match error.as_deref() {
        Some("invalid_client_metadata" | "invalid_scope" | "insufficient_scope") => true,
        Some("invalid_redirect_uri" | "invalid_token") => false,
        _ => !matches!(status.as_u16(), 401 | 404 | 405 | 410),
    }
}

/// Returns the error code of a response (RFC 7591 section 3.2.2).
fn error_code(response: &Response) -> Option<String> {
    member(response, "error")
}

fn error_description(response: &Response) -> Option<String> {
    member(response, "error_description")
}

fn member(response: &Response, name: &str) -> Option<String> {
    lenient::json(response.body())?
        .get(name)?
        .as_str()
        .map(str::to_owned)
}

fn registration_endpoint(server: &ServerMetadata) -> Result<&str, Error> {
    server.registration_endpoint()?.ok_or_else(|| {
        let detail = "it does not offer dynamic registration, and no client id was given";
        rejected(server, detail.to_owned())
    })
}

fn rejected(server: &ServerMetadata, detail: String) -> Error {
    Error::RegistrationRejected {
        issuer: server.issuer.clone(),
        detail,
    }
}

/// Returns the error for a response that registers nothing.
fn refusal(server: &ServerMetadata, endpoint: &str, response: &Response) -> Error {
    let status = response.status();
    if is_transient(status) {
        return Error::http(endpoint, format!("the server answered {status}"));
    }
    if server.assumed && status == StatusCode::NOT_FOUND {
        return nowhere(server, endpoint, status);
    }
    match error_code(response).filter(|_| !status.is_success()) {
        Some(error) => {
            let said = error_description(response).unwrap_or_default();
            let said = text::displayable(&format!("{error}: {said}"));
            rejected(server, said.unwrap_or_default())
        }
        None if server.assumed => nowhere(server, endpoint, status),
        None if status.is_success() => {
            rejected(server, "its response is not a registration".to_owned())
        }
        None => rejected(server, format!("it answered {status}")),
    }
}

/// Returns the error for a server that has no metadata and not the assumed endpoint either: hardly an MCP server.
fn nowhere(server: &ServerMetadata, endpoint: &str, status: StatusCode) -> Error {
    let detail = format!(
        "neither the server nor an authorization server publishes any, and {endpoint}, where older servers register clients, answered {status}. Check the URL of the server"
    );
    Error::metadata(&server.issuer, detail)
}

/// OpenID Connect Dynamic Client Registration, section 2; MCP requires this member.
fn application_type(redirect_uri: &str) -> &'static str {
    match Url::parse(redirect_uri) {
        Ok(url) if url.scheme() == "https" => "web",
        Ok(url) if url.scheme() == "http" && !is_loopback(&url) => "web",
        _ => "native",
    }
}
