//! Unusable metadata and registration: a typed error, and later sign-ins work.

use mcp_reauth_fixture::{Config, Faults};

use serde_json::json;

use crate::support::{Clock, Elsewhere, Wire, World, at_both_wires, spellings, tests};

/// Connecting fails with this code and without a prompt, and works once the fault is cleared.
async fn refused(wire: Wire, config: Config, faults: Faults, code: &str) {
    let world = World::with(config).await;
    world.fault(faults);
    world.refuses(wire, code).await;
    assert_eq!(world.prompts(), (0, 0));
    assert_eq!(world.counters().token_requests, 0);
    world.mend();
    let client = world.connect(wire).await;
    world.works(&client).await;
    assert_eq!(world.prompts(), (0, 1));
}

/// The same fault later: a step-up reads no metadata, and so is not affected.
async fn passed_over_later(wire: Wire, faults: Faults) {
    let world = World::new().await;
    let client = world.connected(wire).await;
    world.fault(faults);
    client.succeeds("write_note").await;
    assert_eq!(world.prompts(), (1, 1));
    assert_eq!(world.counters().resource_metadata, 0);
}

async fn refused_in_any_case(wire: Wire, faults: Faults, code: &str) {
    refused(wire, Config::default(), faults.clone(), code).await;
    passed_over_later(wire, faults).await;
}

/// Responses that are too slow or too long, and how the error describes them.
fn unreasonable() -> [(Faults, &'static str); 3] {
    let none = Faults::default;
    [
        (
            Faults {
                slow_bytes: true,
                ..none()
            },
            "20 s",
        ),
        (
            Faults {
                endless_body: true,
                ..none()
            },
            "1048576 bytes",
        ),
        (
            Faults {
                oversized_body: true,
                ..none()
            },
            "1048576 bytes",
        ),
    ]
}

at_both_wires! {
    /// Metadata that lists only unusable PKCE methods.
    async fn no_usable_pkce(wire: Wire) {
        let world = World::new().await;
        for methods in [json!([]), json!(["plain"]), json!(["s256"]), json!(["S256 "]), json!(["plain S256"])] {
            let members = json!({ "code_challenge_methods_supported": methods });
            world.fault(Faults {
                server_metadata_members: members.as_object().unwrap().clone(),
                ..Faults::default()
            });
            world.refuses(wire, "pkce_unsupported").await;
            assert_eq!((world.prompts(), world.counters().registrations), ((0, 0), 0), "{methods}");
        }
    }

    /// Metadata without PKCE.
    async fn no_pkce(wire: Wire) {
        let faults = Faults { no_pkce_in_metadata: true, ..Faults::default() };
        refused_in_any_case(wire, faults, "pkce_unsupported").await;
    }

    /// Metadata with another issuer.
    async fn another_issuer(wire: Wire) {
        let faults = Faults {
            metadata_issuer: Some("https://as.example".into()),
            ..Faults::default()
        };
        refused_in_any_case(wire, faults, "metadata_invalid").await;
    }

    /// Metadata with an issuer that is equal only after normalization.
    async fn another_spelling_of_the_issuer(wire: Wire) {
        let world = World::with(Config { issuer_path: "/tenant1".into(), ..Config::default() }).await;
        for variant in spellings(world.issuer()) {
            world.fault(Faults { metadata_issuer: Some(variant.clone()), ..Faults::default() });
            world.refuses(wire, "metadata_invalid").await;
            assert_eq!((world.prompts(), world.counters().registrations), ((0, 0), 0), "{variant}");
        }
        world.mend();
        let client = world.connect(wire).await;
        world.works(&client).await;
    }

    /// Metadata for another resource at the same or a similar-looking origin.
    async fn another_resource_nearby(wire: Wire) {
        let world = World::new().await;
        let origin = world.url().trim_end_matches("/mcp").to_owned();
        for resource in [
            format!("{origin}/mc"),
            format!("{origin}/mcp/x"),
            format!("{origin}/other"),
            format!("{origin}/mcp?x=1"),
            format!("{origin}/mcp#x"),
            format!("{origin}.evil.example/mcp"),
            format!("{origin}@evil.example/mcp"),
            origin.replace("http:", "https:"),
            origin.replace("127.0.0.1", "localhost"),
            world.issuer().to_owned(),
            String::new(),
        ] {
            world.fault(Faults { metadata_resource: Some(resource.clone()), ..Faults::default() });
            world.refuses(wire, "resource_mismatch").await;
            assert_eq!((world.prompts(), world.counters().server_metadata), ((0, 0), 0), "{resource}");
        }
        world.mend();
        let client = world.connect(wire).await;
        world.works(&client).await;
    }

    /// Metadata for another resource.
    async fn another_resource(wire: Wire) {
        let faults = Faults {
            metadata_resource: Some("https://mcp.example/mcp".into()),
            ..Faults::default()
        };
        refused_in_any_case(wire, faults, "resource_mismatch").await;
    }

    /// Metadata that is too long.
    async fn oversized(wire: Wire) {
        let faults = Faults { oversized_body: true, ..Faults::default() };
        refused(wire, Config::default(), faults, "http").await;
    }

    /// Metadata without an end.
    async fn endless(wire: Wire) {
        let faults = Faults { endless_body: true, ..Faults::default() };
        refused(wire, Config::default(), faults, "http").await;
    }

    /// A redirect to another origin, which is not followed.
    async fn redirected(wire: Wire) {
        let elsewhere = Elsewhere::start().await;
        let faults = Faults {
            redirect_metadata_to: Some(elsewhere.url.clone()),
            ..Faults::default()
        };
        refused_in_any_case(wire, faults, "http").await;
        assert_eq!(elsewhere.hits().await, 0);
    }

    /// Redirects with every other status, and to other addresses that are another origin.
    async fn redirected_anyhow(wire: Wire) {
        let elsewhere = Elsewhere::start().await;
        let world = World::new().await;
        let by_name = elsewhere.url.replace("127.0.0.1", "localhost");
        let bare = elsewhere.url.trim_start_matches("http:").to_owned();
        let as_user = elsewhere.url.replace("http://", "http://127.0.0.1@");
        for target in [&elsewhere.url, &by_name, &bare, &as_user] {
            for status in [301, 302, 303, 307, 308] {
                world.fault(Faults {
                    redirect_metadata_to: Some(target.clone()),
                    redirect_status: Some(status),
                    ..Faults::default()
                });
                world.refuses(wire, "http").await;
            }
        }
        assert_eq!((elsewhere.hits().await, world.prompts()), (0, (0, 0)));
    }

    /// A very long redirect target is named in the error, shortened.
    async fn redirected_to_an_endless_address(wire: Wire) {
        let world = World::new().await;
        let target = format!("http://evil.example/{}", "x".repeat(100_000));
        world.fault(Faults { redirect_metadata_to: Some(target), ..Faults::default() });
        let failure = world.refuses(wire, "http").await;
        assert!(failure.text.len() < 2000, "{}", failure.text.len());
    }

    /// The authorization metadata of a legacy server redirects to another origin, which is not followed either.
    async fn redirected_at_a_legacy_server(wire: Wire) {
        let elsewhere = Elsewhere::start().await;
        let faults = Faults {
            redirect_metadata_to: Some(elsewhere.url.clone()),
            ..Faults::default()
        };
        refused(wire, Config { legacy: true, ..Config::default() }, faults, "http").await;
        assert_eq!(elsewhere.hits().await, 0);
    }

    /// The registration endpoint rejects the client.
    async fn registration_rejected(wire: Wire) {
        let faults = Faults { registration_rejected: true, ..Faults::default() };
        refused(wire, Config::default(), faults, "registration_rejected").await;
    }
}

tests! {
    /// One byte a second: fails after the library's own time limit, which is shortened here.
    async fn slow_bytes() {
        let clock = Clock::with_scale(30);
        let world = World::with_session(Config::default(), |b| b.runtime(clock)).await;
        world.fault(Faults { slow_bytes: true, ..Faults::default() });
        let failure = world.refuses(Wire::Stateless, "http").await;
        assert!(failure.text.contains("20 s"), "{failure:?}");
        world.mend();
        let client = world.connect(Wire::Stateless).await;
        world.works(&client).await;
    }

    /// The authorization server's metadata arrives at one byte a second, without an end, or is too long. A legacy
    /// server has no resource metadata, so that the faults affect this request first.
    async fn unreasonable_server_metadata() {
        let clock = Clock::with_scale(20);
        let legacy = Config { legacy: true, ..Config::default() };
        let world = World::with_session(legacy, |b| b.runtime(clock)).await;
        for (faults, said) in unreasonable() {
            world.fault(faults);
            let failure = world.refuses(Wire::Stateless, "http").await;
            assert!(failure.text.contains("/.well-known/oauth-auth") && failure.text.contains(said), "{failure:?}");
            assert_eq!((world.counters().registrations, world.prompts()), (0, (0, 0)));
        }
        world.mend();
        let client = world.connect(Wire::Stateless).await;
        world.works(&client).await;
    }

    /// The registration endpoint answers at one byte a second, without an end, or at length. The server has no
    /// metadata, so that the faults affect registration first.
    async fn unreasonable_registration() {
        let legacy = || Config { legacy: true, legacy_without_metadata: true, ..Config::default() };
        let clock = Clock::with_scale(20);
        let world = World::with_session(legacy(), |b| b.runtime(clock)).await;
        for (faults, said) in unreasonable() {
            world.reset();
            world.fault(faults);
            let failure = world.refuses(Wire::Stateless, "http").await;
            assert!(failure.text.contains("/register") && failure.text.contains(said), "{failure:?}");
            assert_eq!((world.counters().registrations, world.prompts()), (1, (0, 0)));
        }
        world.mend();
        let client = world.connect(Wire::Stateless).await;
        world.works(&client).await;
    }

    /// The token endpoint does the same after the user's sign-in: at most one more try, then an error.
    async fn unreasonable_token_endpoint() {
        let clock = Clock::with_scale(20);
        let world = World::with_session(Config::default(), |b| b.runtime(clock)).await;
        for (faults, said) in unreasonable() {
            world.reset();
            let control = world.control().clone();
            world.user.on_event(move |event| {
                if event.to_string() == "authorization_started" {
                    control.set_faults(faults.clone());
                }
            });
            let failure = world.refuses(Wire::Stateless, "http").await;
            assert!(failure.text.contains("/token") && failure.text.contains(said), "{failure:?}");
            assert!((1..=2).contains(&world.counters().token_requests), "{said}");
            assert_eq!(world.prompts(), (0, 1));
            world.mend();
        }
        world.user.on_event(|_| {});
        let client = world.connect(Wire::Stateless).await;
        world.works(&client).await;
    }

    /// No registration endpoint and no client ID.
    async fn no_registration_endpoint() {
        let mut config = Config::default();
        config.registration.dynamic = false;
        let world = World::with(config).await;
        let failure = world.refuses(Wire::Stateless, "registration_rejected").await;
        assert!(failure.text.contains("client id"), "{failure:?}");
        assert_eq!(world.prompts(), (0, 0));
    }
}
