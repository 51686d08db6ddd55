//! The operations of a session, with an application that works, and with one that misbehaves.

mod cancelling;
mod hosts;
mod http;
mod opening;
mod stores;
mod support;

use mcp_reauth::Trigger;
use mcp_reauth_bindings::{Fields, text};
use serde_json::json;

use support::{App, ISSUER, SERVER, read};

#[tokio::test(start_paused = true)]
async fn a_person_signs_in_and_requests_carry_the_credential() {
    let (app, _) = App::new();
    let session = app.signed_in().await;
    let request = session.request(Trigger::Command, None);
    let request = request.expect("the session is open");
    let fields = request.authorize("POST".to_owned(), SERVER.to_owned(), None);
    assert!(
        matches!(&fields, Fields::Known(fields) if fields == &["authorization", "Bearer the-access-token"])
    );
    let state = read(&session.connection_state().await);
    assert_eq!(state["ok"]["issuer"], ISSUER);
    assert_eq!(state["ok"]["authorized"], true);
    let heard = app.hears("authorize").await;
    assert_eq!((heard.session, heard.body), (7, None));
    assert_eq!(
        app.heard("event").last().expect("some").input["kind"],
        "authorized"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rejected_request_is_renewed_and_sent_again() {
    let (app, _) = App::new();
    let session = app.signed_in().await;
    let before = app.heard("fetch").len();
    let request = session.request(Trigger::Command, None);
    let request = request.expect("the session is open");
    let _ = request.authorize("POST".to_owned(), SERVER.to_owned(), None);
    let headers = vec![
        "www-authenticate".to_owned(),
        "Bearer error=\"invalid_token\"".to_owned(),
    ];
    let decision = request.recover(401, headers, None, None).await;
    assert_eq!(read(&decision), json!({ "ok": "retry" }));
    let fetched = app.heard("fetch");
    let last = fetched.last().expect("some");
    assert_eq!(fetched.len(), before + 1);
    let body = last.body.as_deref().unwrap_or_default();
    assert!(String::from_utf8_lossy(body).contains("refresh_token=the-refresh-token"));
    assert_eq!(app.heard("authorize").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_no_challenge_is_the_callers() {
    let (app, _) = App::new();
    let session = app.signed_in().await;
    let request = session.request(Trigger::Command, None);
    let request = request.expect("the session is open");
    for status in [200, 404, 500] {
        let decision = request.recover(status, vec![], None, None).await;
        assert_eq!(read(&decision), json!({ "ok": "pass_through" }));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_session_knows_can_be_taken_over_and_ended() {
    let (app, _) = App::new();
    let session = app.signed_in().await;
    let state = read(&session.auth_state().await)["ok"].to_string();
    assert!(state.contains("the-refresh-token"));
    let (other, _) = App::new();
    let heir = other.opened().await;
    assert_eq!(
        read(&heir.set_auth_state(state).await),
        json!({ "ok": null })
    );
    assert!(heir.authorization().is_some());
    assert_eq!(read(&heir.sign_out().await)["ok"], "not_offered");
    assert!(heir.authorization().is_none());
}

#[test]
fn a_failure_is_the_answer_to_the_request_that_failed() {
    let form = read(&text::misconfigured("the option x is wrong"))["error"].to_string();
    let answer = text::json_rpc_error(r#"{"id":"seven","method":"x"}"#, &form);
    let answer = answer.expect("it is a form").expect("it is a request");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("it is JSON");
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!("seven"), &json!(-32080))
    );
    assert_eq!(answer["error"]["data"].to_string(), form);
    for message in [
        "",
        "[]",
        "5",
        r#"[{"id":1,"method":"x"}]"#,
        r#"{"method":"x"}"#,
    ] {
        assert_eq!(text::json_rpc_error(message, &form), Ok(None), "{message}");
    }
    let answer = text::json_rpc_error(r#"{"id":1}"#, "{}").expect_err("it is no form");
    assert_eq!(support::code(&answer), "config");
}
