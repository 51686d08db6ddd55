//! No secret becomes readable. Every secret here contains the canary.

use mcp_reauth::recovery::Trigger;
use mcp_reauth::{
    AuthChallenge, AuthState, CallbackParams, HandleOptions, Operation, Outcome, Secret,
};

use crate::support::{Bench, CANARY, Capture, Fault, ISSUER, Journey, Revoke, Token};

/// Asserts that `text` contains no secret of the servers, and no verifier of their codes.
fn assert_clean(text: &str, bench: &Bench) {
    assert!(!text.contains(CANARY), "{text}");
    for seen in bench.world.take() {
        let verifier = seen.param("code_verifier");
        assert!(verifier.is_empty() || !text.contains(verifier), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_can_be_printed_holds_a_secret() {
    let capture = Capture::default();
    let _guard = capture.begin();
    let bench = Bench::new();
    bench
        .world
        .servers(|s| s.auth_methods = vec!["client_secret_post"]);
    let session = bench.open().await;
    let mut text = String::new();
    let mut show = |what: &dyn std::fmt::Debug| text += &format!("{what:?}\n{what:#?}\n");

    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let authorization = session.authorization().expect("signed in");
    assert!(authorization.header_value().contains(CANARY));
    show(&session);
    show(&authorization);
    show(&Some(&authorization));
    let mut request = session.request(Operation::default(), Trigger::Command);
    let credential = request.authorize("POST", session.server()).await;
    show(&credential);
    show(&request);
    show(&HandleOptions {
        failed: Some(authorization),
        ..HandleOptions::default()
    });
    let state = session.auth_state().await.expect("a store").expect("one");
    let json = state.to_json().expect("JSON");
    assert!(json.expose().matches(CANARY).count() >= 3);
    show(&state);
    show(&json);
    show(&AuthState::from_json(json.expose()));
    show(&AuthState::from_json(
        &json.expose().replace("\"grant\"", "\"x\""),
    ));
    let cut = &json.expose()[..json.expose().len() / 2];
    show(&AuthState::from_json(cut).map_err(|error| error.to_string()));
    show(&session.connection_state().await);
    show(&bench.store);
    show(&Secret::new(CANARY));
    show(&CallbackParams::parse(&format!(
        "?code={CANARY}&state={CANARY}"
    )));
    show(&CallbackParams::from_pairs([("code", CANARY)]));

    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    session.sign_out().await.expect("signed out");
    show(&bench.host.events());
    show(&bench.host.consents());
    show(&bench.host.sign_ins());
    text += &serde_json::to_string(&bench.host.events()).expect("JSON");
    let traced = capture.text();
    assert!(traced.contains("authorization started"), "{traced}");
    assert!(traced.contains("recovery"), "{traced}");
    assert_clean(&(text + &traced), &bench);
}

/// Responses that quote secrets, as errors and as documents that cannot be parsed.
const ODD: [Fault; 8] = [
    Fault::Status(503),
    Fault::Hang,
    Fault::Body(200, "<html>canary</html>"),
    Fault::Body(200, r#"{"access_token":5,"refresh_token":"canary-odd"}"#),
    Fault::Body(
        200,
        r#"{"access_token":"canary odd","token_type":"bearer"}"#,
    ),
    Fault::Body(
        200,
        r#"{"access_token":"canary-odd","token_type":"canary"}"#,
    ),
    Fault::Body(400, "<p>canary</p>"),
    Fault::Body(400, r#"{"error":7,"error_description":"canary"}"#),
];

#[tokio::test(start_paused = true)]
async fn no_failure_tells_a_secret() {
    let capture = Capture::default();
    let _guard = capture.begin();
    for fault in ODD {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        let mut text = String::new();
        bench.world.servers(|s| s.revoke_access());
        bench.world.always(Token, fault.clone());
        bench.world.always(Revoke, fault);
        let error = bench.send(&session, "").await.expect_err("trouble");
        text += &format!("{error} {error:?}");
        let challenge = AuthChallenge::unauthenticated();
        let outcome = session.handle_auth_challenge(challenge, HandleOptions::default());
        let outcome = outcome.await;
        assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
        text += &format!(
            "{outcome:?} {}",
            serde_json::to_string(&outcome).expect("JSON")
        );
        session.sign_out().await.expect("signed out");
        // A first sign-in meets the same fault.
        let error = bench.send(&session, "").await.expect_err("trouble");
        text += &format!("{error} {error:?} {session:?} {:?}", bench.host.events());
        assert_clean(&(text + &capture.text()), &bench);
    }
}

#[tokio::test(start_paused = true)]
async fn answer_that_is_not_believed_is_not_told() {
    let capture = Capture::default();
    let _guard = capture.begin();
    let bench = Bench::new();
    let session = bench.open().await;
    bench.host.journeys(Journey::Elsewhere);
    let outcome = bench.send(&session, "").await;
    let started = bench.host.sign_ins()[0].clone();
    let mut text = format!("{outcome:?}");
    for callback in [
        format!("?code={CANARY}&state={CANARY}&iss={ISSUER}"),
        format!(
            "?code={CANARY}&state={}&iss=https://{CANARY}.example",
            started.state
        ),
        format!("?code={CANARY}&code={CANARY}&state=x"),
    ] {
        let callback = CallbackParams::parse(&callback);
        text += &format!("{callback:?}");
        let error = session.complete_authorization(callback).await;
        let error = error.expect_err("not believed");
        text += &format!("{error} {error:?}");
    }
    bench.host.journeys(Journey::Elsewhere);
    assert!(bench.send(&session, "").await.is_err());
    let started = bench.host.sign_ins()[1].clone();
    // Its origin is right, but the code is invalid.
    let callback = format!("?code={CANARY}&state={}&iss={ISSUER}", started.state);
    let callback = CallbackParams::parse(&callback);
    let error = session.complete_authorization(callback).await;
    text += &format!("{:?} {session:?} {:?}", error, bench.host.events());
    assert_clean(&(text + &capture.text()), &bench);
}
