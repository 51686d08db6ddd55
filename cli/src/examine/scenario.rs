//! A scenario, its limits, and how its result is judged.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use mcp_reauth_fixture::Counters;
use serde::Serialize;

use super::client::Unanswered;
use super::stage::Stage;
use crate::failure::Failure;

/// One situation, from a fresh server, a fresh store and no running client.
pub(super) struct Scenario {
    /// The name for `--only`.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) limit: Limit,
    pub(super) play: for<'a> fn(&'a mut Stage) -> BoxFuture<'a, Played>,
}

/// How a scenario was played. A failure means that it could not be examined.
pub(super) type Played = Result<(), Stopped>;

/// Why a scenario was not played to its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The client has failed, which is recorded.
    Judged,
    /// The suite has failed.
    Broken(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Broken(failure)
    }
}

/// What a client may need, beyond the requests that the server accepts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// Rejected MCP requests and all requests that are not MCP: metadata, registration, tokens.
    pub(super) extra: u64,
    /// Token requests.
    pub(super) tokens: u64,
    pub(super) prompts: u64,
    /// What more requests or prompts are called.
    pub(super) excess: Kind,
}

impl Limit {
    /// At most this many additional requests and token requests, and no prompt.
    pub(super) const fn silent(extra: u64, tokens: u64) -> Self {
        Self::prompting(extra, tokens, 0)
    }

    pub(super) const fn prompting(extra: u64, tokens: u64, prompts: u64) -> Self {
        Self {
            extra,
            tokens,
            prompts,
            excess: Kind::Excess,
        }
    }

    /// Where the server never accepts a request, a client that exceeds the limit loops.
    pub(super) const fn or_it_loops(mut self) -> Self {
        self.excess = Kind::Looped;
        self
    }
}

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A call that should have succeeded failed.
    Unanswered,
    /// A command had no result, or the client did not end.
    Hung,
    /// More requests or prompts than necessary.
    Excess,
    /// A grant, its scopes or a registration was lost.
    Lost,
    /// A secret was printed or sent where it does not belong.
    Leaked,
    /// Requests or prompts without an end.
    Looped,
    /// An attack succeeded.
    Fooled,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(super) fn of(what: &str, unanswered: &Unanswered) -> Self {
        let kind = match unanswered {
            Unanswered::Hung(_) => Kind::Hung,
            Unanswered::Failed(_) | Unanswered::Ended => Kind::Unanswered,
        };
        Self::new(kind, format!("{what}: {unanswered}"))
    }
}

/// The requests of the measured part of a scenario.
///
/// Event streams (GET) are left out, because clients open them at times of their own, and so are the ends of MCP sessions
/// (DELETE) that the server accepts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// Rejected MCP requests and all requests that are not MCP.
    pub(super) extra: u64,
    /// Accepted MCP requests.
    pub(super) accepted: u64,
    pub(super) tokens: u64,
    pub(super) prompts: u64,
    pub(super) reused: u64,
}

impl Counted {
    /// From the counters, and the number of pages that were requested.
    pub(super) fn of(counters: Counters, prompts: u64) -> Self {
        let rejected = counters.mcp_401 + counters.mcp_403;
        let rejected = rejected.saturating_sub(counters.mcp_get_rejected);
        let other = counters
            .http_requests()
            .saturating_sub(counters.mcp_requests);
        Self {
            extra: other + rejected,
            accepted: counters.mcp_post.saturating_sub(rejected),
            tokens: counters.token_requests,
            prompts,
            reused: counters.reuse_detected,
        }
    }
}

/// The result of one scenario.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) scenario: &'static str,
    pub(super) title: &'static str,
    pub(super) passed: bool,
    /// Calls that were answered, of those that should have been.
    pub(super) answered: u64,
    pub(super) calls: u64,
    pub(super) requests: u64,
    pub(super) requests_limit: u64,
    pub(super) prompts: u64,
    pub(super) prompts_limit: u64,
    /// How long the measured part took.
    pub(super) seconds: f64,
    pub(super) problems: Vec<Problem>,
    /// The requests since counting began, until the client has ended: server, method and path.
    pub(super) trace: Vec<String>,
}

impl Report {
    pub(super) fn with(self, trace: Vec<String>) -> Self {
        Self { trace, ..self }
    }

    /// Compares what was counted with the limits.
    pub(super) fn of(
        scenario: &Scenario,
        counted: Counted,
        (answered, calls): (u64, u64),
        seconds: f64,
        found: Vec<Problem>,
    ) -> Self {
        let limit = scenario.limit;
        let mut problems: BTreeSet<Problem> = found.into_iter().collect();
        problems.extend(exceeded(limit, counted));
        if counted.reused > 0 {
            problems.insert(Problem::new(
                Kind::Lost,
                "a refresh token was used again after it was replaced, so the server revoked the grant",
            ));
        }
        Self {
            scenario: scenario.name,
            title: scenario.title,
            passed: problems.is_empty(),
            answered,
            calls,
            requests: counted.extra + counted.accepted,
            requests_limit: limit.extra + counted.accepted,
            prompts: counted.prompts,
            prompts_limit: limit.prompts,
            seconds,
            problems: problems.into_iter().collect(),
            trace: Vec::new(),
        }
    }
}

fn exceeded(limit: Limit, counted: Counted) -> Vec<Problem> {
    let checks = [
        (
            counted.extra,
            limit.extra,
            "rejected MCP requests and requests for metadata, registration and tokens",
        ),
        (counted.tokens, limit.tokens, "token requests"),
        (counted.prompts, limit.prompts, "prompts"),
    ];
    let exceeded = checks.into_iter().filter(|(sent, most, _)| sent > most);
    exceeded
        .map(|(sent, most, what)| {
            let message = format!("{what}: {sent}, where {most} suffice");
            Problem::new(limit.excess, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: Scenario = Scenario {
        name: "a-name",
        title: "a title",
        limit: Limit::prompting(2, 1, 1),
        play: |_| Box::pin(std::future::ready(Ok(()))),
    };

    /// A call that was rejected, renewed and answered, with an event stream that was rejected meanwhile.
    fn recovered() -> Counters {
        Counters {
            requests: 5,
            browser_requests: 1,
            mcp_requests: 3,
            mcp_post: 2,
            mcp_get: 1,
            mcp_401: 2,
            mcp_get_rejected: 1,
            token_requests: 1,
            ..Counters::default()
        }
    }

    fn judged(counters: Counters, prompts: u64) -> Report {
        let counted = Counted::of(counters, prompts);
        Report::of(&SCENARIO, counted, (1, 1), 0.5, Vec::new())
    }

    #[test]
    fn what_the_server_accepts_and_event_streams_are_not_held_against_a_client() {
        let report = judged(recovered(), 1);
        assert!(report.passed);
        assert_eq!((report.requests, report.requests_limit), (3, 3));
        let mut chatty = recovered();
        chatty.requests += 10;
        chatty.mcp_requests += 10;
        chatty.mcp_post += 10;
        let report = judged(chatty, 1);
        assert!(report.passed);
        assert_eq!((report.requests, report.requests_limit), (13, 13));
    }

    #[test]
    fn each_limit_is_checked() {
        let mut metadata = recovered();
        metadata.requests += 1;
        metadata.server_metadata += 1;
        let mut tokens = recovered();
        tokens.requests += 1;
        tokens.token_requests += 1;
        for (counters, prompts, problems) in [(metadata, 1, 1), (tokens, 1, 2), (recovered(), 2, 1)]
        {
            let report = judged(counters, prompts);
            assert!(!report.passed);
            assert_eq!(report.problems.len(), problems);
            assert!(
                report
                    .problems
                    .iter()
                    .all(|found| found.kind == Kind::Excess)
            );
        }
    }

    #[test]
    fn a_refresh_token_that_is_used_twice_is_a_loss() {
        let mut counters = recovered();
        counters.reuse_detected = 1;
        let kinds: Vec<Kind> = judged(counters, 0)
            .problems
            .iter()
            .map(|found| found.kind)
            .collect();
        assert_eq!(kinds, [Kind::Lost]);
    }
}
