//! A client at one authorization server.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use url::form_urlencoded;

use super::client_auth::{ASSERTION_TYPE, assertion, basic, spellings};
use super::clock::Skew;
use super::dpop::{self, Nonces, Prover};
use crate::challenge::{INVALID_DPOP_PROOF, USE_DPOP_NONCE};
use crate::error::Error;
use crate::grant::{AuthMethod, Registration};
use crate::http::{GuardedClient, HttpError, Request, Response};
use crate::jose::SigningKey;
use crate::secret::Secret;

/// A client, with all it needs to authenticate at one authorization server.
#[derive(Clone, Copy)]
pub(crate) struct Client<'a> {
    pub(crate) http: &'a GuardedClient,
    /// Its registration there.
    pub(crate) registration: &'a Registration,
    /// The authorization server.
    pub(crate) issuer: &'a str,
    /// The key of a client that authenticates with one.
    pub(crate) key: Option<&'a dyn SigningKey>,
    /// What its tokens are bound to, and the nonces of the servers.
    pub(crate) proof: Option<(&'a Prover, &'a Nonces)>,
    /// How long to wait for a response.
    pub(crate) limit: Duration,
}

/// The result of a request.
pub(crate) struct Posted {
    pub(crate) answer: Result<Response, HttpError>,
    /// The client's own secrets that were sent, which the server may quote.
    pub(crate) secrets: Vec<String>,
    /// The clock skew, if the request was repeated because of it.
    pub(crate) skew: Option<Skew>,
    /// The nonce in the proof.
    nonce: Option<String>,
}

impl Posted {
    fn of(answer: Result<Response, HttpError>) -> Self {
        Self {
            answer,
            secrets: Vec::new(),
            skew: None,
            nonce: None,
        }
    }
}

/// A request that is ready to be sent.
struct Form {
    request: Request,
    secrets: Vec<String>,
}

impl<'a> Client<'a> {
    /// Returns the same client without proofs, for what is not bound to a key.
    pub(crate) fn without_proof(self) -> Self {
        Self {
            proof: None,
            ..self
        }
    }

    /// Whether its authentication method puts the client id into each form.
    pub(crate) fn is_named_in_forms(&self) -> bool {
        let Registration {
            auth_method,
            client_secret,
            ..
        } = self.registration;
        match auth_method {
            AuthMethod::PrivateKeyJwt => false,
            AuthMethod::ClientSecretBasic => client_secret.is_none(),
            AuthMethod::ClientSecretPost | AuthMethod::None => true,
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.http.now()
    }

    /// Posts an authenticated form to an endpoint of the authorization server (RFC 6749 section 2.3, RFC 7523 section
    /// 2.2). Repeats it once if the server asks for a nonce in the proof, and once if it may refuse a wrong clock.
    ///
    /// # Errors
    /// If a key could not be used, or nothing may be sent to the endpoint.
    pub(crate) async fn post(
        &self,
        endpoint: &str,
        params: &[(&str, &str)],
    ) -> Result<Posted, Error> {
        let twice = async {
            let sent = self.nonce(endpoint);
            let now = self.now();
            let mut posted = self.post_once(endpoint, params, sent, now).await?;
            let given = self.nonce(endpoint);
            // Another response may have brought it meanwhile.
            let another = given.is_some() && given != posted.nonce;
            if another && posted.answer.as_ref().is_ok_and(wants_nonce) {
                posted = self.post_once(endpoint, params, given, now).await?;
            }
            if let Some(skew) = self.refused_for_its_time(&posted) {
                let (nonce, there) = (self.nonce(endpoint), skew.there(now));
                tracing::warn!(
                    issuer = self.issuer,
                    "{skew}; trying with the server's time"
                );
                posted = self.post_once(endpoint, params, nonce, there).await?;
                posted.skew = Some(skew);
            }
            Ok(posted)
        };
        // All of it may take as long as one call, including the signatures.
        let posted = self.http.within(self.limit, twice).await;
        posted.unwrap_or_else(|| Ok(Posted::of(Err(HttpError::Timeout(self.limit)))))
    }

    /// Returns the last nonce of the server at `endpoint`.
    fn nonce(&self, endpoint: &str) -> Option<String> {
        let (_, nonces) = self.proof?;
        nonces.get(endpoint)
    }

    async fn post_once(
        &self,
        endpoint: &str,
        params: &[(&str, &str)],
        nonce: Option<String>,
        now: SystemTime,
    ) -> Result<Posted, Error> {
        let proof = self.prove(endpoint, nonce.as_deref(), now).await?;
        let assertion = self.assertion(now).await?;
        let form = self.form(endpoint, params, proof.as_ref(), assertion.as_ref());
        let Ok(form) = form else {
            let invalid = HttpError::unreachable("the address is not valid");
            return Ok(Posted::of(Err(invalid)));
        };
        let answer = self.http.send_within(self.limit, form.request).await;
        if let Err(error) = &answer
            && error.is_refusal()
        {
            return Err(error.clone().at(endpoint));
        }
        if let (Ok(answer), Some((_, nonces))) = (&answer, self.proof) {
            nonces.note_all(endpoint, answer.headers());
        }
        Ok(Posted {
            secrets: form.secrets,
            nonce,
            ..Posted::of(answer)
        })
    }

    /// Returns the clock skew, if the server refused a proof or an assertion, which may be the reason. The server has
    /// then used neither of them, nor the code or token in the same request.
    fn refused_for_its_time(&self, posted: &Posted) -> Option<Skew> {
        let answer = posted.answer.as_ref().ok()?;
        let keyed = self.registration.auth_method == AuthMethod::PrivateKeyJwt;
        let refused = match error_of(answer)?.as_str() {
            INVALID_DPOP_PROOF => self.proof.is_some(),
            "invalid_client" => keyed,
            _ => false,
        };
        let date = answer.headers().get(header::DATE)?.to_str().ok();
        Skew::of(date, self.now()).filter(|_| refused)
    }

    async fn prove(
        &self,
        endpoint: &str,
        nonce: Option<&str>,
        now: SystemTime,
    ) -> Result<Option<Secret>, Error> {
        let Some((prover, _)) = self.proof else {
            return Ok(None);
        };
        let request = dpop::Request {
            method: "POST",
            url: endpoint,
            token: None,
            nonce,
        };
        prover.prove(&request, now).await.map(Some)
    }

    async fn assertion(&self, now: SystemTime) -> Result<Option<Secret>, Error> {
        if self.registration.auth_method != AuthMethod::PrivateKeyJwt {
            return Ok(None);
        }
        let id = &self.registration.client_id;
        let key = self.key.ok_or_else(|| {
            Error::config(format!(
                "the client {id} authenticates with a key, and none was given"
            ))
        })?;
        assertion(key, id, self.issuer, now).await.map(Some)
    }

    fn form(
        &self,
        endpoint: &str,
        params: &[(&str, &str)],
        proof: Option<&Secret>,
        assertion: Option<&Secret>,
    ) -> Result<Form, http::Error> {
        let Registration {
            client_id,
            client_secret,
            auth_method,
            ..
        } = self.registration;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(params);
        let mut secrets: Vec<String> = client_secret.iter().flat_map(spellings).collect();
        let made = [assertion, proof].into_iter().flatten();
        secrets.extend(made.map(|made| made.expose().to_owned()));
        let mut request = http::Request::builder()
            .method(Method::POST)
            .uri(endpoint)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(proof) = proof {
            request = request.header(dpop::PROOF, sensitive(proof.expose())?);
        }
        match (auth_method, client_secret, assertion) {
            (AuthMethod::PrivateKeyJwt, _, Some(assertion)) => {
                // The assertion names the client (RFC 7523 section 3).
                form.append_pair("client_assertion_type", ASSERTION_TYPE);
                form.append_pair("client_assertion", assertion.expose());
            }
            (AuthMethod::ClientSecretBasic, Some(secret), _) => {
                let credentials = basic(client_id, secret);
                request = request.header(
                    header::AUTHORIZATION,
                    sensitive(&format!("Basic {credentials}"))?,
                );
                secrets.push(credentials);
            }
            (AuthMethod::ClientSecretPost, Some(secret), _) => {
                form.append_pair("client_id", client_id);
                form.append_pair("client_secret", secret.expose());
            }
            _ => drop(form.append_pair("client_id", client_id)),
        }
        let request = request.body(form.finish().into_bytes())?;
        Ok(Form { request, secrets })
    }
}

fn sensitive(value: &str) -> Result<HeaderValue, http::Error> {
    let mut value = HeaderValue::try_from(value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether a response asks for a nonce in the proof (RFC 9449 section 8).
fn wants_nonce(answer: &Response) -> bool {
    error_of(answer).is_some_and(|error| error == USE_DPOP_NONCE)
}

/// Returns the error code of a 400 or 401.
fn error_of(answer: &Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: String,
    }
    let refused = matches!(
        answer.status(),
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED
    );
    let body: Option<Body> = serde_json::from_slice(answer.body()).ok();
    Some(body.filter(|_| refused)?.error)
}
