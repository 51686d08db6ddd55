//! One request to the MCP server, from before it is sent until its final response.

use ::http::StatusCode;
use ::http::header::{DATE, HeaderMap, HeaderName, WWW_AUTHENTICATE};

use crate::challenge::{AuthChallenge, Operation};
use crate::error::Error;
use crate::limits::AHEAD_LIMIT;
use crate::oauth::dpop;
use crate::oauth::metadata::origin;
use crate::recovery::{Means, Scoping, Trigger};
use crate::runtime::timeout;
use crate::session::AuthSession;
use crate::session::client::possession::RequestCredential;
use crate::session::drive::{Mode, drive};
use crate::session::held::credential::Authorization;
use crate::session::outcome::Conclusion;
use crate::session::progress::{Nonce, Progress};
use crate::session::ways::RenewalPlan;
use crate::text::header_text;
use crate::wording::next;

/// What a transport does after a response.
#[derive(Debug)]
pub enum Recovery {
    /// Call [`authorize`](ResourceRequest::authorize) again and send the request once more.
    Retry,
    /// Return the response to the caller unchanged.
    PassThrough,
    /// The request failed with this error; do not send it again.
    Failed(Error),
}

/// One request, over all its tries, so that recovery is bounded. For MCP over HTTP, use
/// [`mcp::Exchange`](crate::mcp::Exchange), which also handles redirects, event streams and challenges inside messages.
///
/// ```no_run
/// # use mcp_reauth::http::{HeaderMap, StatusCode};
/// # use mcp_reauth::{AuthSession, Operation, Recovery, Error, Trigger};
/// # async fn post(url: &str, headers: HeaderMap) -> (StatusCode, HeaderMap) { (StatusCode::OK, HeaderMap::new()) }
/// # async fn run(session: AuthSession) -> Result<(), Error> {
/// let mut request = session.request(Operation::default(), Trigger::Command);
/// let response = loop {
///     let (url, mut headers) = (session.server(), HeaderMap::new());
///     if let Some(credential) = request.authorize("POST", url).await? {
///         credential.insert_into(&mut headers);
///     }
///     let (status, answered) = post(url, headers).await;
///     match request.recover(status, &answered).await {
///         Recovery::Retry => {}
///         Recovery::PassThrough => break status,
///         Recovery::Failed(error) => return Err(error),
///     }
/// };
/// # Ok(()) }
/// ```
pub struct ResourceRequest {
    session: AuthSession,
    operation: Operation,
    trigger: Trigger,
    progress: Progress,
    /// The URL it was last sent to with a proof, and the nonce of that proof.
    proved: Option<(String, Option<String>)>,
}

impl ResourceRequest {
    pub(crate) fn new(session: AuthSession, operation: Operation, trigger: Trigger) -> Self {
        Self {
            progress: Progress::new(session.authorization()),
            session,
            operation,
            trigger,
            proved: None,
        }
    }

    /// Sets the operation, for a transport that parses a message only after it was rejected.
    pub fn set_operation(&mut self, operation: Operation) {
        self.operation = operation;
    }

    /// Sets the credential it was sent with, for a transport that has already sent it.
    pub fn set_sent(&mut self, authorization: Authorization) {
        self.progress.sent = Some(authorization);
    }

    /// Returns the credential to send to `url` with the HTTP method `method`. Renews a credential that expires soon; if
    /// that fails, returns the old one, which the server may still accept.
    ///
    /// # Errors
    /// Only for a credential that is bound to a key (RFC 9449): [`Error::Host`] if the key could not be used or is
    /// missing.
    pub async fn authorize(
        &mut self,
        method: &str,
        url: &str,
    ) -> Result<Option<RequestCredential>, Error> {
        self.session.inner().held.look().await;
        self.renew_ahead().await;
        self.progress.sent = self.session.authorization();
        let Some(authorization) = self.progress.sent.clone() else {
            return Ok(None);
        };
        let inner = self.session.inner();
        let (possession, runtime) = (&inner.client.possession, &*inner.held.runtime);
        let credential = possession
            .credential(runtime, authorization, method, url)
            .await?;
        self.proved = credential.authorization().needs_proof().then(|| {
            let nonce = credential.nonce().map(str::to_owned);
            (url.to_owned(), nonce)
        });
        Ok(Some(credential))
    }

    /// Returns the credential it was last sent with.
    #[must_use]
    pub fn sent(&self) -> Option<&Authorization> {
        self.progress.sent.as_ref()
    }

    async fn renew_ahead(&mut self) {
        let inner = self.session.inner();
        let Some(current) = inner.held.current() else {
            return;
        };
        let Some(means) = inner.ways.due_means(&current) else {
            return;
        };
        let now = inner.held.now();
        let expired = current.is_expired(now);
        // While the credential is valid, respect the backoff after failures.
        let patience = if expired {
            self.trigger
        } else {
            Trigger::Ambient
        };
        if inner
            .renewals
            .backoff
            .verdict(Some(&current), patience, now)
            .is_some()
        {
            return;
        }
        let plan = RenewalPlan {
            scopes: inner.settings.scopes.union(current.scopes()),
            credential: Some(current.clone()),
            means,
            ask: Scoping::Unchanged,
            challenge: AuthChallenge::unauthenticated(),
            rediscover: false,
        };
        let renewal = async {
            if means == Means::TokenExchange && !inner.can_mint(patience).await {
                return None;
            }
            inner.renewals.renew(plan).await.ok()
        };
        let renewal = if expired {
            renewal.await
        } else {
            timeout(&*inner.held.runtime, AHEAD_LIMIT, renewal)
                .await
                .flatten()
        };
        if let Some(renewal) = renewal
            && renewal.credential == Some(current)
        {
            self.progress.note_renewal_ahead(&renewal.end);
        }
    }

    /// Decides what to do about a response. Reads its status and the header fields `WWW-Authenticate`, `DPoP-Nonce` and
    /// `Date`. Does nothing unless the status is 401 or 403 or the credential is bound to a key.
    pub async fn recover(&mut self, status: StatusCode, headers: &HeaderMap) -> Recovery {
        let rejected = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if !rejected && self.proved.is_none() {
            return Recovery::PassThrough;
        }
        self.note_proof(status, headers);
        let lines = headers.get_all(WWW_AUTHENTICATE).iter();
        let lines: Vec<_> = lines.map(|line| header_text(line.as_bytes())).collect();
        match AuthChallenge::from_response(status.as_u16(), lines.iter().map(|line| &**line)) {
            None => Recovery::PassThrough,
            Some(challenge) => self.recover_from(challenge).await,
        }
    }

    /// Records what a response says about the proof that was sent. Any response may provide a nonce (RFC 9449 section
    /// 8.2).
    fn note_proof(&mut self, status: StatusCode, headers: &HeaderMap) {
        let last = |name| {
            let value = headers.get_all(name).iter().next_back()?;
            Some(header_text(value.as_bytes()))
        };
        let inner = self.session.inner();
        self.progress.nonce = match self.proved.take() {
            None => Nonce::Unused,
            Some((url, sent)) => {
                let nonce = last(HeaderName::from_static(dpop::NONCE));
                inner.client.possession.nonces.note(&url, nonce.as_deref());
                self.progress.retimed = status == StatusCode::UNAUTHORIZED && {
                    let (now, date) = (inner.held.runtime.now(), last(DATE));
                    let clocks = &inner.client.possession.clocks;
                    clocks.note(origin(&url), date.as_deref(), now)
                };
                match nonce.is_some() && nonce.as_deref() != sent.as_deref() {
                    true => Nonce::Fresh,
                    false => Nonce::Known,
                }
            }
        };
    }

    /// Returns the advice for a request that needed the user, who was not asked.
    fn next(&self) -> &'static str {
        let inner = self.session.inner();
        if !inner.user.has_host() {
            next::NO_HOST
        } else if !inner.settings.policy.interaction {
            next::INTERACTION_DISABLED
        } else {
            next::NO_CALLER
        }
    }

    /// As [`recover`](ResourceRequest::recover), for a challenge that arrived another way, such as inside a tool
    /// result.
    pub async fn recover_from(&mut self, challenge: AuthChallenge) -> Recovery {
        let mut challenge = challenge.with_operation(self.operation.clone());
        self.progress.redact(&mut challenge);
        let inner = self.session.inner();
        let mode = Mode {
            trigger: self.trigger,
            confirmed: false,
            returns: true,
            deliberate: false,
            register_again: false,
        };
        let conclusion = drive(inner, &mut self.progress, &challenge, mode).await;
        let interaction_required = |authorization_url: Option<String>| {
            Recovery::Failed(Error::InteractionRequired {
                server: inner.held.server().to_owned(),
                challenge: Box::new(challenge),
                next: match &authorization_url {
                    Some(_) => next::SIGN_IN_THERE,
                    None => self.next(),
                },
                authorization_url,
            })
        };
        match conclusion {
            Conclusion::Retry => Recovery::Retry,
            Conclusion::PassThrough => Recovery::PassThrough,
            Conclusion::ConfirmStepUp => interaction_required(None),
            Conclusion::Interactive(started) => interaction_required(started.map(|(url, _)| url)),
            Conclusion::Failed(error) => Recovery::Failed(error),
        }
    }
}

impl std::fmt::Debug for ResourceRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResourceRequest")
            .field("operation", &self.operation)
            .field("trigger", &self.trigger)
            .finish_non_exhaustive()
    }
}
