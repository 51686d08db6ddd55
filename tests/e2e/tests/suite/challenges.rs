//! Malicious challenges: huge ones, thousands of them, and deceptive text.

use mcp_reauth_fixture::{Config, Faults};
use serde_json::json;

use crate::support::{Speaker, Wire, World, at_both_wires, connect_to, log, tests};

/// Rejects every request with these field lines.
fn rejecting(challenges: Vec<String>) -> Faults {
    Faults {
        always_401: true,
        challenges: Some(challenges),
        ..Faults::default()
    }
}

/// More than the HTTP client accepts as header: the call fails like a broken connection, without retries.
async fn too_much(wire: Wire, challenges: Vec<String>) {
    let world = World::new().await;
    let client = world.connected(wire).await;
    world.fault(rejecting(challenges));
    let failure = client.fails("echo", "").await;
    assert!(failure.text.len() < 1000, "{}", failure.text.len());
    assert_eq!(world.counters().http_requests(), 1);
    assert_eq!(world.prompts(), (0, 0));
    world.mend();
    world.works(&client).await;
}

/// As much as the HTTP client accepts: recovery runs as for any other challenge, within its limits.
async fn read(wire: Wire, challenges: Vec<String>) {
    let world = World::new().await;
    let client = world.connected(wire).await;
    world.fault(rejecting(challenges));
    let failure = client.fails("echo", "unauthorized").await;
    assert!(failure.text.len() < 2000, "{}", failure.text.len());
    assert_eq!(world.counters().http_requests(), 6);
    assert_eq!(world.prompts(), (0, 1));
    world.mend();
    world.works(&client).await;
}

fn described(length: usize) -> String {
    format!(
        "Bearer error=\"invalid_token\", error_description=\"{}\"",
        "x".repeat(length)
    )
}

at_both_wires! {
    /// 1 MB in one line.
    async fn a_megabyte(wire: Wire) {
        too_much(wire, vec![described(1_000_000)]).await;
    }

    /// 10,000 lines.
    async fn ten_thousand_lines(wire: Wire) {
        too_much(wire, vec![described(1); 10_000]).await;
    }

    /// 350 kB, close to the limit for a response's header.
    async fn a_third_of_a_megabyte(wire: Wire) {
        read(wire, vec![described(350_000)]).await;
    }

    /// 10,000 challenges in one line.
    async fn ten_thousand_challenges(wire: Wire) {
        read(wire, vec!["Bearer realm=\"x\",".repeat(10_000)]).await;
    }

    /// 10,000 challenges in 90 lines.
    async fn ten_thousand_challenges_in_many_lines(wire: Wire) {
        read(wire, vec!["Bearer realm=\"x\",".repeat(112); 90]).await;
    }

    /// A quoted string without an end.
    async fn an_open_quote(wire: Wire) {
        let line = format!("Bearer error=\"invalid_token\", a=\"{}", "\\\"".repeat(100_000));
        read(wire, vec![line]).await;
    }

    /// A scope of 300 kB is ignored, and appears in no address.
    async fn an_endless_scope(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let line = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", "s".repeat(300_000));
        world.fault(Faults {
            always_403_scope: true,
            challenges: Some(vec![line]),
            ..Faults::default()
        });
        let failure = client.call("echo").await.unwrap_err();
        assert!(["insufficient_scope", "step_up_limit"].contains(&failure.code.as_str()), "{failure:?}");
        assert!(failure.text.len() < 2000, "{}", failure.text.len());
        assert!(world.user.last_page().url.len() < 2000);
        assert!(world.counters().http_requests() <= 7, "{:?}", world.counters());
        world.mend();
        world.works(&client).await;
    }

    /// The challenge quotes the token that was sent, in every part: it is not passed on.
    async fn quoting_the_token(wire: Wire) {
        for (status, line) in [
            (401, "Bearer error=\"invalid_token\", error_description=\"no good: {token}\", realm=\"{token}\""),
            (401, "Bearer error=\"invalid_token\", scope=\"mcp:read {token}\""),
            (401, "Bearer error=\"insufficient_user_authentication\", acr_values=\"{token}\""),
            (401, "Bearer resource_metadata=\"https://127.0.0.1:9/{token}\""),
            (401, "{token} error={token}"),
            (403, "Bearer error=\"insufficient_scope\", scope=\"mcp:read {token}\""),
            (403, "Bearer error=\"insufficient_scope\", error_description=\"{token}\", scope=\"mcp:x\""),
        ] {
            let world = World::new().await;
            let client = world.connected(wire).await;
            world.fault(Faults {
                always_401: status == 401,
                always_403_scope: status == 403,
                challenges: Some(vec![line.to_owned()]),
                ..Faults::default()
            });
            client.call("echo").await.unwrap_err();
            assert!(world.counters().http_requests() <= 9, "{:?}", world.counters());
            world.mend();
            world.works(&client).await;
        }
    }

    /// An error page that quotes the token, as pages for developers do.
    async fn quoting_the_token_on_a_page(wire: Wire) {
        for before in [0, 480] {
            let world = World::new().await;
            let client = world.connected(wire).await;
            world.fault(Faults {
                plain_403: true,
                refusal_body: Some(format!("no{}: Bearer {{token}}", ".".repeat(before))),
                ..Faults::default()
            });
            let sent = world.session.authorization().unwrap().header_value().to_owned();
            let failure = client.fails("echo", "").await;
            assert!(failure.text.contains("no") && failure.text.contains("Bearer"), "{failure:?}");
            assert!(!failure.text.contains(&sent[..19]), "{failure:?}");
        }
    }

    /// A quoted token at the end of the displayed excerpt, which cuts it in two.
    async fn quoting_the_token_at_the_edge(wire: Wire) {
        for before in [470, 490, 500] {
            let world = World::new().await;
            let client = world.connected(wire).await;
            let before = "x".repeat(before);
            world.fault(rejecting(vec![format!("Bearer error_description=\"{before}{{token}}\"")]));
            let sent = world.session.authorization().unwrap().header_value().to_owned();
            client.fails("echo", "unauthorized").await;
            // The excerpt ends with the first characters of the token.
            let start = &sent["Bearer ".len()..][..11];
            assert!(!log::contains(&format!("x{start}")), "{start}");
        }
    }
}

tests! {
    /// 1 MB inside a tool result, where no HTTP library bounds it.
    async fn a_megabyte_in_a_tool_result() {
        let world = World::new().await;
        let client = world.connected(Wire::Stateless).await;
        world.fault(Faults {
            challenge_in_tool_result: true,
            ..rejecting(vec![described(1_000_000); 10])
        });
        let failure = client.fails("echo", "unauthorized").await;
        assert!(failure.text.len() < 2000, "{}", failure.text.len());
        assert_eq!((world.counters().tool_challenges, world.prompts()), (3, (0, 1)));
    }

    /// Characters that are invalid in a header, as only a server without an HTTP library sends them.
    async fn control_characters() {
        let world = World::with(Config::default()).await;
        for evil in ["\0", "\u{1}", "\u{7}", "\u{8}", "\u{b}", "\u{1b}]0;title", "\u{7f}", "\rX: y", "\nX y"] {
            let head = format!("HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer error_description=\"a{evil}b\"\r\n");
            let server = Speaker::start(format!("{head}Content-Length: 0\r\n\r\n")).await;
            let session = world.another_session(&server.url, |b| b).await;
            let failure = connect_to(&session, Wire::Stateless).await.err().expect("it does not connect");
            assert!(!failure.text.contains(char::is_control), "{failure:?}");
            assert_eq!(world.prompts(), (0, 0), "{evil:?}");
        }
    }

    /// Characters that are valid in a header but must be escaped when displayed.
    async fn deceiving_characters() {
        let world = World::new().await;
        let client = world.connected(Wire::Stateless).await;
        let line = "Bearer error_description=\"sai\u{202e}d\u{2066}\u{200f}\t\u{85}it\", scope=\"mcp:read\u{85}x\"";
        world.fault(rejecting(vec![line.to_owned(), "\u{202e}Bearer".to_owned()]));
        let failure = client.fails("echo", "unauthorized").await;
        assert!(failure.text.contains("saidit"), "{failure:?}");
        assert!(!world.user.last_page().url.contains("%C2%85"));
    }

    /// A challenge in a tool result is not a header, and may contain any character.
    async fn control_characters_in_a_tool_result() {
        let world = World::new().await;
        let client = world.connected(Wire::Stateless).await;
        let line = "Bearer error=\"invalid_token\", error_description=\"sai\u{1b}[31m\r\nX: y\u{0}d\", \
            resource_metadata=\"https://a.example/\r\nX: y\"";
        world.fault(Faults {
            challenge_in_tool_result: true,
            ..rejecting(vec![line.to_owned()])
        });
        let failure = client.fails("echo", "unauthorized").await;
        assert!(!failure.text.contains(char::is_control), "{failure:?}");
        assert!(failure.text.contains("sai[31mX: yd"), "{failure:?}");
        let events = json!(world.user.events());
        assert!(events.to_string().contains("challenged"));
    }
}
