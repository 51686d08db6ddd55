//! A sign-in that overtakes a renewal.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mcp_reauth::store::{Deleted, Reservation, Saved, StoreKey, Stored};
use mcp_reauth::{Error, LocalLeases, MemoryStore, Outcome, RecordStore, Secret};

use crate::support::{Bench, Gate};

/// A store that holds up reservations of space, which a session makes just before it presents a refresh token.
struct Reserving {
    store: MemoryStore,
    gate: Arc<Mutex<Option<Gate>>>,
}

impl RecordStore for Reserving {
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        self.store.load(key)
    }

    fn save(
        &self,
        key: &StoreKey,
        data: Secret,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        self.store.save(key, data, expected)
    }

    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
        self.store.delete(key, expected)
    }

    fn reserve(&self, _: &StoreKey, _: u64) -> BoxFuture<'static, Result<Reservation, Error>> {
        let gate = self.gate.lock().expect("no panic").take();
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.pass().await;
            }
            Ok(Reservation::none())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn sign_in_that_comes_between_the_look_and_the_refresh_is_not_used_up() {
    let bench = Bench::new();
    let held_up: Arc<Mutex<Option<Gate>>> = Arc::default();
    let store = Arc::new(LocalLeases::new(Reserving {
        store: bench.store.clone(),
        gate: Arc::clone(&held_up),
    }));
    let builder = || {
        bench
            .builder()
            .host(bench.host.clone())
            .store(store.clone())
    };
    let one = builder().open().await.expect("the session opens");
    assert_eq!(bench.send(&one, "").await, Ok(200));
    let other = builder().open().await.expect("the session opens");
    bench.world.servers(|s| s.revoke_access());
    let gate = Gate::new();
    *held_up.lock().expect("no panic") = Some(gate.clone());
    bench.world.take();
    let call = bench.spawn(&one, "");
    gate.reached().await;
    // The user signs in in another session, and this one notices.
    assert_eq!(other.sign_in_again().await, Outcome::Satisfied);
    let newest = other
        .auth_state()
        .await
        .expect("a store")
        .expect("signed in");
    one.set_auth_state(newest).await.expect("it is stored");
    gate.open();
    assert_eq!(call.await.expect("no panic"), Ok(200));
    // The next renewals use the recorded refresh token, which is valid.
    for session in [&other, &one] {
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(session, "").await, Ok(200));
    }
    bench.assert_no_reuse();
}
