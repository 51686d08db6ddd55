//! HTTP clients that the application implements.

use serde_json::{Value, json};

use crate::support::{App, Does, code, read};

#[tokio::test(start_paused = true)]
async fn whatever_an_http_client_does_the_call_ends_and_the_session_goes_on() {
    let answered = |status: u32, too_large: bool| {
        let head = json!({ "status": status, "headers": [], "too_large": too_large });
        Does::Answers(head, Some(b"{}".to_vec()))
    };
    for (way, does) in [
        ("throws", Does::throws("no route", 9)),
        (
            "has sent nothing",
            Does::Says(r#"{"error":{"message":"no route","unsent":true,"thrown":9}}"#.to_owned()),
        ),
        ("answers with another type", Does::value(Value::Null)),
        ("gives no status", answered(7, false)),
        (
            "gives a status that is no number",
            Does::value(json!({ "status": "x", "headers": [], "too_large": false })),
        ),
        ("gives too much", answered(200, true)),
        ("says no JSON", Does::Says("no".to_owned())),
        ("has ended", Does::HasEnded),
        ("never answers", Does::PendingCall),
    ] {
        let (app, _) = App::new();
        let session = app.opened().await;
        app.does("fetch", does);
        let answer = session.sign_in(vec![], false, None).await;
        assert!(
            ["http", "metadata_invalid"].contains(&code(&answer).as_str()),
            "{way}: {answer}"
        );
        app.behaves();
        let answer = read(&session.sign_in(vec![], false, None).await);
        assert_eq!(answer["ok"]["kind"], "satisfied", "{way}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_name_the_program_and_how_much_they_take() {
    let (app, _) = App::new();
    let _session = app.signed_in().await;
    for request in app.heard("fetch") {
        let headers = request.input["headers"].to_string();
        assert!(
            headers.contains(r#"["user-agent","mcp-reauth/"#),
            "{headers}"
        );
        assert!(request.input["maxBody"].as_u64().is_some_and(|max| max > 0));
    }
}
