//! Redirects of metadata: followed within the origin, by 307 and 308.

use crate::support::{Bench, Fault, Journey, Mcp, Meta, Prm, Register, code};

const WELL_KNOWN: &str = "https://mcp.example/.well-known/oauth-protected-resource/mcp";
const SLASHED: &str = "https://mcp.example/.well-known/oauth-protected-resource/mcp/";
const AT_ROOT: &str = "https://mcp.example/.well-known/oauth-protected-resource";

/// Returns the URLs that were asked for the resource's metadata, in order.
fn asked(bench: &Bench) -> Vec<String> {
    let seen = bench.world.take().into_iter();
    let resource = seen.filter(|seen| seen.kind == Prm);
    resource.map(|seen| seen.url).collect()
}

#[tokio::test(start_paused = true)]
async fn those_that_keep_the_method_are_followed_within_the_origin() {
    for status in [307, 308] {
        for to in [
            SLASHED,
            "mcp/",
            "/.well-known/oauth-protected-resource/mcp/",
        ] {
            let bench = Bench::new();
            bench.world.place(WELL_KNOWN, Fault::Redirect(status, to));
            let session = bench.open().await;
            assert_eq!(bench.send(&session, "").await, Ok(200), "{status} {to}");
            assert_eq!(asked(&bench), [WELL_KNOWN, SLASHED], "{status} {to}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_is_not_and_the_next_place_is_asked() {
    for (status, to) in [
        (301, SLASHED),
        (302, SLASHED),
        (303, SLASHED),
        (302, "/login"),
        (307, "https://evil.example/metadata"),
        (301, "https://evil.example/metadata"),
        (308, "//evil.example/metadata"),
        (
            307,
            "http://mcp.example/.well-known/oauth-protected-resource/mcp/",
        ),
        (308, "https://user@mcp.example/metadata"),
        (307, "https://["),
    ] {
        let bench = Bench::new();
        bench.world.place(WELL_KNOWN, Fault::Redirect(status, to));
        let session = bench.open().await;
        assert_eq!(bench.send(&session, "").await, Ok(200), "{status} {to}");
        assert_eq!(asked(&bench), [WELL_KNOWN, AT_ROOT], "{status} {to}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_the_error_where_no_place_has_the_document() {
    for (status, to, said) in [
        (301, SLASHED, SLASHED),
        (302, "/login", "https://mcp.example/login"),
        (303, "/login?next=canary", "https://mcp.example/login,"),
        (307, "https://evil.example/x", "https://evil.example/x"),
        (307, WELL_KNOWN, WELL_KNOWN),
        (308, "https://[", "nowhere"),
    ] {
        let bench = Bench::new();
        bench.world.always(Prm, Fault::Redirect(status, to));
        bench.world.always(Meta, Fault::Status(404));
        let session = bench.open().await;
        let error = bench.send(&session, "").await.expect_err("no metadata");
        assert_eq!(error.code(), "http", "{status} {to}");
        let text = error.to_string();
        assert!(text.contains(said), "{text}");
        assert!(text.contains("which is not followed"), "{text}");
        assert!(!text.contains("canary"), "{text}");
        // A URL that redirects does not definitely lack the document: no endpoints are assumed.
        assert_eq!(bench.world.count(Register), 0, "{status} {to}");
        assert_eq!(bench.host.prompts(), (0, 0), "{status} {to}");
    }
}

#[tokio::test(start_paused = true)]
async fn old_server_whose_gateway_sends_unknown_paths_to_a_page_is_used() {
    // Such a page is no metadata, but the authorization server's own metadata is where MCP 2025-03-26 defines it.
    for status in [301, 302, 303] {
        let bench = Bench::new();
        bench
            .world
            .always(Prm, Fault::Redirect(status, "https://mcp.example/login"));
        let session = bench.open().await;
        bench.host.journeys(Journey::Elsewhere);
        let sent = bench.send(&session, "").await;
        assert_eq!(code(&sent), "interaction_required", "{status}");
        let expected = [Mcp, Prm, Prm, Meta, Register];
        assert_eq!(bench.world.trace(), expected, "{status}");
        assert_eq!(bench.host.prompts(), (0, 1), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_of_the_authorization_server_is_held_to_the_same() {
    for (status, to, expected) in [
        (308, "oauth-authorization-server/", "no error"),
        (301, "oauth-authorization-server/", "http"),
        (302, "/login", "http"),
        (307, "https://evil.example/", "http"),
    ] {
        let bench = Bench::new();
        let place = "https://as.example/.well-known/oauth-authorization-server";
        bench.world.place(place, Fault::Redirect(status, to));
        let metadata = r#"{"issuer":"https://as.example","authorization_endpoint":"https://as.example/authorize","token_endpoint":"https://as.example/token","registration_endpoint":"https://as.example/register","code_challenge_methods_supported":["S256"]}"#;
        let slashed = format!("{place}/");
        bench.world.place(&slashed, Fault::Body(200, metadata));
        let session = bench.open().await;
        let result = bench.send(&session, "").await;
        assert_eq!(code(&result), expected, "{status} {to}");
    }
}
