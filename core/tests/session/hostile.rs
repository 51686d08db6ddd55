//! Servers that send malicious content.

use std::time::{Duration, Instant};

use mcp_reauth::{AuthChallenge, CallbackParams, ScopeSet};

use crate::support::{Bench, Fault, Journey, Meta, code};

#[test]
fn any_number_of_scopes_is_read_and_compared_in_bounded_time() {
    let many = |prefix: char| {
        let scopes: Vec<String> = (0..100_000).map(|n| format!("{prefix}{n}")).collect();
        scopes.join(" ")
    };
    let (a, b) = (ScopeSet::parse(&many('a')), ScopeSet::parse(&many('b')));
    for _ in 0..100 {
        assert!(!a.covers(&b));
        assert_eq!(a.union(&b), a, "a full set takes no more");
        assert_eq!(a.difference(&b), a);
    }
    let header = format!(
        "Bearer error=\"insufficient_scope\", scope=\"{}\"",
        many('a')
    );
    let challenge = AuthChallenge::from_response(403, [header.as_str()]).expect("a challenge");
    assert_eq!(challenge.required_scopes, a);
}

#[tokio::test(start_paused = true)]
async fn nothing_a_server_writes_controls_the_terminal() {
    for endpoint in [
        r"http://evil.example/\u001b]0;title\u0007",
        r"https://evil.example/\u001b]0;title\u0007",
        r"https://evil.example/\u202etxt",
        r"http://evil.example/?token=canary",
    ] {
        let bench = Bench::new();
        let body = format!(
            r#"{{"issuer":"https://as.example","authorization_endpoint":"https://as.example/authorize",
            "token_endpoint":"{endpoint}","code_challenge_methods_supported":["S256"]}}"#
        );
        bench.world.always(Meta, Fault::Body(200, body.leak()));
        let session = bench.open().await;
        let result = bench.send(&session, "").await;
        assert!(
            ["insecure_endpoint", "metadata_invalid"].contains(&code(&result)),
            "{result:?}"
        );
        let text = result.expect_err("it failed").to_string();
        assert!(
            !text.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{text:?}"
        );
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_navigated_away_is_told_what_was_not_granted() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench
        .world
        .servers(|s| s.never_granted.insert("a".to_owned()));
    bench.host.journeys(Journey::Elsewhere);
    assert_eq!(
        code(&bench.send(&session, "a").await),
        "interaction_required"
    );
    let page = bench.host.sign_ins().pop().expect("a sign-in");
    let callback = CallbackParams::parse(&bench.world.visit(&page.url));
    let error = session
        .complete_authorization(callback)
        .await
        .expect_err("it falls short");
    assert_eq!(error.code(), "scope_not_granted");
    // What was granted is used nevertheless.
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

#[test]
fn any_number_of_challenges_is_read_in_bounded_time() {
    let unit = "Bearer realm=\"x\", scope=\"a b\"";
    let last = "Bearer error=\"insufficient_scope\", scope=\"found\"";
    let mut lines = vec![unit; 10_000];
    lines.push(last);
    let joined = lines.join(", ");
    for lines in [lines, vec![&joined]] {
        let before = Instant::now();
        for _ in 0..10 {
            let challenge = AuthChallenge::from_response(403, lines.iter().copied());
            let challenge = challenge.expect("a challenge");
            assert_eq!(challenge.required_scopes, ScopeSet::parse("found"));
            // Only the beginning of the lines is kept.
            let kept = challenge.raw.www_authenticate.expect("the lines");
            assert!(kept.len() <= 16 * 1024 && joined.starts_with(&kept));
        }
        // Milliseconds if the work is linear in the input, minutes if it is quadratic.
        assert!(before.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn a_megabyte_of_anything_is_read_in_bounded_time() {
    let before = Instant::now();
    for unit in [
        "Bearer ",
        "Bearer,",
        "a=b,",
        "a=\"\\\"",
        "\"",
        ",",
        "Bearer a=\"",
        "=",
        "\u{e9}",
        " ",
        "Bearer a=b ",
    ] {
        let line = format!("Bearer {}", unit.repeat(1_000_000 / unit.len()));
        let challenge = AuthChallenge::from_response(401, [line.as_str()]).expect("a challenge");
        assert!(challenge.message.is_none() && challenge.required_scopes.is_empty());
    }
    assert!(before.elapsed() < Duration::from_secs(20));
}

#[test]
fn of_a_huge_challenge_only_the_beginning_is_kept() {
    let line = format!(
        r#"Bearer error="insufficient_scope", scope="a", realm="{}""#,
        "\u{e9}".repeat(1_000_000)
    );
    let challenge = AuthChallenge::from_response(403, [line.as_str()]).expect("a challenge");
    assert_eq!(challenge.required_scopes, ScopeSet::parse("a"));
    let raw = challenge.raw.www_authenticate.expect("its lines");
    assert!((16_000..=16_384).contains(&raw.len()), "{}", raw.len());
    assert!(line.starts_with(&raw));
}
