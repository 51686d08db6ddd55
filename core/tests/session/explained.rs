//! What an error says about its cause, so that its reader knows what to do.

use futures_util::future::BoxFuture;
use mcp_reauth::recovery::Trigger;
use mcp_reauth::store::{Deleted, Saved, StoreKey, Stored};
use mcp_reauth::{Error, LocalLeases, MemoryStore, Policy, RecordStore, ScopeSet, Secret};

use crate::support::{
    Answer, Bench, Broken, Fault, Journey, Mcp, Meta, Prm, Register, Token, code,
};

#[tokio::test(start_paused = true)]
async fn person_who_was_not_asked_is_missed_for_a_reason() {
    let bench = Bench::new();
    let without_host = bench.builder().open().await.expect("the session opens");
    let quiet = Policy {
        interaction: false,
        ..Policy::default()
    };
    let builder = bench.builder().host(bench.host.clone()).policy(quiet);
    let without_interaction = builder.open().await.expect("the session opens");
    let waiting = bench.open().await;
    let cases = [
        (without_host, Trigger::Command, "has no host"),
        (without_interaction, Trigger::Command, "policy"),
        (waiting.clone(), Trigger::Ambient, "no caller waited"),
    ];
    for (session, trigger, why) in cases {
        let error = bench.send_as(&session, "", trigger).await.expect_err(why);
        assert_eq!(error.code(), "interaction_required");
        assert!(error.to_string().contains(why), "{error}");
    }
    bench.host.journeys(Journey::Elsewhere);
    let error = bench.send(&waiting, "").await.expect_err("sent away");
    assert!(error.to_string().contains("Sign in there"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_no_is_about_what_would_have_been_new() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    bench.host.answers(Answer::No);
    let error = bench.send(&session, "a b").await.expect_err("declined");
    let Error::ConsentDenied { wanted, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*wanted, ScopeSet::parse("b"));
    let challenge = error.challenge().expect("what was asked for");
    assert_eq!(challenge.required_scopes, ScopeSet::parse("a b"));
}

#[tokio::test(start_paused = true)]
async fn address_of_no_mcp_server_is_told_as_that() {
    let answers = [
        Fault::Status(404),
        Fault::Body(404, r#"{"error":"Not Found"}"#),
        Fault::Body(405, "Method Not Allowed"),
        Fault::Body(200, "<html>a page of its own</html>"),
    ];
    for answer in answers {
        let bench = Bench::new();
        bench.world.always(Prm, Fault::Status(404));
        bench.world.always(Meta, Fault::Status(404));
        bench.world.always(Register, answer.clone());
        let session = bench.open().await;
        let error = bench.send(&session, "").await.expect_err("nothing there");
        assert_eq!(error.code(), "metadata_invalid", "{answer:?}: {error}");
        let shown = error.to_string();
        let told =
            shown.contains("https://mcp.example/register") && shown.contains("URL of the server");
        assert!(told, "{shown}");
        assert_eq!(bench.host.prompts(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn refusal_to_register_is_the_servers_own_where_there_is_one() {
    let refusal = r#"{"error":"invalid_client_metadata","error_description":"by hand only"}"#;
    for is_assumed in [true, false] {
        let bench = Bench::new();
        if is_assumed {
            bench.world.always(Prm, Fault::Status(404));
            bench.world.always(Meta, Fault::Status(404));
        }
        bench.world.always(Register, Fault::Body(400, refusal));
        let session = bench.open().await;
        let error = bench.send(&session, "").await.expect_err("refused");
        bench.world.heal(Register);
        assert_eq!(error.code(), "registration_rejected");
        assert!(error.to_string().contains("by hand only"), "{error}");
        // A transient error is not a refusal.
        bench.world.next(Register, Fault::Body(503, refusal));
        let error = bench.send(&session, "").await.expect_err("trouble");
        assert_eq!(error.code(), "http", "{error}");
        assert!(error.to_string().contains("503"), "{error}");
    }
}

/// A store that reports a write, but has not written.
struct Forgetful(MemoryStore);

impl RecordStore for Forgetful {
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        self.0.load(key)
    }

    fn save(
        &self,
        _key: &StoreKey,
        _data: Secret,
        _expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        Box::pin(async { Ok(Saved::As(1)) })
    }

    fn delete(
        &self,
        _key: &StoreKey,
        _expected: u64,
    ) -> BoxFuture<'static, Result<Deleted, Error>> {
        Box::pin(async { Ok(Deleted::Done) })
    }
}

#[tokio::test(start_paused = true)]
async fn store_that_keeps_nothing_is_told_before_anybody_is_bothered() {
    let bench = Bench::new();
    let builder = bench.builder().host(bench.host.clone());
    let store = LocalLeases::new(Forgetful(MemoryStore::new()));
    let session = builder.store(store).open().await;
    let session = session.expect("the session opens");
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "store", "{result:?}");
    assert_eq!(bench.host.prompts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_programs_own_http_client_failed_by_is_kept() {
    let bench = Bench::new();
    let is_kept = |error: &Error| {
        let cause = error.cause().and_then(|cause| cause.downcast_ref());
        matches!(cause, Some(Broken)) && error.to_string().contains("on fire")
    };
    // Before a page, ...
    for kind in [Prm, Meta, Register, Token] {
        let session = bench.open().await;
        bench.world.always(kind, Fault::Broken);
        let error = bench.send(&session, "").await.expect_err("broken");
        assert!(
            error.code() == "http" && is_kept(&error),
            "{kind:?}: {error:?}"
        );
        bench.world.heal(kind);
    }
    // ... and during a renewal.
    let session = bench.signed_in("").await;
    bench.world.always(Token, Fault::Broken);
    bench.world.servers(|s| s.revoke_access());
    let error = bench.send(&session, "").await.expect_err("broken");
    assert_eq!(error.code(), "refresh_unavailable");
    assert!(is_kept(&error), "{error:?}");
    bench.world.heal(Token);
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
}
