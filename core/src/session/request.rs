//! One request to the MCP server, from before it is sent until it is answered for good.

use crate::challenge::{AuthChallenge, Operation};
use crate::error::Error;
use crate::limits::AHEAD_LIMIT;
use crate::oauth::dpop;
use crate::oauth::metadata::origin;
use crate::recovery::{Ask, Means, Trigger};
use crate::runtime::timeout;
use crate::session::AuthSession;
use crate::session::credential::Authorization;
use crate::session::drive::{Conclusion, Manner, drive};
use crate::session::possession::RequestCredential;
use crate::session::progress::{Nonce, Progress};
use crate::session::renewal::RenewalPlan;

/// What a transport does after a response.
#[derive(Debug)]
pub enum Recovery {
    /// Ask [`authorize`](ResourceRequest::authorize) again and send the request once more.
    Retry,
    /// The response is the caller's, as it is.
    PassThrough,
    /// The request failed for good, for this reason.
    Failed(Error),
}

/// One request, remembered over all its tries, so that recovery is bounded.
///
/// ```no_run
/// # use mcp_reauth::{AuthSession, Operation, Recovery, Error, recovery::Trigger};
/// # type Headers = Vec<(&'static str, String)>;
/// # async fn post(url: &str, headers: Headers) -> (u16, Headers) { (200, vec![]) }
/// # async fn run(session: AuthSession) -> Result<(), Error> {
/// let mut request = session.request(Operation::default(), Trigger::Command);
/// let response = loop {
///     let url = session.server();
///     let credential = request.authorize("POST", url).await?;
///     let headers = credential.iter().flat_map(|c| c.headers());
///     let headers = headers.map(|(name, value)| (name, value.to_owned()));
///     let (status, answered) = post(url, headers.collect()).await;
///     match request.recover(status, answered.iter().map(|(name, value)| (*name, value.as_str()))).await {
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
    /// Where it was sent last with a proof, and the nonce in that.
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

    /// Says what it is about, for a transport that looks into a message only when it was rejected.
    pub fn set_operation(&mut self, operation: Operation) {
        self.operation = operation;
    }

    /// Says what it was sent with, for a transport that has sent it already.
    pub fn set_sent(&mut self, authorization: Authorization) {
        self.progress.sent = Some(authorization);
    }

    /// What to send it with to `url`, by the HTTP method `method`. A credential that is about to expire is renewed
    /// first; if that cannot be done now, the old one is sent, and the server has its say.
    ///
    /// # Errors
    /// Only for a credential that is bound to a key (RFC 9449): [`Error::Host`] when the key could not be used or is
    /// not there any more.
    pub async fn authorize(
        &mut self,
        method: &str,
        url: &str,
    ) -> Result<Option<RequestCredential>, Error> {
        self.session.inner().look().await;
        self.renew_ahead().await;
        self.progress.sent = self.session.authorization();
        let Some(authorization) = self.progress.sent.clone() else {
            return Ok(None);
        };
        let inner = self.session.inner();
        let credential = inner.credential(authorization, method, url).await?;
        self.proved = credential.authorization().needs_proof().then(|| {
            let nonce = credential.nonce().map(str::to_owned);
            (url.to_owned(), nonce)
        });
        Ok(Some(credential))
    }

    /// The credential it was sent with last.
    #[must_use]
    pub fn sent(&self) -> Option<&Authorization> {
        self.progress.sent.as_ref()
    }

    async fn renew_ahead(&mut self) {
        let inner = self.session.inner();
        let Some(current) = inner.current.get() else {
            return;
        };
        let Some(means) = inner.due_means(&current) else {
            return;
        };
        let now = inner.now();
        let expired = current.is_expired(now);
        // While the credential is good, an unavailable server is given time.
        let patience = if expired {
            self.trigger
        } else {
            Trigger::Ambient
        };
        if inner.hold.verdict(Some(&current), patience, now).is_some() {
            return;
        }
        let plan = RenewalPlan {
            scopes: inner.settings.scopes.union(current.scopes()),
            of: Some(current.clone()),
            means,
            ask: Ask::Afresh,
            challenge: AuthChallenge::unauthenticated(),
            rediscover: false,
        };
        let renewal = async {
            if means == Means::Mint && !inner.idp_is_ready(patience).await {
                return None;
            }
            inner.renew(plan).await
        };
        let renewal = if expired {
            renewal.await
        } else {
            timeout(&*inner.runtime, AHEAD_LIMIT, renewal)
                .await
                .flatten()
        };
        if let Some(renewal) = renewal
            && renewal.of == Some(current)
        {
            self.progress.note_renewal_ahead(&renewal.end);
        }
    }

    /// What to do about a response: its status and its header fields, of which it reads `WWW-Authenticate`,
    /// `DPoP-Nonce` and `Date`, in any case of letters and wherever they stand. Costs nothing unless the status is 401 or 403, or
    /// the credential is bound to a key.
    pub async fn recover<'a>(
        &mut self,
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Recovery {
        if !matches!(status, 401 | 403) && self.proved.is_none() {
            return Recovery::PassThrough;
        }
        let mut challenges = Vec::new();
        let (mut nonce, mut date) = (None, None);
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("www-authenticate") {
                challenges.push(value);
            } else if name.eq_ignore_ascii_case(dpop::NONCE) {
                nonce = Some(value);
            } else if name.eq_ignore_ascii_case("date") {
                date = Some(value);
            }
        }
        // It may come with any response (RFC 9449 section 8.2).
        let inner = self.session.inner();
        self.progress.proof = match self.proved.take() {
            None => Nonce::Unused,
            Some((url, sent)) => {
                inner.possession.nonces.note(&url, nonce);
                self.progress.retimed = status == 401 && {
                    let now = inner.runtime.now();
                    inner.possession.clocks.note(origin(&url), date, now)
                };
                match nonce.is_some() && nonce != sent.as_deref() {
                    true => Nonce::Fresh,
                    false => Nonce::Known,
                }
            }
        };
        match AuthChallenge::from_response(status, challenges) {
            None => Recovery::PassThrough,
            Some(challenge) => self.recover_from(challenge).await,
        }
    }

    /// What to do where a person is needed and was not asked.
    fn advice(&self) -> &'static str {
        let inner = self.session.inner();
        if inner.host.is_none() {
            "Nobody could be asked, as this session has no host: sign in where somebody can, then try again."
        } else if !inner.settings.policy.interaction {
            "Nobody was asked, as this program's policy has that off: sign in, then try again."
        } else {
            "Nobody was asked, as nobody waited for this: sign in, then try again."
        }
    }

    /// As [`recover`](ResourceRequest::recover), for a challenge that arrived another way, such as inside a
    /// tool result.
    pub async fn recover_from(&mut self, challenge: AuthChallenge) -> Recovery {
        let mut challenge = challenge.with_operation(self.operation.clone());
        self.progress.redact(&mut challenge);
        let inner = self.session.inner();
        let how = Manner {
            trigger: self.trigger,
            confirmed: false,
            // A caller waits for this very request: the user is asked, and not sent away to come back.
            asks: inner.host.is_some(),
            returns: true,
            deliberate: false,
            register_again: false,
        };
        let conclusion = drive(inner, &mut self.progress, &challenge, how).await;
        let interaction_required = |authorization_url: Option<String>| {
            Recovery::Failed(Error::InteractionRequired {
                server: inner.server.clone(),
                challenge: Box::new(challenge),
                next: match &authorization_url {
                    Some(_) => "Sign in there, then try again.",
                    None => self.advice(),
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
