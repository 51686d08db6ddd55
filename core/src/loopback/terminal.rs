//! The ready-made host for programs at a terminal.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::threads::BoxFuture;

use super::prompt::{Prompt, StandardStreams, confirm};
use super::turns::{self, Reservation};
use super::{CallbackListener, DEFAULT_REDIRECT_URI, away, browser, listener};
use crate::error::Error;
use crate::host::{AuthHost, AuthorizationRequest, Authorized, StepUpRequest};
use crate::wording;

/// [`DEFAULT_REDIRECT_URI`] with any free port.
const ANY_PORT: &str = "http://127.0.0.1:0/oauth/callback";

/// The options of a [`TerminalHost`].
#[derive(Debug, Clone)]
pub struct TerminalOptions {
    /// The redirect URI; port 0 means any free port. The default is [`DEFAULT_REDIRECT_URI`] or, if its port is taken,
    /// a free one (RFC 8252 section 7.3); pre-registered clients use only the former.
    pub redirect_uri: Option<String>,
    /// Whether to open the system's browser (it honours `BROWSER`), or only print the URL.
    pub open_browser: bool,
    /// Agree to every step-up without asking.
    pub assume_yes: bool,
    /// What to do if there is no terminal to ask on, in words: the end of an error message.
    pub without_terminal: String,
}

impl TerminalOptions {
    /// Checks that this machine can receive callbacks at `redirect_uri`, if one is set.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence: `must be http on this machine ...`.
    pub fn check(&self) -> Result<(), String> {
        let given = self.redirect_uri.as_deref();
        given.map_or(Ok(()), |uri| listener::receivable(uri).map(drop))
    }
}

impl Default for TerminalOptions {
    fn default() -> Self {
        Self {
            redirect_uri: None,
            open_browser: true,
            assume_yes: false,
            without_terminal: "run it in a terminal".to_owned(),
        }
    }
}

/// Asks on the terminal, opens the browser, and receives the callback on loopback. It prints to standard error, with
/// the authorization URL alone on a line.
///
/// ```no_run
/// # use mcp_reauth::loopback::{TerminalHost, TerminalOptions};
/// # use mcp_reauth::{AuthSession, Error};
/// # async fn open() -> Result<(), Error> {
/// let host = TerminalHost::new(TerminalOptions { open_browser: false, ..TerminalOptions::default() });
/// let session = AuthSession::builder("https://mcp.example.com/mcp").host(host).open().await?;
/// # Ok(()) }
/// ```
pub struct TerminalHost {
    options: TerminalOptions,
    prompt: Arc<dyn Prompt>,
    /// Listeners at ports that were chosen for sign-ins whose page is not open yet.
    reserved: Mutex<Vec<Reservation>>,
}

impl TerminalHost {
    /// Creates a host with these options.
    #[must_use]
    pub fn new(options: TerminalOptions) -> Self {
        Self {
            options,
            prompt: Arc::new(StandardStreams),
            reserved: Mutex::default(),
        }
    }

    /// Shows and asks with `prompt`, in place of standard error and standard input.
    #[must_use]
    pub fn prompt(mut self, prompt: impl Prompt + 'static) -> Self {
        self.prompt = Arc::new(prompt);
        self
    }

    /// Keeps a listener open until its sign-in shows the page, and returns its URI.
    fn reserve(&self, listener: CallbackListener) -> String {
        let uri = listener.redirect_uri().to_owned();
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        reserved.retain(Reservation::is_open);
        reserved.push(Reservation::new(listener));
        uri
    }

    /// Returns the URI that the application gave.
    async fn given_address(&self, given: &str) -> Result<String, Error> {
        if CallbackListener::port_of(given)? == 0 {
            return Ok(self.reserve(CallbackListener::bind(given).await?));
        }
        // The host listens there only while a page is shown; until then, no sign-in holds the port.
        turns::check(given).await?;
        Ok(given.to_owned())
    }

    /// Returns the default URI, or a substitute while another program holds its port.
    async fn any_address(&self) -> Result<String, Error> {
        let listener = match CallbackListener::bind(DEFAULT_REDIRECT_URI).await {
            Ok(listener) => listener,
            Err(taken) => {
                tracing::debug!(error = %taken, "the default callback address is in use, so any free port is used");
                CallbackListener::bind(ANY_PORT).await?
            }
        };
        Ok(self.reserve(listener))
    }

    async fn wait(&self, request: &AuthorizationRequest) -> Result<Authorized, Error> {
        let listener = CallbackListener::bind_in_turn(&request.redirect_uri).await?;
        let at = match request.at_identity_provider {
            true => &request.issuer,
            false => &request.server,
        };
        say(&*self.prompt, &wording::in_progress(at));
        say(&*self.prompt, &request.url);
        if let Some(advice) = away::advice(&request.redirect_uri) {
            say(&*self.prompt, &advice);
        }
        if self.options.open_browser {
            let prompt = Arc::clone(&self.prompt);
            browser::open(&request.url, move |why| {
                let next = "Open the URL above yourself.";
                say(
                    &*prompt,
                    &format!("The browser could not be opened ({why}). {next}"),
                );
            });
        }
        listener
            .wait(&request.state)
            .await
            .map(Authorized::Callback)
    }
}

impl Default for TerminalHost {
    fn default() -> Self {
        Self::new(TerminalOptions::default())
    }
}

impl fmt::Debug for TerminalHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, .. } = self;
        f.debug_struct("TerminalHost")
            .field("options", options)
            .finish_non_exhaustive()
    }
}

impl AuthHost for TerminalHost {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async {
            match &self.options.redirect_uri {
                Some(given) => self.given_address(given).await,
                None => self.any_address().await,
            }
        })
    }

    fn registered_redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async {
            let Some(given) = &self.options.redirect_uri else {
                turns::check(DEFAULT_REDIRECT_URI)
                    .await
                    .map_err(registered)?;
                return Ok(DEFAULT_REDIRECT_URI.to_owned());
            };
            self.given_address(given).await
        })
    }

    fn confirm_step_up(&self, request: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            let show = || say(&*self.prompt, &at_stake(&request));
            if self.options.assume_yes {
                show();
                return Ok(true);
            }
            if !self.prompt.is_terminal() {
                show();
                let advice = &self.options.without_terminal;
                let reason = format!("there is no terminal to ask on; {advice}");
                return Err(Error::host(reason));
            }
            confirm(&*self.prompt, show).await
        })
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        Box::pin(async move { self.wait(&request).await })
    }

    fn sign_in_elsewhere(&self, server: &str) -> BoxFuture<'_, ()> {
        say(&*self.prompt, &wording::in_progress_elsewhere(server));
        Box::pin(std::future::ready(()))
    }
}

/// Adds that no other URI would do.
fn registered(error: Error) -> Error {
    match error {
        Error::Host { detail, .. } => Error::host(format!(
            "{detail} that the client is registered for; a pre-registered client cannot use any other"
        )),
        other => other,
    }
}

/// Describes what the user is asked to agree to.
fn at_stake(request: &StepUpRequest) -> String {
    let StepUpRequest {
        server,
        challenge,
        new_scopes,
        identity_provider,
        ..
    } = request;
    let title = wording::step_up_title(challenge);
    let body = match identity_provider {
        Some(_) => wording::organization_step_up_body(server, challenge, new_scopes),
        None => wording::step_up_body(server, challenge, new_scopes),
    };
    format!("{title}: {body}")
}

/// Shows a line, escaped so that nothing in it controls the terminal.
fn say(prompt: &dyn Prompt, line: &str) {
    prompt.show(&wording::escaped(line));
}
