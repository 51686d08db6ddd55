//! One request to the MCP server, from before it is sent until it is answered for good.

use std::time::Duration;

use crate::challenge::{AuthChallenge, Operation};
use crate::error::Error;
use crate::recovery::Trigger;
use crate::runtime::timeout;
use crate::session::AuthSession;
use crate::session::credential::Authorization;
use crate::session::drive::{Conclusion, Progress, drive};
use crate::session::renewal::RenewalPlan;

/// How long a request waits for a renewal that it does not depend on. The renewal goes on.
const AHEAD_LIMIT: Duration = Duration::from_secs(5);

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
/// # async fn send(header: Option<&str>) -> (u16, Vec<String>) { (200, vec![]) }
/// # async fn run(session: AuthSession) -> Result<(), Error> {
/// let mut request = session.request(Operation::default(), Trigger::Command);
/// let response = loop {
///     let authorization = request.authorize().await;
///     let header = authorization.as_ref().map(|a| a.header_value());
///     let (status, www_authenticate) = send(header).await;
///     match request.recover(status, www_authenticate.iter().map(String::as_str)).await {
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
}

impl ResourceRequest {
    pub(crate) fn new(session: AuthSession, operation: Operation, trigger: Trigger) -> Self {
        Self {
            progress: Progress::new(session.authorization()),
            session,
            operation,
            trigger,
        }
    }

    /// The credential to send it with. One that is about to expire is renewed first; if that cannot be done
    /// now, the old one is sent, and the server has its say.
    pub async fn authorize(&mut self) -> Option<Authorization> {
        self.renew_ahead().await;
        self.progress.sent = self.session.authorization();
        self.progress.sent.clone()
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
        let now = inner.now();
        let ahead = inner.policy.refresh_ahead.as_secs();
        let Some(means) = inner.renewal_means(&current) else {
            return;
        };
        if !current.is_due(now, ahead) {
            return;
        }
        let expired = current.is_expired(now);
        // While the credential is good, a server in trouble is given time.
        let patience = if expired {
            self.trigger
        } else {
            Trigger::Ambient
        };
        if inner.hold.verdict(Some(&current), patience, now).is_some() {
            return;
        }
        let plan = RenewalPlan {
            scopes: inner.scopes.union(current.scopes()),
            of: Some(current.clone()),
            means,
            challenge: AuthChallenge::unauthenticated(),
            rediscover: false,
        };
        let renewal = inner.renew(plan);
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
            self.progress.note_renewal(&renewal.end);
        }
    }

    /// What to do about a response: its status and its `WWW-Authenticate` field lines. Costs nothing unless
    /// the status is 401 or 403.
    pub async fn recover<'a>(
        &mut self,
        status: u16,
        www_authenticate: impl IntoIterator<Item = &'a str>,
    ) -> Recovery {
        match AuthChallenge::from_response(status, www_authenticate) {
            None => Recovery::PassThrough,
            Some(challenge) => self.recover_from(challenge).await,
        }
    }

    /// As [`recover`](ResourceRequest::recover), for a challenge that arrived another way, such as inside a
    /// tool result.
    pub async fn recover_from(&mut self, challenge: AuthChallenge) -> Recovery {
        let mut challenge = challenge.with_operation(self.operation.clone());
        self.progress.redact(&mut challenge);
        let inner = self.session.inner();
        let conclusion = drive(inner, &mut self.progress, &challenge, self.trigger, false).await;
        let interaction_required = |authorization_url| {
            Recovery::Failed(Error::InteractionRequired {
                server: inner.server.clone(),
                challenge: Box::new(challenge),
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
