//! What errors carry to other languages, and over the wire.

use std::fmt;

use mcp_reauth::{AuthChallenge, Error, ScopeSet};
use serde_json::json;

/// An error of the application.
#[derive(Debug)]
struct Broken(u8);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

#[test]
fn what_an_application_failed_by_is_kept() {
    for error in [Error::host("it broke"), Error::store("it broke")] {
        assert!(error.cause().is_none());
        let caused = error.clone().caused_by(Broken(7));
        let cause = caused
            .cause()
            .and_then(|cause| cause.downcast_ref::<Broken>());
        assert_eq!(cause.map(|broken| broken.0), Some(7));
        assert_eq!(
            caused.to_string(),
            error.to_string(),
            "it is told of by the detail"
        );
        assert_eq!(caused.clone(), caused);
        assert_ne!(caused, error.caused_by(Broken(7)));
        let debug = format!("{caused:?}");
        assert!(
            !debug.contains("broken") && !debug.contains("Broken"),
            "{debug}"
        );
    }
    let other = Error::StateMismatch.caused_by(Broken(7));
    assert!(other.cause().is_none());
}

#[test]
fn failure_is_told_as_the_answer_to_a_json_rpc_request() {
    let mut challenge = AuthChallenge::unauthenticated();
    challenge.required_scopes = ScopeSet::parse("a");
    let error = Error::Unauthorized {
        server: "https://mcp.example".to_owned(),
        challenge: Box::new(challenge.clone()),
    };
    let answer = error.to_json_rpc(&json!("seven"));
    assert_eq!(
        answer,
        json!({
            "jsonrpc": "2.0",
            "id": "seven",
            "error": {
                "code": -32080,
                "message": error.to_string(),
                "data": error,
            },
        })
    );
    let data = &answer["error"]["data"];
    assert_eq!(data["code"], "unauthorized");
    assert_eq!(data["challenge"], json!(challenge));
}
