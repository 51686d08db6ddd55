//! Holding a store against the contract of stores.

use std::sync::Arc;

use mcp_reauth::testing::check_store as check;
use mcp_reauth::{Error, TokenStore, TokioRuntime};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;

use crate::answer::{DEFECT, answer, guarded};
use crate::bridge::Bridge;
use crate::store::{JsStore, Store};

/// Checks a store by two ways to the same records: an answer with what came of each check. Where a store is not native,
/// it is called over the bridge, by its number there.
#[napi(ts_return_type = "Promise<string>")]
pub fn check_store<'env>(
    env: &'env Env,
    bridge: &Bridge,
    one: u32,
    other: u32,
    native_one: Option<&Store>,
    native_other: Option<&Store>,
) -> napi::Result<PromiseRaw<'env, String>> {
    let store = |id, native: Option<&Store>| match native {
        Some(store) => store.shared(),
        None => Arc::new(JsStore {
            caller: bridge.caller(id),
            place: None,
        }) as Arc<dyn TokenStore>,
    };
    let (one, other) = (store(one, native_one), store(other, native_other));
    env.spawn_future(async move {
        let checks = guarded(async { Ok::<_, Error>(check(one, other, TokioRuntime).await) });
        let checks = checks.await;
        Ok(checks.map_or_else(|| DEFECT.to_owned(), |checks| answer(&checks)))
    })
}
