//! How a client proves who it is at the token endpoint, and the one way a form gets there.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Method, header};
use url::form_urlencoded;

use crate::http::{HttpError, Limited, Request, Response};
use crate::secret::Secret;
use crate::store::record::{AuthMethod, Registration};

/// Chooses a method by what registration said, else by what the server's metadata offers
/// (RFC 7591 section 2, RFC 8414 section 2).
pub(crate) fn method(
    said: Option<&str>,
    offered: Option<&[String]>,
    has_secret: bool,
) -> AuthMethod {
    let by_name = |name: &str| match name {
        "none" => Some(AuthMethod::None),
        "client_secret_basic" => Some(AuthMethod::ClientSecretBasic),
        "client_secret_post" => Some(AuthMethod::ClientSecretPost),
        _ => None,
    };
    if !has_secret {
        return AuthMethod::None;
    }
    if let Some(method) = said.and_then(by_name) {
        return method;
    }
    match offered {
        // What a server supports that does not say (RFC 8414 section 2).
        None => AuthMethod::ClientSecretBasic,
        Some(offered) => ["client_secret_basic", "client_secret_post"]
            .into_iter()
            .find(|name| offered.iter().any(|own| own == name))
            .and_then(by_name)
            .unwrap_or(AuthMethod::None),
    }
}

/// Posts a form to an endpoint of the authorization server, authenticated as `client` (RFC 6749
/// section 2.3.1).
pub(crate) async fn post_form(
    http: &Limited,
    endpoint: &str,
    client: &Registration,
    params: &[(&str, &str)],
) -> Result<Response, HttpError> {
    let request = form_request(endpoint, client, params)
        .map_err(|_| HttpError::Connection("the address is not valid".to_owned()))?;
    http.send(request).await
}

fn form_request(
    endpoint: &str,
    client: &Registration,
    params: &[(&str, &str)],
) -> Result<Request, http::Error> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(params);
    let mut request = http::Request::builder()
        .method(Method::POST)
        .uri(endpoint)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    match (client.auth_method, &client.client_secret) {
        (AuthMethod::ClientSecretBasic, Some(secret)) => {
            request = request.header(header::AUTHORIZATION, basic(&client.client_id, secret)?);
        }
        (AuthMethod::ClientSecretPost, Some(secret)) => {
            form.append_pair("client_id", &client.client_id);
            form.append_pair("client_secret", secret.expose());
        }
        _ => drop(form.append_pair("client_id", &client.client_id)),
    }
    request.body(form.finish().into_bytes())
}

/// A secret as it stands in a form, and as it is.
pub(crate) fn spellings(secret: &Secret) -> [String; 2] {
    let text = secret.expose();
    let encoded = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    [encoded, text.to_owned()]
}

/// The credentials that a client with a secret sends in a header, where it does.
pub(crate) fn basic_credentials(client: &Registration) -> Option<String> {
    let secret = client.client_secret.as_ref()?;
    let header = basic(&client.client_id, secret).ok()?;
    let credentials = header.to_str().ok()?.strip_prefix("Basic ")?;
    Some(credentials.to_owned())
}

/// Each part is form-encoded first, which leaves `-._*` and alphanumerics as they are.
fn basic(id: &str, secret: &Secret) -> Result<HeaderValue, http::Error> {
    let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", part(id), part(secret.expose()));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair)))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_by_registration_then_by_metadata() {
        let only = |name: &str| Some(vec![name.to_owned()]);
        let cases = [
            (
                Some("client_secret_post"),
                only("client_secret_basic"),
                true,
                AuthMethod::ClientSecretPost,
            ),
            (Some("none"), None, true, AuthMethod::None),
            (None, None, true, AuthMethod::ClientSecretBasic),
            (
                None,
                only("client_secret_post"),
                true,
                AuthMethod::ClientSecretPost,
            ),
            // A secret where only `none` is offered is no reason to use it.
            (None, only("none"), true, AuthMethod::None),
            (Some("client_secret_basic"), None, false, AuthMethod::None),
            (
                Some("tls_client_auth"),
                only("client_secret_basic"),
                true,
                AuthMethod::ClientSecretBasic,
            ),
        ];
        for (said, offered, has_secret, expected) in cases {
            assert_eq!(
                method(said, offered.as_deref(), has_secret),
                expected,
                "{said:?} {offered:?}"
            );
        }
    }
}
