//! The terminal host, for applications that read and write their terminal themselves.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::loopback::{Prompt, TerminalHost, TerminalOptions};
use mcp_reauth::{AuthHost, Error};
use serde::Deserialize;

use crate::answer::{PendingAnswer, answer, read, run_cancellable};
use crate::bridge::{Bridge, Caller};
use crate::call::Call;
use crate::cancel::{Cancel, Cancelled};
use crate::refused::CallFailure;

/// Asks, shows pages and receives callbacks as core's `TerminalHost` does; the application reads what the user types.
pub struct Loopback(Arc<TerminalHost>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Options {
    redirect_uri: Option<String>,
    open_browser: bool,
    assume_yes: bool,
    /// Whether the application has a terminal to ask the user on.
    is_terminal: bool,
    /// The advice to print if there is no terminal.
    without_terminal: String,
}

/// The application's terminal.
struct AppPrompt {
    caller: Caller,
    is_terminal: bool,
}

impl Prompt for AppPrompt {
    fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    fn show(&self, line: &str) {
        let line = line.to_owned();
        self.caller.tell(&Call::Show { line });
    }

    fn ask(&self, question: &str) -> BoxFuture<'_, Result<String, Error>> {
        let question = question.to_owned();
        Box::pin(async move {
            let asked = self.caller.ask(Call::Question { question }).await;
            asked.map_err(CallFailure::host)
        })
    }
}

fn terminal_options(options: &str) -> Result<(TerminalOptions, bool), Error> {
    let options: Options = read("the options", options)?;
    let is_terminal = options.is_terminal;
    let options = TerminalOptions {
        redirect_uri: options.redirect_uri,
        open_browser: options.open_browser,
        assume_yes: options.assume_yes,
        without_terminal: options.without_terminal,
    };
    // Names the option and never quotes its value.
    let wrong = |why| Error::config(format!("redirectUri {why}"));
    options.check().map_err(wrong)?;
    Ok((options, is_terminal))
}

impl Loopback {
    /// Creates a host with these JSON options. `id` identifies it in its questions.
    ///
    /// # Errors
    /// An answer that names the invalid option.
    pub fn new(options: &str, bridge: &Bridge, id: u32) -> Result<Self, String> {
        let read = terminal_options(options).map_err(|error| answer(&Err::<(), _>(error)));
        let (options, is_terminal) = read?;
        let caller = bridge.caller(id);
        let host = TerminalHost::new(options).prompt(AppPrompt {
            caller,
            is_terminal,
        });
        Ok(Self(Arc::new(host)))
    }

    /// Resolves to the redirect URI of the next sign-in; `registered`: the client is already registered with fixed
    /// redirect URIs.
    pub fn redirect_uri(&self, registered: bool, cancel: Option<&Cancel>) -> PendingAnswer {
        let host = Arc::clone(&self.0);
        run_cancellable(Cancelled::never().or(cancel), async move {
            match registered {
                true => host.registered_redirect_uri().await,
                false => host.redirect_uri().await,
            }
        })
    }

    /// Asks the user to confirm a step-up, and resolves to whether the user agrees. Questions keep the order of these
    /// calls. Must be called within the runtime.
    pub fn confirm_step_up(&self, request: String, cancel: Option<&Cancel>) -> PendingAnswer {
        let host = Arc::clone(&self.0);
        let mut asking = run_cancellable(Cancelled::never().or(cancel), async move {
            let request: StepUpRequest = read("the step-up request", &request)?;
            host.confirm_step_up(request).await
        });
        // The first poll takes its place in the queue.
        match (&mut asking).now_or_never() {
            Some(answer) => Box::pin(ready(answer)),
            None => asking,
        }
    }

    /// Opens the page of an authorization request, and resolves to the callback's address.
    pub fn authorize(&self, request: String, cancel: Option<&Cancel>) -> PendingAnswer {
        let host = Arc::clone(&self.0);
        run_cancellable(Cancelled::never().or(cancel), async move {
            let request: AuthorizationRequest = read("the authorization request", &request)?;
            match host.authorize(request).await? {
                Authorized::Callback(callback) => Ok(callback.expose().to_owned()),
                Authorized::Elsewhere => Err(Error::host("the callback comes elsewhere")),
            }
        })
    }

    /// Tells the user that another session or program has the sign-in page open.
    pub fn sign_in_elsewhere(&self, server: String) -> impl Future<Output = ()> + Send + 'static {
        let host = Arc::clone(&self.0);
        async move { host.sign_in_elsewhere(&server).await }
    }
}
