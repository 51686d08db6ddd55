//! Responses of registration and token endpoints with invalid values.

use mcp_reauth_fixture::{Config, Faults};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::support::{Wire, World, at_both_wires};

fn members(members: Value) -> Map<String, Value> {
    members.as_object().unwrap().clone()
}

/// Tokens that are invalid in a header, or would inject another one.
const UNFIT: [&str; 8] = [
    "at_canary\r\nX-Evil: at_canary",
    "at_canary\nat_canary",
    "at_canary\rat_canary",
    "at_canary at_canary",
    "at_canary\tat_canary",
    "at_canary\u{0}",
    "at_canary\u{7f}",
    "at_canary-\u{e9}",
];

at_both_wires! {
    /// A first token that is invalid in a header is rejected; no part of it is used.
    async fn unfit_from_the_start(wire: Wire) {
        let world = World::new().await;
        for token in UNFIT {
            world.reset();
            world.fault(Faults { token_members: members(json!({ "access_token": token })), ..Faults::default() });
            world.refuses(wire, "authorization_denied").await;
            assert_eq!(world.prompts(), (0, 1), "{token:?}");
            assert!(world.session.authorization().is_none(), "{token:?}");
        }
        // A refresh token of a wrong type counts as absent.
        let none = json!({ "refresh_token": { "at": "rt_canary" } });
        world.fault(Faults { token_members: members(none), ..Faults::default() });
        let client = world.connect(wire).await;
        world.works(&client).await;
    }

    /// The same at a renewal: the sign-in that follows gets it too, and the next one works.
    async fn unfit_when_renewed(wire: Wire) {
        for token in UNFIT {
            let world = World::new().await;
            let client = world.connected(wire).await;
            world.control().expire_access_tokens();
            world.fault(Faults { token_members: members(json!({ "access_token": token })), ..Faults::default() });
            client.fails("echo", "authorization_denied").await;
            assert_eq!((world.counters().token_requests, world.prompts()), (2, (0, 1)));
            world.mend();
            world.works(&client).await;
        }
    }

    /// Values that are not strings.
    async fn no_text(wire: Wire) {
        let world = World::new().await;
        for (answer, code) in [
            (json!({ "access_token": 5 }), "http"),
            (json!({ "access_token": ["at_canary"] }), "http"),
            (json!({ "access_token": null }), "http"),
            (json!({ "access_token": "" }), "http"),
            (json!({ "token_type": "Bearer\r\nX: y" }), "authorization_denied"),
        ] {
            world.fault(Faults { token_members: members(answer.clone()), ..Faults::default() });
            world.refuses(wire, code).await;
            assert!(world.session.authorization().is_none(), "{answer}");
        }
        world.mend();
        let client = world.connect(wire).await;
        world.works(&client).await;
    }

    /// A refresh token may be any string: it is sent back unchanged, within its own parameter.
    async fn a_refresh_token_with_line_breaks(wire: Wire) {
        let world = World::new().await;
        let token = "rt_canary\r\nX-Evil: 1&grant_type=password&resource=evil#\u{e9}";
        world.fault(Faults { token_members: members(json!({ "refresh_token": token })), ..Faults::default() });
        let client = world.connected(wire).await;
        world.mend();
        world.control().expire_access_tokens();
        client.succeeds("echo").await;
        let requests = world.control().requests();
        let sent = requests.iter().find(|request| request.body.contains("grant_type=refresh_token")).unwrap();
        let form: Vec<_> = form_urlencoded::parse(sent.body.as_bytes()).into_owned().collect();
        let all = |name: &str| form.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
        assert_eq!(all("refresh_token"), [token]);
        assert_eq!(all("grant_type"), ["refresh_token"]);
        assert_eq!(all("resource"), [world.url()]);
        assert!(sent.header("x-evil").is_none());
        assert_eq!(world.prompts(), (0, 1), "nobody knows it, so the person signs in");
    }

    /// A client ID with line breaks is rejected.
    async fn a_client_id_with_line_breaks(wire: Wire) {
        let world = World::new().await;
        let id = "client\r\nX: y&state=evil&redirect_uri=https://evil.example/#\u{0}";
        world.fault(Faults { registration_members: members(json!({ "client_id": id })), ..Faults::default() });
        world.refuses(wire, "registration_rejected").await;
        assert_eq!(world.prompts(), (0, 0), "it goes into no address");
    }

    /// Error descriptions that quote the whole request, and ones so long that the quotation is cut.
    async fn quoting_the_request(wire: Wire) {
        for code in ["invalid_grant", "invalid_request", "invalid_client", "server_error"] {
            let world = World::new().await;
            let client = world.connected(wire).await;
            world.control().expire_access_tokens();
            world.fault(Faults { token_error: Some(code.into()), token_error_quotes: true, ..Faults::default() });
            client.call("echo").await.unwrap_err();
            world.mend();
            world.works(&client).await;
        }
    }

    /// The same with a client secret, in either place.
    async fn quoting_the_secret(wire: Wire) {
        use mcp_reauth_fixture::config::AuthMethod::{ClientSecretBasic, ClientSecretPost};
        for method in [ClientSecretBasic, ClientSecretPost] {
            let config = Config { token_endpoint_auth_methods_supported: vec![method], ..Config::default() };
            let world = World::with(config).await;
            let client = world.connected(wire).await;
            world.control().expire_access_tokens();
            world.fault(Faults { token_error: Some("invalid_request".into()), token_error_quotes: true, ..Faults::default() });
            client.call("echo").await.unwrap_err();
        }
    }
}
