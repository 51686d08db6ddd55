//! Access to the user, through the application's host.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::Error;
use crate::host::{AuthHost, check_redirect_uri};
use crate::runtime::{Runtime, timeout};
use crate::settings::Settings;
use crate::signal::Signal;

/// The application's host, with limits on waiting for it.
pub(crate) struct User {
    host: Option<Arc<dyn AuthHost>>,
    settings: Arc<Settings>,
    runtime: Arc<dyn Runtime>,
    /// The application has dropped or closed the session.
    closed: AtomicBool,
    closing: Signal,
}

impl User {
    pub(crate) fn new(
        host: Option<Arc<dyn AuthHost>>,
        settings: Arc<Settings>,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        Self {
            host,
            settings,
            runtime,
            closed: AtomicBool::new(false),
            closing: Signal::default(),
        }
    }

    /// Whether the session has a host.
    pub(crate) fn has_host(&self) -> bool {
        self.host.is_some()
    }

    /// # Errors
    /// [`Error::Config`] if the session has no host.
    pub(crate) fn host(&self) -> Result<&dyn AuthHost, Error> {
        let host = self.host.as_deref();
        host.ok_or_else(|| Error::config("sign-in needs a host, and the session has none"))
    }

    /// Ends every wait for the user; later waits end at once.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.closing.notify();
    }

    /// Returns how long the policy waits for the user.
    pub(crate) fn patience(&self) -> Duration {
        self.settings.policy.interaction_timeout
    }

    /// Waits for the user's answer, for as long as the policy allows and the application keeps the session. Only this
    /// wait can be cancelled: the exchange of a code always runs to its end.
    ///
    /// # Errors
    /// Those of `answer`; [`Error::Cancelled`] if the session was closed; [`Error::Timeout`].
    pub(crate) async fn within_patience<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = self.patience();
        let closed = self.closing.until(|| self.closed.load(Ordering::SeqCst));
        tokio::select! {
            biased;
            // Checked first, so that no page opens for a session that was closed.
            () = closed => Err(Error::Cancelled { what }),
            answered = timeout(&*self.runtime, limit, answer) => answered.unwrap_or_else(|| {
                Err(Error::Timeout {
                    what: what.to_owned(),
                    seconds: limit.as_secs(),
                })
            }),
        }
    }

    /// Returns the redirect URI: the setting, else the one that the host returns, which is validated (RFC 6749 section
    /// 3.1.2). `registered`: the client is already registered for certain URIs.
    ///
    /// # Errors
    /// [`Error::Host`] if the host cannot receive a callback.
    pub(crate) async fn redirect_uri(&self, registered: bool) -> Result<String, Error> {
        if let Some(uri) = &self.settings.redirect_uri {
            return Ok(uri.clone());
        }
        let host = self.host()?;
        let said = match registered {
            true => host.registered_redirect_uri(),
            false => host.redirect_uri(),
        };
        let uri = self.within_patience("The sign-in", said).await?;
        check_redirect_uri(&uri).map_err(Error::host)?;
        Ok(uri)
    }
}
