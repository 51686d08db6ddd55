//! The host of programs at a terminal, for applications that reach their terminal by themselves.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::loopback::{Prompt, TerminalHost, TerminalOptions};
use mcp_reauth::{AuthHost, Error};
use serde::Deserialize;

use crate::answer::{PendingAnswer, answer, read, settled};
use crate::bridge::{Bridge, Caller};
use crate::call::Call;
use crate::cancel::{Cancel, Cancelled};
use crate::refused::Refused;

/// Asks, shows pages and receives callbacks as core's `TerminalHost`; what a person types, the application reads.
pub struct Loopback(Arc<TerminalHost>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Options {
    redirect_uri: Option<String>,
    open_browser: bool,
    assume_yes: bool,
    /// A person can be asked where the application shows and reads lines.
    is_terminal: bool,
    /// What to do where there is no terminal to ask on.
    without_terminal: String,
}

/// The application's way to show and to ask at the terminal.
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
            asked.map_err(Refused::host)
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
    // Options are told by name, and never quoted.
    let wrong = |why| Error::config(format!("redirectUri {why}"));
    options.check().map_err(wrong)?;
    Ok((options, is_terminal))
}

impl Loopback {
    /// With these options, in JSON. `id` is what its questions name it by.
    ///
    /// # Errors
    /// The answer that tells which option cannot work.
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

    /// Answers where the callback of the next sign-in comes; `registered`: its client is registered for certain addresses
    /// already.
    pub fn redirect_uri(&self, registered: bool, cancel: Option<&Cancel>) -> PendingAnswer {
        let host = Arc::clone(&self.0);
        settled(Cancelled::never().or(cancel), async move {
            match registered {
                true => host.registered_redirect_uri().await,
                false => host.redirect_uri().await,
            }
        })
    }

    /// Asks whether to agree to a step-up request, and answers whether the person does. Questions are asked in the order of
    /// these calls, each of which is made within the runtime.
    pub fn confirm_step_up(&self, request: String, cancel: Option<&Cancel>) -> PendingAnswer {
        let host = Arc::clone(&self.0);
        let mut asking = settled(Cancelled::never().or(cancel), async move {
            let request: StepUpRequest = read("the step-up request", &request)?;
            host.confirm_step_up(request).await
        });
        // It takes its place in the line when it is polled first.
        match (&mut asking).now_or_never() {
            Some(answer) => Box::pin(ready(answer)),
            None => asking,
        }
    }

    /// Sends the person to the page of an authorization request, and answers the address they came back by.
    pub fn authorize(&self, request: String, cancel: Option<&Cancel>) -> PendingAnswer {
        let host = Arc::clone(&self.0);
        settled(Cancelled::never().or(cancel), async move {
            let request: AuthorizationRequest = read("the authorization request", &request)?;
            match host.authorize(request).await? {
                Authorized::Callback(callback) => Ok(callback.expose().to_owned()),
                Authorized::Elsewhere => Err(Error::host("the callback comes elsewhere")),
            }
        })
    }

    /// Says that a sign-in goes on elsewhere.
    pub fn sign_in_elsewhere(&self, server: String) -> impl Future<Output = ()> + Send + 'static {
        let host = Arc::clone(&self.0);
        async move { host.sign_in_elsewhere(&server).await }
    }
}
