//! Nine situations with third-party servers. Checks `docs/servers.md` against the results.

mod other;
mod situations;
mod table;
mod user;

use other::Other;

/// The number of the client's requests in a successful situation; `None` if it does not apply to the server.
type Outcome = Option<usize>;

/// Tries all situations with this server of `others/servers.mjs`, one after another.
async fn matrix(name: &str) {
    let Some(other) = Other::start(name).await else {
        return;
    };
    let mut outcomes = Vec::new();
    let mut failures = Vec::new();
    for (situation, attempt) in situations::ALL {
        match attempt(&other).await {
            Ok(outcome) => outcomes.push((situation, outcome)),
            Err(why) => failures.push(format!("{situation}: {why}")),
        }
    }
    assert!(failures.is_empty(), "{name}: {failures:#?}");
    table::check(name, &other, &outcomes).await;
}

macro_rules! servers {
    ($($test:ident: $name:literal,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            matrix($name).await;
        }
    )*};
}

servers! {
    oidc_provider: "oidc-provider",
    python_sdk_2: "python-sdk-2",
    python_sdk_2_separate: "python-sdk-2-separate",
    python_sdk_1: "python-sdk-1",
    python_sdk_1_separate: "python-sdk-1-separate",
    fastmcp_in_memory: "fastmcp-in-memory",
    fastmcp_proxy: "fastmcp-proxy",
    typescript_sdk: "typescript-sdk",
    better_auth: "better-auth",
    workers_oauth_provider: "workers-oauth-provider",
}
