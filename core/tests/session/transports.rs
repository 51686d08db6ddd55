//! What else the session offers to transports.

use std::time::Duration;

use mcp_reauth::recovery::Trigger;
use mcp_reauth::{Error, Operation, Recovery};

use crate::support::{Answer, Bench, Prm, SERVER, Token, pass, recover};

const INVALID: [(&str, &str); 1] = [("www-authenticate", r#"Bearer error="invalid_token""#)];

#[tokio::test(start_paused = true)]
async fn credential_is_ready_until_it_is_to_be_renewed() {
    let bench = Bench::new();
    let session = bench.open().await;
    assert!(session.current_if_fresh().is_none());
    let session = bench.signed_in("").await;
    assert_eq!(session.current_if_fresh(), session.authorization());
    pass(3569).await;
    assert!(session.current_if_fresh().is_some());
    assert_eq!(session.fresh_for(), Duration::from_secs(1));
    pass(1).await;
    assert_eq!(session.fresh_for(), Duration::ZERO);
    assert!(session.current_if_fresh().is_none() && session.authorization().is_some());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert!(session.current_if_fresh().is_some());
    session.sign_out().await.expect("signed out");
    assert!(session.current_if_fresh().is_none());
}

#[tokio::test(start_paused = true)]
async fn request_that_was_sent_elsewhere_is_recovered_by_what_it_was_sent_with() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let old = session.authorization().expect("signed in");
    bench.world.servers(|s| s.revoke_access());
    let mut first = session.request(Operation::default(), Trigger::Command);
    first.set_sent(old.clone());
    assert!(matches!(
        recover(&mut first, 401, INVALID).await,
        Recovery::Retry
    ));
    assert_eq!(bench.world.trace(), [Token]);
    // Another request that carried the old token finds the new one.
    let mut second = session.request(Operation::default(), Trigger::Command);
    second.set_sent(old);
    assert!(matches!(
        recover(&mut second, 401, INVALID).await,
        Recovery::Retry
    ));
    assert_eq!(bench.world.trace(), []);
}

#[tokio::test(start_paused = true)]
async fn operation_may_be_told_when_it_was_rejected() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.host.answers(Answer::No);
    let mut request = session.request(Operation::default(), Trigger::Command);
    request.authorize("POST", SERVER).await.expect("a header");
    let message = br#"{"method":"tools/call","params":{"name":"late"}}"#;
    request.set_operation(Operation::of_json(message));
    let more = [(
        "WWW-Authenticate",
        r#"Bearer error="insufficient_scope", scope="a""#,
    )];
    let refused = recover(&mut request, 403, more).await;
    assert!(matches!(
        refused,
        Recovery::Failed(Error::ConsentDenied { .. })
    ));
    let asked = &bench.host.consents()[0];
    assert_eq!(asked.challenge.context.tool_name.as_deref(), Some("late"));
    assert_eq!(bench.world.count(Prm), 0, "nothing is looked up for a no");
}

#[tokio::test(start_paused = true)]
async fn credential_is_for_the_server_and_what_is_below_it() {
    let session = Bench::new().open().await;
    let below = format!("{SERVER}/below?x=1");
    for url in [SERVER, below.as_str()] {
        assert!(session.applies_to(url), "{url}");
    }
    let sibling = format!("{SERVER}-other");
    let plain = SERVER.replace("https", "http");
    for url in [
        sibling.as_str(),
        plain.as_str(),
        "https://elsewhere.example/mcp",
        "",
        "?",
    ] {
        assert!(!session.applies_to(url), "{url}");
    }
}
