//! Promises of answers.

use mcp_reauth_bindings::PendingAnswer;
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;

/// A promise, which JavaScript waits for.
pub(crate) type Promise<'env, T = String> = napi::Result<PromiseRaw<'env, T>>;

/// A promise of the answer that an operation comes to. It is never rejected.
pub(crate) fn promise(env: &Env, operation: PendingAnswer) -> Promise<'_> {
    env.spawn_future(async { Ok(operation.await) })
}
