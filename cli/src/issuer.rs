//! Asks once, on a terminal, where a client's secret may be sent.

use std::io::{self, IsTerminal, Write};

use mcp_reauth::Error;

use crate::args::{Args, Command, ConnectArgs};
use crate::failure::Failure;
use crate::output;

/// Returns the command with the issuer that the user confirmed at the terminal, if it failed because the issuer was
/// unknown. No secret was sent before. The grant records the issuer, so later commands do not ask.
pub(crate) fn confirmed(args: &Args, failure: &Failure) -> Option<Args> {
    let Failure::Auth(Error::ClientIssuerUnknown {
        server,
        client_id,
        issuer,
    }) = failure
    else {
        return None;
    };
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    output::say(format_args!(
        "The client \"{client_id}\" has a secret, a key or assertions. {server} names {issuer} as the server to send them to. Agree only if the client is registered there."
    ));
    agrees().then(|| {
        let mut args = args.clone();
        if let Some(connect) = connect(&mut args.command) {
            connect.client.client_issuer = Some(issuer.clone());
        }
        args
    })
}

fn agrees() -> bool {
    let _ = write!(io::stderr(), "Send them there? [y/N] ");
    let _ = io::stderr().flush();
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    read.is_ok() && matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

fn connect(command: &mut Command) -> Option<&mut ConnectArgs> {
    match command {
        Command::List(args) => Some(&mut args.connect),
        Command::Call(args) => Some(&mut args.connect),
        Command::Login(args) => Some(&mut args.connect),
        _ => None,
    }
}
