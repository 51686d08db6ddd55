//! Operations that are cancelled, dropped, or outlive their session.

use mcp_reauth::Trigger;
use mcp_reauth::mcp::Redirects;
use mcp_reauth_bindings::{Cancel, OutgoingRequest, Ready};
use serde_json::json;

use crate::support::{App, Does, SERVER, code, read};

/// A message for the server.
fn sent() -> OutgoingRequest {
    OutgoingRequest {
        method: "POST".to_owned(),
        url: SERVER.to_owned(),
        headers: vec![],
        message: Some(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned()),
        redirects: Redirects::Follow,
        repeatable: true,
        with: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_operation_is_cancelled_and_another_goes_on() {
    let (app, bridge) = App::new();
    let session = app.opened().await;
    app.does("authorize", Does::PendingCall);
    let cancel = Cancel::new();
    let first = tokio::spawn(session.sign_in(vec![], false, Some(&cancel)));
    let page = app.hears("authorize").await;
    let second = tokio::spawn(session.sign_in(vec![], false, None));
    tokio::task::yield_now().await;
    cancel.cancel();
    assert_eq!(code(&first.await.expect("it ran")), "cancelled");
    // The page is still open for the second caller.
    let state = page.input["state"].as_str().expect("a state").to_owned();
    let callback = format!("code=c&state={state}&iss={}", crate::support::ISSUER);
    let reply = json!({ "ok": { "callback": callback } }).to_string();
    assert!(bridge.settle(page.call, reply, None));
    let answer = read(&second.await.expect("it ran"));
    assert_eq!(answer["ok"]["kind"], "satisfied", "{answer}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_waited_for_any_more_is_unheard_and_that_is_told() {
    let (app, bridge) = App::new();
    let session = app.opened().await;
    app.does("authorize", Does::PendingCall);
    let signing_in = tokio::spawn(session.sign_in(vec![], false, None));
    let page = app.hears("authorize").await;
    session.close().await;
    assert_eq!(code(&signing_in.await.expect("it ran")), "cancelled");
    let cancel = app.hears("cancel").await;
    assert_eq!((cancel.session, cancel.call), (7, page.call));
    let reply = json!({ "ok": { "callback": "code=c" } }).to_string();
    assert!(!bridge.settle(page.call, reply, None));
    assert!(
        !bridge.settle(4000, "{}".to_owned(), None),
        "there is no such call"
    );
}

#[tokio::test(start_paused = true)]
async fn a_closed_session_is_cancelled_for_whatever_it_is_asked() {
    let (app, _) = App::new();
    let session = app.signed_in().await;
    session.close().await;
    assert!(session.is_closed());
    assert!(session.authorization().is_none());
    assert!(matches!(session.current_if_fresh(None), Ready::No));
    assert_eq!(session.fresh_for(), 0);
    assert!(session.request(Trigger::Command, None).is_none());
    assert!(session.exchange(sent()).is_none());
    assert!(!session.applies_to(SERVER));
    for answer in [
        session.sign_in(vec![], false, None).await,
        session.connection_state().await,
        session.auth_state().await,
        session.sign_out().await,
        session
            .complete_authorization("code=c".to_owned(), None)
            .await,
    ] {
        assert_eq!(code(&answer), "cancelled");
    }
    session.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_outlives_its_session_is_cancelled() {
    let (app, _) = App::new();
    let session = app.signed_in().await;
    let request = session.request(Trigger::Command, None);
    let request = request.expect("the session is open");
    app.does("fetch", Does::PendingCall);
    let headers = vec!["www-authenticate".to_owned(), "Bearer".to_owned()];
    let recovering = tokio::spawn(request.recover(401, headers.clone(), None, None));
    let renewals = || {
        app.heard("fetch")
            .iter()
            .filter(|one| one.input["url"].to_string().contains("/token"))
            .count()
    };
    while renewals() < 2 {
        tokio::task::yield_now().await;
    }
    session.close().await;
    assert_eq!(code(&recovering.await.expect("it ran")), "cancelled");
    assert_eq!(
        code(&request.recover(401, headers, None, None).await),
        "cancelled"
    );
}
