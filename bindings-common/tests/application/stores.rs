//! Stores that the application implements.

use mcp_reauth_bindings::{Leases, Session, Store, check_store};
use serde_json::json;

use crate::support::{App, Does, code, options, read};

fn ways() -> Vec<(&'static str, Does)> {
    vec![
        ("throws", Does::throws("the disk is gone", 3)),
        ("answers with another type", Does::value(json!([1]))),
        ("says no JSON", Does::Says("no".to_owned())),
        ("has ended", Does::HasEnded),
        ("never answers", Does::PendingCall),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_session_at_a_store_that_cannot_be_read_does_not_open_and_says_where() {
    for (way, does) in ways() {
        let (app, _) = App::new();
        app.does("store.load", does);
        let answer = app.open().await.err().expect("it cannot be read");
        assert_eq!(code(&answer), "store", "{way}: {answer}");
        let message = read(&answer)["error"]["message"].to_string();
        assert!(message.contains("a scripted store: "), "{way}: {message}");
    }
}

#[tokio::test]
async fn a_defect_is_told_as_one() {
    let (app, _) = App::new();
    app.does("store.load", Does::Panics);
    let answer = app.open().await.err().expect("it is a defect");
    assert_eq!(code(&answer), "internal");
    app.behaves();
    let _session = app.signed_in().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_no_text_is_told_and_not_quoted() {
    let (app, _) = App::new();
    app.does(
        "store.load",
        Does::Answers(json!({ "version": 1 }), Some(vec![0xff, b's'])),
    );
    let answer = app.open().await.err().expect("it cannot be read");
    assert!(answer.contains("bytes that are not UTF-8"), "{answer}");
    app.does(
        "store.load",
        Does::Answers(json!({ "version": 1 }), Some(b"secret".to_vec())),
    );
    let answer = app.open().await.err().expect("it cannot be read");
    assert_eq!(code(&answer), "store");
    assert!(!answer.contains("secret"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_at_a_store_that_cannot_be_written_fails_and_the_session_goes_on() {
    for (way, does) in ways() {
        let (app, _) = App::new();
        let session = app.opened().await;
        app.does("store.save", does);
        let answer = session.sign_in(vec![], false, None).await;
        assert_eq!(code(&answer), "store", "{way}: {answer}");
        app.behaves();
        let answer = read(&session.sign_in(vec![], false, None).await);
        assert_eq!(answer["ok"]["kind"], "satisfied", "{way}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_cross_as_bytes_and_not_in_the_input() {
    let (app, _) = App::new();
    let _session = app.signed_in().await;
    let saved = app.heard("store.save");
    assert!(
        saved
            .iter()
            .all(|one| !one.input.to_string().contains("token"))
    );
    let last = saved
        .last()
        .and_then(|one| one.body.clone())
        .expect("a record");
    assert!(String::from_utf8_lossy(&last).contains("the-refresh-token"));
}

#[tokio::test]
async fn an_applications_store_with_leases_of_this_process_keeps_to_the_contract() {
    let (_app, bridge) = App::new();
    let leases = Leases::default();
    let [one, other] = [8, 9].map(|id| Store::of_application(&bridge, id, Some(&leases)));
    let checks = read(&check_store(&one, &other).await);
    let checks = checks["ok"].as_array().expect("a list").clone();
    assert!(checks.len() > 10);
    for check in checks {
        assert!(check["failure"].is_null(), "{check}");
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_that_share_leases_renew_once() {
    let (app, bridge) = App::new();
    let leases = Leases::default();
    let open = || {
        Session::open(
            options().to_string(),
            &bridge,
            7,
            None,
            Some(leases.clone()),
        )
    };
    let one = open().await.unwrap_or_else(|why| panic!("{why}"));
    let _ = one.sign_in(vec![], false, None).await;
    let other = open().await.unwrap_or_else(|why| panic!("{why}"));
    let before = app.heard("fetch").len();
    let challenge = json!({ "reason": "invalid_token", "context": {} }).to_string();
    let handle = |session: &Session| {
        session.handle_auth_challenge(
            challenge.clone(),
            "{}".to_owned(),
            session.authorization(),
            None,
        )
    };
    let (first, second) = tokio::join!(handle(&one), handle(&other));
    for answer in [first, second] {
        assert_eq!(read(&answer)["ok"]["kind"], "satisfied", "{answer}");
    }
    assert_eq!(app.heard("fetch").len(), before + 1);
    assert!(app.heard("store.tryLease").is_empty());
    // The application learns how long the store is needed.
    assert!(!app.heard("store.leaseOut").is_empty());
    assert_eq!(
        app.heard("store.leaseOut").len(),
        app.heard("store.leaseBack").len()
    );
}
