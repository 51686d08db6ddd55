//! How a client authenticates at an authorization server.

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use url::form_urlencoded;

use crate::error::Error;
use crate::grant::AuthMethod;
use crate::jose::{SigningKey, encoded, fresh_id, sign};
use crate::runtime::unix_seconds;
use crate::secret::Secret;

/// The type of a client assertion (RFC 7523 section 2.2).
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion is valid, in seconds: for one request.
const ASSERTION_LIFE: u64 = 60;

/// What a client can authenticate with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Means {
    pub(crate) secret: bool,
    pub(crate) key: bool,
}

/// How a client was registered at the authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By this program (RFC 7591).
    SelfRegistered,
    /// Beforehand, out of band.
    Preregistered,
}

/// Returns the methods that use a secret, the better one first.
///
/// Strict servers reject a `client_id` beside Basic, and lax servers require it in the form. The form satisfies both
/// kinds, but a client that was registered out of band is mostly registered for Basic, which every server has to
/// support (RFC 6749 section 2.3.1).
fn by_secret(origin: Origin) -> [&'static str; 2] {
    match origin {
        Origin::SelfRegistered => ["client_secret_post", "client_secret_basic"],
        Origin::Preregistered => ["client_secret_basic", "client_secret_post"],
    }
}

/// Chooses a method: the one that the registration names, otherwise one that the server's metadata offers (RFC 7591
/// section 2, RFC 8414 section 2).
pub(crate) fn method(
    said: Option<&str>,
    offered: Option<&[String]>,
    has: Means,
    origin: Origin,
) -> AuthMethod {
    let usable = |method: AuthMethod| match method {
        AuthMethod::None => true,
        AuthMethod::PrivateKeyJwt => has.key,
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => has.secret,
    };
    if let Some(method) = said.and_then(by_name).filter(|method| usable(*method)) {
        return method;
    }
    let offers = |name: &str| match offered {
        // The default for metadata without this list (RFC 8414 section 2).
        None | Some([]) => name == "client_secret_basic",
        Some(offered) => offered.iter().any(|own| own == name),
    };
    let best = std::iter::once("private_key_jwt")
        .chain(by_secret(origin))
        .filter(|name| offers(name))
        .filter_map(by_name)
        .find(|method| usable(*method));
    match best {
        Some(method) => method,
        // A signature proves nothing to a server that does not know the key, so that sending one is no risk.
        None if has.key => AuthMethod::PrivateKeyJwt,
        None => AuthMethod::None,
    }
}

/// Returns the method of a pre-registered client that authenticates with a secret.
pub(crate) fn secret_method(offered: Option<&[String]>) -> AuthMethod {
    let has = Means {
        secret: true,
        key: false,
    };
    method(None, offered, has, Origin::Preregistered)
}

/// Returns the method to register with. A program on a user's machine cannot keep a secret, so it asks for none if the
/// server offers that.
pub(crate) fn wanted_method(offered: Option<&[String]>) -> &'static str {
    let offered = offered.unwrap_or_default();
    std::iter::once("none")
        .chain(by_secret(Origin::SelfRegistered))
        .find(|name| offered.iter().any(|own| own == name))
        .unwrap_or("none")
}

fn by_name(name: &str) -> Option<AuthMethod> {
    Some(match name {
        "none" => AuthMethod::None,
        "client_secret_basic" => AuthMethod::ClientSecretBasic,
        "client_secret_post" => AuthMethod::ClientSecretPost,
        "private_key_jwt" => AuthMethod::PrivateKeyJwt,
        _ => return None,
    })
}

/// The claims of a client assertion (RFC 7523 section 3).
#[derive(Serialize)]
pub(crate) struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: String,
}

impl<'a> Claims<'a> {
    /// The audience is the issuer, not an endpoint: another server can put any endpoint in its metadata
    /// (draft-ietf-oauth-rfc7523bis section 4).
    pub(crate) fn new(client_id: &'a str, issuer: &'a str, jti: String, now: SystemTime) -> Self {
        let iat = unix_seconds(now);
        Self {
            iss: client_id,
            sub: client_id,
            aud: issuer,
            iat,
            exp: iat.saturating_add(ASSERTION_LIFE),
            jti,
        }
    }
}

/// The header of a client assertion.
#[derive(Serialize)]
pub(crate) struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

impl<'a> Header<'a> {
    pub(crate) fn of(key: &'a dyn SigningKey) -> Self {
        Self {
            // draft-ietf-oauth-rfc7523bis section 4
            typ: "client-authentication+jwt",
            alg: key.algorithm().name(),
            kid: key.key_id(),
        }
    }
}

/// Creates an assertion with which a client authenticates at `issuer`, once.
pub(crate) async fn assertion(
    key: &dyn SigningKey,
    client_id: &str,
    issuer: &str,
    now: SystemTime,
) -> Result<Secret, Error> {
    let header = encoded(&Header::of(key))?;
    let claims = encoded(&Claims::new(client_id, issuer, fresh_id()?, now))?;
    sign(key, &header, &claims).await
}

/// Returns a secret as encoded in a form, and as it is.
pub(crate) fn spellings(secret: &Secret) -> [String; 2] {
    let text = secret.expose();
    let encoded = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    [encoded, text.to_owned()]
}

/// Encodes the credentials of the `Basic` scheme (RFC 6749 section 2.3.1). Each part is form-encoded first, which keeps
/// `-._*` and alphanumerics.
pub(crate) fn basic(id: &str, secret: &Secret) -> String {
    let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    BASE64_STANDARD.encode(format!("{}:{}", part(id), part(secret.expose())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_by_registration_then_by_metadata() {
        const NOTHING: Means = Means {
            secret: false,
            key: false,
        };
        const SECRET: Means = Means {
            secret: true,
            ..NOTHING
        };
        const KEY: Means = Means {
            key: true,
            ..NOTHING
        };
        const BOTH: Means = Means {
            secret: true,
            key: true,
        };
        let only = |name: &str| Some(vec![name.to_owned()]);
        let cases = [
            (
                Some("client_secret_post"),
                only("client_secret_basic"),
                SECRET,
                AuthMethod::ClientSecretPost,
            ),
            (Some("none"), None, SECRET, AuthMethod::None),
            (None, None, SECRET, AuthMethod::ClientSecretBasic),
            (
                None,
                only("client_secret_post"),
                SECRET,
                AuthMethod::ClientSecretPost,
            ),
            // A secret is not used at a server that offers only `none`.
            (None, only("none"), SECRET, AuthMethod::None),
            (Some("client_secret_basic"), None, NOTHING, AuthMethod::None),
            (
                Some("tls_client_auth"),
                only("client_secret_basic"),
                SECRET,
                AuthMethod::ClientSecretBasic,
            ),
            (None, None, KEY, AuthMethod::PrivateKeyJwt),
            (None, only("none"), KEY, AuthMethod::PrivateKeyJwt),
            (
                None,
                only("private_key_jwt"),
                BOTH,
                AuthMethod::PrivateKeyJwt,
            ),
            (
                None,
                only("client_secret_post"),
                BOTH,
                AuthMethod::ClientSecretPost,
            ),
            (None, None, BOTH, AuthMethod::ClientSecretBasic),
            (None, only("private_key_jwt"), SECRET, AuthMethod::None),
        ];
        for (said, offered, has, expected) in cases {
            assert_eq!(
                method(said, offered.as_deref(), has, Origin::Preregistered),
                expected,
                "{said:?} {offered:?}"
            );
        }
    }

    #[test]
    fn own_registrations_prefer_the_form_and_others_basic() {
        let all = ["none", "client_secret_post", "client_secret_basic"];
        let secret = Means {
            secret: true,
            key: false,
        };
        let by = |said, offered: &[String], origin| method(said, Some(offered), secret, origin);
        for (offered, asked, own, other) in [
            // As the MCP Python SDK and FastMCP offer them.
            (
                &all[1..],
                "client_secret_post",
                AuthMethod::ClientSecretPost,
                AuthMethod::ClientSecretBasic,
            ),
            // A secret that the server issues unasked is used.
            (
                &all[..],
                "none",
                AuthMethod::ClientSecretPost,
                AuthMethod::ClientSecretBasic,
            ),
            (
                &all[2..],
                "client_secret_basic",
                AuthMethod::ClientSecretBasic,
                AuthMethod::ClientSecretBasic,
            ),
            (
                &all[..0],
                "none",
                AuthMethod::ClientSecretBasic,
                AuthMethod::ClientSecretBasic,
            ),
        ] {
            let mut offered: Vec<String> = offered.iter().map(|&name| name.to_owned()).collect();
            for _ in 0..2 {
                assert_eq!(wanted_method(Some(&offered)), asked, "{offered:?}");
                assert_eq!(by(None, &offered, Origin::SelfRegistered), own);
                assert_eq!(by(None, &offered, Origin::Preregistered), other);
                assert_eq!(secret_method(Some(&offered)), other);
                // The method that the registration names wins.
                for said in ["none", "client_secret_basic", "client_secret_post"] {
                    let method = by(Some(said), &offered, Origin::SelfRegistered);
                    assert_eq!(Some(method), by_name(said));
                }
                offered.reverse();
            }
        }
        assert_eq!(wanted_method(None), "none");
    }
}
