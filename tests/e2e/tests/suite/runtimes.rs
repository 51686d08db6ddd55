//! A session that is used on several runtimes. The runtime on which a connection was opened serves it: it ends with
//! that runtime, and stalls with it.

use std::future::pending;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use mcp_reauth::{
    AuthChallenge, AuthSessionBuilder, HandleOptions, Outcome, ScopeSet, TokioRuntime,
};
use mcp_reauth_fixture::Config;
use tokio::runtime::{Builder, Runtime};

use crate::support::{World, bounded};

/// A runtime whose waits never time out, so that a stalled request is not retried.
struct Patient;

impl mcp_reauth::Runtime for Patient {
    fn now(&self) -> SystemTime {
        TokioRuntime.now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(pending())
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        TokioRuntime.spawn(task);
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// A world whose session signed in on this runtime, which serves its connections.
fn signed_in(first: &Runtime) -> World {
    first.block_on(async {
        let patient = |builder: AuthSessionBuilder| builder.runtime(Patient);
        let world = World::with_session(Config::default(), patient).await;
        let signed_in = world.session.sign_in(ScopeSet::parse("mcp:read")).await;
        assert_eq!(signed_in, Outcome::Satisfied);
        world
    })
}

/// A rejected credential is renewed in one request.
fn recovers(world: &World, on: &Runtime) {
    world.reset();
    on.block_on(bounded(async {
        let challenge = AuthChallenge::unauthenticated();
        let options = HandleOptions::default();
        let outcome = world
            .session
            .handle_auth_challenge(challenge, options)
            .await;
        assert_eq!(outcome, Outcome::Satisfied);
    }));
    assert_eq!(world.counters().token_requests, 1);
}

#[test]
fn a_session_outlives_its_runtime() {
    let first = runtime();
    let world = signed_in(&first);
    recovers(&world, &first);
    drop(first);
    recovers(&world, &runtime());
    recovers(&world, &runtime());
}

#[test]
fn runtimes_take_turns() {
    let (first, second) = (runtime(), runtime());
    let world = signed_in(&first);
    for _ in 0..2 {
        recovers(&world, &first);
        recovers(&world, &second);
    }
}
