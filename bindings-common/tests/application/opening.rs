//! Invalid options of a session and a loopback host.

use mcp_reauth_bindings::{Loopback, Session};
use serde_json::{Value, json};

use crate::support::{App, code, options, read};

async fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let (_, bridge) = App::new();
    let mut options = options();
    change(&mut options);
    let opened = Session::open(options.to_string(), &bridge, 7, None, None).await;
    opened.err().expect("it cannot be opened so")
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_name_and_nothing_of_it_is_quoted() {
    let client = |client: Value| json!({ "kind": "client_credentials", "client": client });
    let provider = |provider: Value| json!({ "kind": "enterprise", "identityProvider": provider });
    let idp = |secret: &str, key: &str| json!({ "issuer": "https://idp.example", "clientId": "c", "clientSecret": secret, "clientKey": key });
    for (credentials, named) in [
        (
            client(json!({ "id": "c", "secret": "hush", "key": "hush" })),
            "credentials.client.secret",
        ),
        (
            client(json!({ "id": "c", "key": "hush" })),
            "credentials.client.key",
        ),
        (
            client(json!({ "id": "c", "issuer": "https://a.example", "atAnyIssuer": true })),
            "atAnyIssuer",
        ),
        (
            provider(idp("hush", "hush")),
            "credentials.identityProvider.clientSecret",
        ),
        (json!({ "kind": "person", "secret": "hush" }), "the options"),
        (json!({ "kind": "hush" }), "the options"),
    ] {
        let answer = refusal(|options| options["credentials"] = credentials).await;
        assert_eq!(code(&answer), "config", "{answer}");
        assert!(
            answer.contains(named) && !answer.contains("hush"),
            "{answer}"
        );
    }
    let answer = refusal(|options| options["dpopKey"] = json!("hush")).await;
    assert!(
        answer.contains("dpopKey") && !answer.contains("hush"),
        "{answer}"
    );
    let answer = refusal(|options| options["settings"]["unknown"] = json!("hush")).await;
    assert_eq!(code(&answer), "config", "{answer}");
}

#[tokio::test]
async fn a_callback_address_elsewhere_is_refused_at_once() {
    let (_, bridge) = App::new();
    let open = |redirect_uri: &str| {
        let options = json!({
            "redirectUri": redirect_uri,
            "openBrowser": false,
            "assumeYes": false,
            "isTerminal": true,
            "withoutTerminal": "look elsewhere",
        });
        Loopback::new(&options.to_string(), &bridge, 3).err()
    };
    for elsewhere in [
        "https://app.example/callback",
        "http://10.0.0.1/",
        "nowhere",
        "http://127.0.0.1/#x",
    ] {
        let answer = open(elsewhere).expect("it is refused");
        assert_eq!(code(&answer), "config", "{answer}");
        assert!(answer.contains("redirectUri "), "{answer}");
        assert!(!answer.contains(elsewhere), "{answer}");
    }
    assert_eq!(open("http://127.0.0.1:0/callback"), None);
}

#[tokio::test]
async fn a_question_without_a_terminal_says_what_to_do() {
    let (app, bridge) = App::new();
    let options = |assume_yes: bool| {
        let options = json!({ "openBrowser": false, "assumeYes": assume_yes, "isTerminal": false, "withoutTerminal": "look elsewhere" });
        options.to_string()
    };
    let request = json!({
        "server": "https://mcp.example/mcp",
        "challenge": { "reason": "insufficient_scope" },
        "newScopes": ["a"],
        "scopes": ["a"],
    });
    let host = Loopback::new(&options(true), &bridge, 3).unwrap_or_else(|why| panic!("{why}"));
    let agreed = host.confirm_step_up(request.to_string(), None).await;
    assert_eq!(read(&agreed), json!({ "ok": true }));
    let answer = host.confirm_step_up("{}".to_owned(), None).await;
    assert_eq!(code(&answer), "config");
    assert!(app.heard("question").is_empty());
}
