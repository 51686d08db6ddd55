//! Converts operations to JavaScript promises.

use mcp_reauth_bindings::PendingAnswer;
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;

/// A JavaScript promise.
pub(crate) type Promise<'env, T = String> = napi::Result<PromiseRaw<'env, T>>;

/// A promise of an operation's answer. It is never rejected.
pub(crate) fn promise(env: &Env, operation: PendingAnswer) -> Promise<'_> {
    env.spawn_future(async { Ok(operation.await) })
}
