//! Hosts that misbehave.

use serde_json::json;

use crate::support::{App, Does, SERVER, code, read};

/// The ways in which any answer can be wrong, with the expected error code.
fn ways() -> Vec<(&'static str, Does, &'static str)> {
    vec![
        ("throws", Does::throws("it broke", 5), "host"),
        (
            "answers with another type",
            Does::value(json!({ "x": 1 })),
            "host",
        ),
        ("says no JSON", Does::Says("{".to_owned()), "host"),
        ("says nothing", Does::Says(String::new()), "host"),
        (
            "answers in no form",
            Does::Says(r#"{"neither": 1}"#.to_owned()),
            "host",
        ),
        ("has ended", Does::HasEnded, "host"),
        (
            "stops",
            Does::Says(r#"{"error":{"message":"no","cancelled":true}}"#.to_owned()),
            "cancelled",
        ),
        ("never answers", Does::PendingCall, "timeout"),
    ]
}

#[tokio::test(start_paused = true)]
async fn whatever_a_host_does_the_call_ends_and_the_session_goes_on() {
    for method in ["redirectUri", "authorize"] {
        for (way, does, expected) in ways() {
            let (app, _) = App::new();
            let session = app.opened().await;
            app.does(method, does);
            let answer = session.sign_in(vec![], false, None).await;
            assert_eq!(code(&answer), expected, "{method} {way}: {answer}");
            app.behaves();
            let answer = read(&session.sign_in(vec![], false, None).await);
            assert_eq!(
                answer["ok"]["kind"], "satisfied",
                "{method} {way}: {answer}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_a_question_comes_to_it_is_no_consent() {
    let challenge = json!({
        "reason": "insufficient_scope",
        "requiredScopes": ["more"],
        "context": {},
    });
    for (way, does, expected) in ways() {
        let (app, _) = App::new();
        let session = app.signed_in().await;
        app.does("confirmStepUp", does);
        let handled =
            session.handle_auth_challenge(challenge.to_string(), "{}".to_owned(), None, None);
        let answer = handled.await;
        assert_eq!(code(&answer), expected, "{way}: {answer}");
        assert_eq!(app.heard("authorize").len(), 1, "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_number_of_an_exception_comes_back_with_its_words() {
    let (app, _) = App::new();
    let session = app.opened().await;
    app.does("authorize", Does::throws("the window was lost", 41));
    let answer = read(&session.sign_in(vec![], false, None).await);
    let error = &answer["ok"]["error"];
    assert_eq!(
        (&error["code"], &error["thrown"]),
        (&json!("host"), &json!(41))
    );
    assert_eq!(error["detail"], "the window was lost");
}

#[tokio::test(start_paused = true)]
async fn a_page_elsewhere_is_finished_by_its_callback() {
    let (app, _) = App::new();
    let session = app.opened().await;
    app.does("authorize", Does::value(json!("elsewhere")));
    let answer = read(&session.sign_in(vec![], false, None).await);
    assert_eq!(answer["ok"]["kind"], "interactive");
    let state = answer["ok"]["state"].as_str().expect("a state");
    let forged = session.complete_authorization("code=c&state=other".to_owned(), None);
    assert_eq!(code(&forged.await), "state_mismatch");
    let callback = format!(
        "{SERVER}?code=c&state={state}&iss={}",
        crate::support::ISSUER
    );
    let done = session.complete_authorization(callback, None).await;
    assert_eq!(read(&done), json!({ "ok": null }));
}
