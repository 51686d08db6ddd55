//! How a client becomes known to an authorization server (MCP 2026-07-28, client registration).

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::client_auth::{Means, method};
use super::metadata::ServerMetadata;
use super::token::{JWT_BEARER, is_transient};
use crate::error::Error;
use crate::http::{Limited, Response, is_loopback};
use crate::jose::SigningKey;
use crate::secret::Secret;
use crate::store::record::{AuthMethod, Registration};
use crate::text;

/// What the application brought along to be known by.
#[derive(Clone, Default)]
pub(crate) struct ClientIdentity {
    /// Shown on consent pages.
    pub(crate) name: String,
    /// A client that is registered already.
    pub(crate) preregistered: Option<Preregistered>,
    /// An https URL that is the client id, and serves the client's metadata.
    pub(crate) metadata_url: Option<String>,
}

/// A client that was registered beforehand.
#[derive(Clone, Default)]
pub(crate) struct Preregistered {
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<Secret>,
    /// The key that it authenticates by.
    pub(crate) client_key: Option<Arc<dyn SigningKey>>,
    /// The issuer it is registered at; `None`: whichever the resource names first.
    pub(crate) issuer: Option<String>,
}

/// The registration to use at `server`: the one brought along, else a metadata document, else the one on
/// record, else a new one.
pub(crate) async fn register(
    http: &Limited,
    server: &ServerMetadata,
    identity: &ClientIdentity,
    redirect_uri: &str,
    recorded: Option<&Registration>,
) -> Result<Registration, Error> {
    if let Some(client) = brought_along(server, identity) {
        return Ok(client);
    }
    // Not every server lets the port of a loopback redirect vary (RFC 8252 section 7.3).
    if let Some(known) = recorded
        && known.dynamic
        && known.redirect_uris.iter().any(|uri| uri == redirect_uri)
    {
        return Ok(known.clone());
    }
    register_dynamically(http, server, &identity.name, Some(redirect_uri)).await
}

/// As [`register`], for a client that nobody is redirected to: it presents assertions (RFC 7523).
pub(crate) async fn register_for_assertions(
    http: &Limited,
    server: &ServerMetadata,
    identity: &ClientIdentity,
    recorded: Option<&Registration>,
) -> Result<Registration, Error> {
    if let Some(client) = brought_along(server, identity) {
        return Ok(client);
    }
    if let Some(known) = recorded.filter(|known| known.dynamic && known.redirect_uris.is_empty()) {
        return Ok(known.clone());
    }
    register_dynamically(http, server, &identity.name, None).await
}

fn brought_along(server: &ServerMetadata, identity: &ClientIdentity) -> Option<Registration> {
    if let Some(client) = &identity.preregistered {
        return Some(preregistered(client, server));
    }
    let url = identity.metadata_url.as_ref();
    let url = url.filter(|_| server.client_id_metadata_document_supported)?;
    Some(Registration {
        client_id: url.clone(),
        client_secret: None,
        auth_method: AuthMethod::None,
        redirect_uris: Vec::new(),
        dynamic: false,
    })
}

/// The registration of a client that was registered beforehand.
pub(crate) fn preregistered(client: &Preregistered, server: &ServerMetadata) -> Registration {
    let offered = server.token_endpoint_auth_methods_supported.as_deref();
    Registration {
        client_id: client.client_id.clone(),
        auth_method: method(
            None,
            offered,
            Means {
                secret: client.client_secret.is_some(),
                key: client.client_key.is_some(),
            },
        ),
        client_secret: client.client_secret.clone(),
        redirect_uris: Vec::new(),
        dynamic: false,
    }
}

/// RFC 7591 section 3.2.1, as far as it matters here.
#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<Secret>,
    token_endpoint_auth_method: Option<String>,
}

/// RFC 7591 section 3.2.2.
#[derive(Deserialize)]
struct Rejected {
    error: String,
    error_description: Option<String>,
}

async fn register_dynamically(
    http: &Limited,
    server: &ServerMetadata,
    name: &str,
    redirect_uri: Option<&str>,
) -> Result<Registration, Error> {
    let endpoint = server.registration_endpoint.as_deref().ok_or_else(|| {
        let detail = "it registers no clients by itself, and no client id was given";
        rejected(server, detail.to_owned())
    })?;
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
    let response = http
        .post_json(endpoint, body.to_string().into_bytes())
        .await
        .map_err(|error| error.at(endpoint))?;
    let registered = registered(&response).ok_or_else(|| refusal(server, endpoint, &response))?;
    Ok(Registration {
        auth_method: method(
            registered.token_endpoint_auth_method.as_deref(),
            offered,
            Means {
                secret: registered.client_secret.is_some(),
                key: false,
            },
        ),
        client_id: registered.client_id,
        client_secret: registered.client_secret,
        redirect_uris: redirect_uri.map(str::to_owned).into_iter().collect(),
        dynamic: true,
    })
}

fn registered(response: &Response) -> Option<Registered> {
    let body = response.status().is_success().then(|| response.body())?;
    // The message of a JSON error may quote the secret, so it is not passed on.
    serde_json::from_slice(body).ok()
}

fn rejected(server: &ServerMetadata, detail: String) -> Error {
    Error::RegistrationRejected {
        issuer: server.issuer.clone(),
        detail,
    }
}

/// What an answer means by which nobody was registered.
fn refusal(server: &ServerMetadata, endpoint: &str, response: &Response) -> Error {
    let status = response.status();
    if is_transient(status) {
        return Error::http(endpoint, format!("the server answered {status}"));
    }
    let said = serde_json::from_slice(response.body()).ok();
    match said.filter(|_| !status.is_success()) {
        _ if server.assumed && status == StatusCode::NOT_FOUND => nowhere(server, endpoint, status),
        Some(Rejected {
            error,
            error_description,
        }) => {
            let said = error_description.unwrap_or_default();
            let said = text::displayable(&format!("{error}: {said}"));
            rejected(server, said.unwrap_or_default())
        }
        None if server.assumed => nowhere(server, endpoint, status),
        None if status.is_success() => {
            rejected(server, "its answer is not a registration".to_owned())
        }
        None => rejected(server, format!("it answered {status}")),
    }
}

/// There is nothing that would tell where to sign in, and the guess was wrong: hardly an MCP server.
fn nowhere(server: &ServerMetadata, endpoint: &str, status: StatusCode) -> Error {
    let detail = format!(
        "there is none, neither the server's nor an authorization server's, and {endpoint}, where older servers register clients, answered {status}. Check the address of the server"
    );
    Error::metadata(&server.issuer, detail)
}

/// A program on a person's machine cannot keep a secret, so it asks for none where it may.
fn wanted_method(offered: Option<&[String]>) -> &'static str {
    let Some(offered) = offered else {
        return "none";
    };
    ["none", "client_secret_basic", "client_secret_post"]
        .into_iter()
        .find(|name| offered.iter().any(|own| own == name))
        .unwrap_or("none")
}

/// OpenID Connect Dynamic Client Registration, section 2; MCP requires that it is said.
fn application_type(redirect_uri: &str) -> &'static str {
    match Url::parse(redirect_uri) {
        Ok(url) if url.scheme() == "https" => "web",
        Ok(url) if url.scheme() == "http" && !is_loopback(&url) => "web",
        _ => "native",
    }
}
