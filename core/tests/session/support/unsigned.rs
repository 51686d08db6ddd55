//! Replaces `signed` in builds without signatures: no identity provider, assertions or proofs.

use serde_json::Value;

use super::log::Seen;
use super::runtime::TestRuntime;

#[derive(Default)]
pub(crate) struct Assertions;

impl Assertions {
    pub(crate) fn client(&mut self, _: &Seen, _: &str, _: u64) -> Option<String> {
        None
    }

    pub(crate) fn workload(&mut self, _: &str, _: &str, _: u64) -> bool {
        false
    }
}

pub(crate) struct IdentityProvider;

pub(crate) struct Vouched {
    pub(crate) resource: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) acr: String,
    pub(crate) signed_in_at: u64,
}

impl IdentityProvider {
    pub(crate) fn new(_: TestRuntime) -> Self {
        Self
    }

    pub(crate) fn metadata(&self) -> (u16, Value) {
        (404, Value::Null)
    }

    pub(crate) fn keys(&self) -> (u16, Value) {
        (404, Value::Null)
    }

    pub(crate) fn answer(&mut self, _: &Seen, _: &str) -> (u16, Value) {
        (404, Value::Null)
    }

    pub(crate) fn authorize(&mut self, seen: &Seen) -> String {
        panic!("there is no identity provider: {seen:?}");
    }

    pub(crate) fn vouched(&mut self, _: &str, _: &str, _: u64) -> Option<Vouched> {
        None
    }
}

#[derive(Default)]
pub(crate) struct Proofs {
    pub(crate) required: bool,
    pub(crate) announced: bool,
    pub(crate) offered: bool,
    pub(crate) algorithms: Vec<&'static str>,
}

impl Proofs {
    pub(crate) fn check(
        &mut self,
        _: &Seen,
        _: Option<&str>,
        _: u64,
    ) -> Result<Option<String>, Refused> {
        Ok(None)
    }

    pub(crate) fn nonce(&self, _: &str) -> Option<String> {
        None
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Refused {
    Nonce,
    Proof,
}
