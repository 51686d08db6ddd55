//! The kinds of faults, and the effects that each of them excuses.

use clap::ValueEnum;
use serde::Serialize;

/// One kind of fault. The names are those of the command line and of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// All access tokens expire at once
    TokensExpire,
    /// The server's clock jumps ahead of the client's by a token's life
    ServerClockAhead,
    /// All grants are revoked, with their refresh tokens
    GrantsRevoked,
    /// All grants lose every scope but the least
    GrantsShrink,
    /// Refreshes are refused as if the token were revoked
    RefreshRefused,
    /// The server forgets its registered clients (`invalid_client`)
    ClientsForgotten,
    /// New DPoP nonces are demanded
    NoncesRotate,
    /// The token endpoint demands another DPoP nonce each time
    NonceStorm,
    /// DPoP proofs are judged by a clock that is five minutes off
    ProofClockSkew,
    /// The MCP server answers 401 to everything
    Always401,
    /// The MCP server answers 403 without a challenge
    Plain403,
    /// Every call needs a scope that was never heard of
    EverNewScope,
    /// The MCP server answers 401 and 403 in turn
    Alternating401And403,
    /// Tools ask for scope by their results
    ChallengesInResults,
    /// The token endpoint answers 503
    Token503,
    /// The token endpoint answers 500
    Token500,
    /// The token endpoint answers 503 with a `Retry-After`
    Token503RetryAfter,
    /// The token endpoint answers 429 with a `Retry-After`
    Token429RetryAfter,
    /// The token endpoint is gone (404)
    TokenGone,
    /// The token endpoint redirects elsewhere
    TokenRedirects,
    /// The token endpoint answers 200 with something that is not JSON
    TokenGarbage,
    /// The token endpoint answers, but takes its time
    TokenHangsShortly,
    /// The token endpoint takes longer than the limit
    TokenHangsLong,
    /// The token endpoint closes connections before it does anything
    TokenCloses,
    /// The token endpoint acts, and its answer is lost
    TokenAnswerLost,
    /// The token endpoint acts, and the connection ends in the middle of its answer
    TokenAnswerCut,
    /// The token endpoint acts, and half of its answer comes as if it were all
    TokenAnswerHalved,
    /// Metadata is answered by 503
    Metadata503,
    /// Metadata is not JSON
    MetadataGarbage,
    /// Metadata takes longer than the limit
    MetadataHangs,
    /// Metadata comes a few bytes a second
    MetadataDrips,
    /// Metadata is larger than anything reasonable
    MetadataHuge,
    /// Registration is answered by 503
    Registration503,
    /// The MCP server answers 503 with a `Retry-After`
    Mcp503RetryAfter,
    /// The MCP server answers 500
    Mcp500,
    /// The MCP server takes long to answer
    McpHangs,
    /// The MCP server closes connections before it does anything
    McpCloses,
    /// The MCP server acts, and its answer is lost
    McpAnswerLost,
    /// The MCP server's answer ends in the middle
    McpAnswerCut,
    /// The MCP server redirects elsewhere
    McpRedirects,
    /// Nobody listens at the authorization server's port
    IssuerRefuses,
    /// Nobody listens at the MCP server's port
    McpRefuses,
    /// The authorization server accepts connections and resets them
    IssuerResets,
    /// The user takes their time
    UserSlow,
    /// The user does not want to extend access
    UserDeclines,
    /// The user denies it on the server's page
    UserDenies,
    /// The user closes the page
    PageClosed,
    /// The user leaves the page open and never comes back
    PageAbandoned,
    /// Calls are given up in the middle
    CallsCancelled,
    /// A session signs out
    SignOut,
    /// A session's user signs in on purpose
    SignIn,
    /// A worker is stopped (SIGSTOP) and goes on later
    WorkerStopped,
    /// A worker is killed (SIGKILL) and started again
    WorkerKilled,
    /// Another program keeps the store's file locked, for less than the ten seconds that it is waited for
    StoreLocked,
    /// No file can grow, as on a full disk
    StoreFull,
    /// The store's folder is read-only (not for root, who may write anywhere)
    StoreReadOnly,
}

/// How many pages a fault may cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// None.
    None,
    /// Those of a new grant with the scopes that were added to it.
    Grant,
    /// A page for each session that is affected, and a new grant.
    EachSession,
    /// A page for each call that fails meanwhile, and a new grant.
    EachFailure,
}

/// The target of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// One of the two servers.
    Server,
    /// The server with bound tokens (DPoP).
    Bound,
    /// The server with bearer tokens.
    Bearer,
    /// One worker.
    Worker,
    /// All workers.
    Everybody,
}

/// The codes for an unavailable authorization server: in a renewal, in other requests, and after a timeout.
const TROUBLE: &[&str] = &["refresh_unavailable", "http", "timeout"];
/// Additional codes while a fault needs the user, who does not finish in time.
const WAITING: &[&str] = &["timeout"];
/// The worker's code for a broken connection to the MCP server.
pub(crate) const BROKEN: &str = "transport";
/// The worker's code for a handshake that the SDK abandoned without a reason: a notification was rejected, and the SDK
/// does not pass on why.
pub(crate) const UNSAID: &str = "unsaid";
/// The worker's code for a response that never comes: the SDK resumes the stream, on which the server has nothing more
/// to send.
pub(crate) const UNANSWERED: &str = "unanswered";
/// The worker's code for a response that is not a result.
pub(crate) const GARBLED: &str = "garbled";

impl Kind {
    pub(crate) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// The name on the command line.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The codes with which a call may fail while this is active.
    pub(crate) fn codes(self) -> &'static [&'static str] {
        let codes: &[&str] = match self {
            Self::NoncesRotate | Self::McpHangs | Self::StoreLocked => &[],
            Self::TokensExpire | Self::ServerClockAhead | Self::TokenHangsShortly => WAITING,
            Self::GrantsRevoked | Self::UserSlow => WAITING,
            Self::GrantsShrink => &["timeout"],
            Self::RefreshRefused => WAITING,
            Self::ChallengesInResults => &["tool_error"],
            Self::ClientsForgotten => &["timeout", "host", "registration_rejected"],
            Self::NonceStorm => &["refresh_unavailable", "http", "unauthorized"],
            Self::ProofClockSkew => &["unauthorized", "http", "refresh_unavailable"],
            Self::Always401 => &["unauthorized", "timeout"],
            Self::Plain403 => &["status_403", BROKEN],
            Self::EverNewScope => &["step_up_limit", "timeout"],
            Self::Alternating401And403 => &[
                "step_up_limit",
                "unauthorized",
                "insufficient_scope",
                "timeout",
            ],
            Self::Token503
            | Self::Token500
            | Self::Token503RetryAfter
            | Self::Token429RetryAfter
            | Self::TokenGone
            | Self::TokenRedirects
            | Self::TokenGarbage
            | Self::TokenHangsLong
            | Self::TokenCloses
            | Self::TokenAnswerLost
            | Self::TokenAnswerCut => TROUBLE,
            // Half of an error response says nothing either.
            Self::TokenAnswerHalved => &[
                "refresh_unavailable",
                "http",
                "timeout",
                "authorization_denied",
            ],
            Self::Metadata503 | Self::MetadataHangs | Self::MetadataDrips => TROUBLE,
            Self::MetadataGarbage | Self::MetadataHuge => {
                &["metadata_invalid", "http", "refresh_unavailable", "timeout"]
            }
            Self::Registration503 => &["registration_rejected", "http", "timeout", "host"],
            Self::Mcp503RetryAfter => &["status_503", BROKEN],
            Self::Mcp500 => &["status_500", BROKEN],
            Self::McpCloses => &[BROKEN],
            // Its metadata is unreachable too.
            Self::McpRefuses => &[BROKEN, "http"],
            Self::McpAnswerLost => &[BROKEN, UNANSWERED],
            Self::McpAnswerCut => &[BROKEN, UNANSWERED, GARBLED],
            Self::McpRedirects => &["status_307", BROKEN, "http"],
            // The user's browser cannot reach it either.
            Self::IssuerRefuses | Self::IssuerResets => {
                &["refresh_unavailable", "http", "timeout", "host"]
            }
            // Grants are reduced, so that there is something to decline.
            Self::UserDeclines => &["consent_denied"],
            Self::UserDenies => &["authorization_denied", "timeout"],
            Self::PageClosed => &["cancelled", "timeout"],
            Self::PageAbandoned | Self::SignIn => WAITING,
            Self::CallsCancelled => &["given_up"],
            // Signing out also forgets pending sign-ins.
            Self::SignOut => &["cancelled", "timeout", "state_mismatch"],
            // It may hold the store's lock, and continues with connections that were closed meanwhile.
            Self::WorkerStopped => &["refresh_unavailable", "timeout", "store", BROKEN],
            Self::WorkerKilled => &[],
            Self::StoreFull | Self::StoreReadOnly => &["store"],
        };
        codes
    }

    /// How many pages it may cause.
    pub(crate) fn pages(self) -> Pages {
        match self {
            Self::TokensExpire
            | Self::ServerClockAhead
            | Self::NoncesRotate
            | Self::Plain403
            | Self::ChallengesInResults
            | Self::Mcp503RetryAfter
            | Self::Mcp500
            | Self::McpHangs
            | Self::McpCloses
            | Self::McpAnswerLost
            | Self::McpAnswerCut
            | Self::McpRedirects
            | Self::McpRefuses
            | Self::TokenHangsShortly
            | Self::StoreLocked
            | Self::WorkerStopped => Pages::None,
            Self::GrantsRevoked
            | Self::GrantsShrink
            | Self::UserSlow
            | Self::UserDeclines
            | Self::ClientsForgotten
            | Self::SignOut
            | Self::SignIn
            | Self::WorkerKilled
            | Self::StoreReadOnly
            | Self::StoreFull => Pages::Grant,
            Self::Always401 | Self::ProofClockSkew => Pages::EachSession,
            _ => Pages::EachFailure,
        }
    }

    /// Whether the MCP server may reject a valid token because of it. If it hits a fresh sign-in, the session shows no
    /// other page for the same request, nor for a few minutes without a new reason (row 12 of docs/recovery.md).
    pub(crate) fn rejects(self) -> bool {
        match self {
            Self::TokensExpire
            | Self::ServerClockAhead
            | Self::GrantsRevoked
            | Self::GrantsShrink
            | Self::RefreshRefused
            | Self::ClientsForgotten
            | Self::Registration503
            | Self::ProofClockSkew
            | Self::Always401
            | Self::Alternating401And403
            | Self::IssuerRefuses
            | Self::IssuerResets
            | Self::UserSlow
            | Self::UserDenies
            | Self::PageClosed
            | Self::PageAbandoned
            | Self::SignOut => true,
            _ => self.name().starts_with("token") || self.name().starts_with("metadata"),
        }
    }

    /// Whether it can lose a response of the token endpoint for good.
    pub(crate) fn loses_answers(self) -> bool {
        matches!(
            self,
            Self::TokenAnswerLost | Self::TokenAnswerCut | Self::TokenAnswerHalved
        )
    }

    pub(crate) fn whom(self) -> Whom {
        match self {
            Self::NoncesRotate | Self::NonceStorm | Self::ProofClockSkew => Whom::Bound,
            Self::ServerClockAhead => Whom::Bearer,
            Self::WorkerStopped | Self::WorkerKilled => Whom::Worker,
            Self::CallsCancelled | Self::SignOut | Self::SignIn => Whom::Worker,
            Self::UserSlow | Self::UserDeclines | Self::UserDenies => Whom::Server,
            Self::PageClosed | Self::PageAbandoned => Whom::Server,
            Self::StoreFull | Self::StoreLocked | Self::StoreReadOnly => Whom::Everybody,
            _ => Whom::Server,
        }
    }

    /// The range of its duration in milliseconds; 0 for faults that happen once.
    pub(crate) fn lasts(self) -> (u64, u64) {
        match self {
            Self::TokensExpire
            | Self::ServerClockAhead
            | Self::GrantsRevoked
            | Self::GrantsShrink
            | Self::ClientsForgotten
            | Self::NoncesRotate
            | Self::CallsCancelled
            | Self::SignOut
            | Self::SignIn
            | Self::WorkerKilled => (0, 0),
            Self::WorkerStopped => (5_000, 40_000),
            Self::TokenHangsLong | Self::MetadataHangs => (1_000, 2_500),
            Self::PageAbandoned => (500, 1_500),
            Self::TokenAnswerLost | Self::TokenAnswerCut | Self::TokenAnswerHalved => (500, 2_500),
            Self::StoreFull | Self::StoreReadOnly => (1_000, 4_000),
            Self::StoreLocked => (2_000, 6_000),
            _ => (1_000, 5_000),
        }
    }

    /// How long its effects last after it is lifted, in seconds: work begun under it, and the product's backoff.
    pub(crate) fn lingers(self) -> u64 {
        match self {
            // The call that it hit delays the others until its time limit.
            Self::TokenHangsLong | Self::MetadataHangs | Self::MetadataDrips => 30,
            Self::McpHangs => 15,
            // The stopped worker first finishes its pending work.
            Self::WorkerStopped => 20,
            // The effect shows at the next sign-in.
            Self::ClientsForgotten | Self::Registration503 => 300,
            // The time limit of a user.
            Self::PageAbandoned | Self::UserSlow => 10,
            _ => 5,
        }
    }

    /// How much longer than usual a call may take because of it, in seconds, in addition to its duration.
    pub(crate) fn slack(self) -> u64 {
        match self {
            // Twice a call's limit of 20 s: for the call itself, and for another one that waited for it.
            Self::TokenHangsLong | Self::MetadataHangs | Self::MetadataDrips => 40,
            Self::McpHangs => 30,
            Self::PageAbandoned | Self::UserSlow => 2 * 8,
            Self::WorkerStopped | Self::WorkerKilled => 25,
            // The worker's time limit for the SDK.
            Self::McpAnswerLost | Self::McpAnswerCut => 60,
            _ => 10,
        }
    }
}
