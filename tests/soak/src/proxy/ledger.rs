//! Records the tokens and codes presented at a token endpoint, and the results.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use percent_encoding::percent_decode_str;

use super::http::{Head, Request};
use super::rules::Part;
use crate::wire::now;

/// A presentation of a refresh token.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) at: u64,
    /// When the request reached the server; `None` if it never did.
    pub(crate) seen: Option<u64>,
    /// Whether the server processed it and issued another token.
    pub(crate) acted: bool,
    /// When the whole response was delivered; `None` if it never was.
    pub(crate) delivered: Option<u64>,
}

/// A presentation of an authorization code.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) at: u64,
    /// The status of the response.
    pub(crate) answer: Option<u16>,
    /// Whether the response asked for another try.
    pub(crate) again: bool,
}

/// All presentations, and the number of requests to each part.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) refreshes: HashMap<String, Vec<Refresh>>,
    pub(crate) codes: HashMap<String, Vec<Code>>,
    pub(crate) verifiers: Vec<String>,
    pub(crate) requests: BTreeMap<Part, u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

/// Identifies a presentation, to record its result.
#[derive(Debug)]
pub(crate) enum Ticket {
    Nothing,
    Refresh(String, usize),
    Code(String, usize),
}

impl Ledger {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request.
    pub(crate) fn presented(&self, part: Part, request: &Request) -> Ticket {
        let mut entries = self.lock();
        *entries.requests.entry(part).or_default() += 1;
        if !part.is_token() {
            return Ticket::Nothing;
        }
        let body = String::from_utf8_lossy(&request.body);
        entries.verifiers.extend(field(&body, "code_verifier"));
        if let Some(token) = field(&body, "refresh_token") {
            let presented = entries.refreshes.entry(token.clone()).or_default();
            presented.push(Refresh {
                at: now(),
                seen: None,
                acted: false,
                delivered: None,
            });
            return Ticket::Refresh(token, presented.len() - 1);
        }
        let Some(code) = field(&body, "code") else {
            return Ticket::Nothing;
        };
        let presented = entries.codes.entry(code.clone()).or_default();
        presented.push(Code {
            at: now(),
            answer: None,
            again: false,
        });
        Ticket::Code(code, presented.len() - 1)
    }

    /// Records that the request reached the server.
    pub(crate) fn seen(&self, ticket: &Ticket) {
        if let Ticket::Refresh(token, index) = ticket
            && let Some(refresh) = self.lock().refreshes.get_mut(token)
        {
            refresh[*index].seen = Some(now());
        }
    }

    /// Records the server's response.
    pub(crate) fn acted(&self, ticket: &Ticket, status: u16) {
        if let Ticket::Refresh(token, index) = ticket
            && let Some(refresh) = self.lock().refreshes.get_mut(token)
        {
            refresh[*index].acted = status == 200;
        }
    }

    /// Records the response to the client.
    pub(crate) fn answered(&self, ticket: &Ticket, head: &Head, body: &[u8]) {
        if let Ticket::Code(code, index) = ticket
            && let Some(codes) = self.lock().codes.get_mut(code)
        {
            let later = matches!(head.status, 429 | 503) && head.header("retry-after").is_some();
            let nonce = String::from_utf8_lossy(body).contains("use_dpop_nonce");
            codes[*index].answer = Some(head.status);
            codes[*index].again = later || nonce;
        }
    }

    /// Records that the client received the whole response.
    pub(crate) fn delivered(&self, ticket: &Ticket) {
        if let Ticket::Refresh(token, index) = ticket
            && let Some(refresh) = self.lock().refreshes.get_mut(token)
        {
            refresh[*index].delivered = Some(now());
        }
    }
}

fn field(form: &str, name: &str) -> Option<String> {
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(own, _)| *own == name)?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}
