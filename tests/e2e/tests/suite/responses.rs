//! Invalid authorization responses.

use mcp_reauth_fixture::{Config, Consent, Faults};

use crate::support::{Wire, World, at_both_wires, browser, log, spellings};

/// The sign-in fails with this code after one page, and works once the fault is cleared.
async fn refused(wire: Wire, faults: Faults, code: &str, codes_sent: u64) {
    let world = World::new().await;
    world.fault(faults.clone());
    world.refuses(wire, code).await;
    assert_eq!(world.prompts(), (0, 1));
    assert_eq!(world.counters().token_code, codes_sent);
    world.mend();
    let client = world.connected(wire).await;
    world.works(&client).await;

    world.reset();
    world.fault(faults);
    client.fails("write_note", code).await;
    assert_eq!(world.prompts(), (1, 1));
    assert_eq!(world.counters().token_code, codes_sent);
    world.works(&client).await;
    world.mend();
    client.succeeds("write_note").await;
}

/// A response that does not belong to the sign-in is ignored: the real one, sent afterwards, completes it.
async fn ignored(wire: Wire, faults: Faults) {
    let world = World::new().await;
    let control = world.control().clone();
    world.user.browses(move |request| {
        let (control, faults) = (control.clone(), faults.clone());
        async move {
            control.set_faults(faults);
            assert_eq!(browser::look_at(&request.url).await, 400);
            assert_eq!(browser::look_at(&request.url).await, 400);
            control.set_faults(Faults::default());
            assert_eq!(browser::look_at(&request.url).await, 200);
        }
    });
    let client = world.connect(wire).await;
    world.works(&client).await;
    client.succeeds("write_note").await;
    assert_eq!(world.counters().token_code, 2);
    assert_eq!(world.prompts(), (1, 2));
}

at_both_wires! {
    /// With another issuer: the code is not sent.
    async fn wrong_iss(wire: Wire) {
        let wrong_iss = Some("https://as.example".to_owned());
        refused(wire, Faults { wrong_iss, ..Faults::default() }, "issuer_mismatch", 0).await;
    }

    /// Without the promised issuer: the code is not sent.
    async fn missing_iss(wire: Wire) {
        refused(wire, Faults { missing_iss: true, ..Faults::default() }, "issuer_mismatch", 0).await;
    }

    /// With an issuer that is equal only after normalization.
    async fn another_spelling_of_iss(wire: Wire) {
        let world = World::with(Config { issuer_path: "/tenant1".into(), ..Config::default() }).await;
        for variant in spellings(world.issuer()) {
            world.reset();
            world.fault(Faults { wrong_iss: Some(variant.clone()), ..Faults::default() });
            world.refuses(wire, "issuer_mismatch").await;
            assert_eq!((world.prompts(), world.counters().token_requests), ((0, 1), 0), "{variant}");
        }
        world.mend();
        let client = world.connect(wire).await;
        world.works(&client).await;
    }

    /// Nothing of an error response from another issuer appears in the error, in events, or in the log.
    async fn mismatched_errors_are_not_repeated(wire: Wire) {
        for missing_iss in [false, true] {
            // All tests log to the same place concurrently, so each run has its own word.
            let poison = format!("poisoned_by_{wire:?}_{missing_iss}").to_lowercase();
            let code = || Some(format!("{poison}_code"));
            let world = World::new().await;
            world.fault(Faults {
                missing_iss,
                wrong_iss: (!missing_iss).then(|| format!("https://{poison}.example")),
                authorize_error: code(),
                authorize_error_details: Some(format!("https://{poison}.example/{poison}")),
                ..Faults::default()
            });
            world.refuses(wire, "issuer_mismatch").await;
            assert!(!log::contains(&poison));
            // With the right issuer it is logged, which proves that the search works.
            world.fault(Faults { authorize_error: code(), ..Faults::default() });
            world.refuses(wire, "authorization_denied").await;
            assert!(log::contains(&poison));
        }
    }

    /// An error response with another issuer is a forged response, not a refusal.
    async fn wrong_iss_with_an_error(wire: Wire) {
        let faults = Faults {
            wrong_iss: Some("https://as.example".into()),
            authorize_error: Some("access_denied".into()),
            ..Faults::default()
        };
        refused(wire, faults, "issuer_mismatch", 0).await;
    }

    /// A server that does not promise `iss` need not send it.
    async fn no_iss(wire: Wire) {
        let world = World::with(Config { emit_iss: false, ..Config::default() }).await;
        let client = world.connect(wire).await;
        world.works(&client).await;
    }

    /// An unknown state.
    async fn wrong_state(wire: Wire) {
        ignored(wire, Faults { wrong_state: true, ..Faults::default() }).await;
    }

    /// No state.
    async fn missing_state(wire: Wire) {
        ignored(wire, Faults { missing_state: true, ..Faults::default() }).await;
    }

    /// The user denies access.
    async fn access_denied(wire: Wire) {
        let authorize_error = Some("access_denied".to_owned());
        let faults = Faults { authorize_error, ..Faults::default() };
        refused(wire, faults, "authorization_denied", 0).await;
    }

    /// The server reports an error of its own.
    async fn server_error(wire: Wire) {
        let authorize_error = Some("server_error".to_owned());
        let faults = Faults { authorize_error, ..Faults::default() };
        refused(wire, faults, "authorization_denied", 0).await;
    }

    /// The user denies access on the consent page.
    async fn denied_on_the_page(wire: Wire) {
        let world = World::new().await;
        world.control().consent(Consent::Deny);
        let failure = world.refuses(wire, "authorization_denied").await;
        assert!(failure.text.contains("access_denied"), "{failure:?}");
        world.control().consent(Consent::Approve);
        let client = world.connect(wire).await;
        world.works(&client).await;
    }

    /// A server that does not support resource indicators.
    async fn no_resource_parameter(wire: Wire) {
        let faults = Faults { reject_resource_parameter: true, ..Faults::default() };
        refused(wire, faults, "authorization_denied", 0).await;
    }

    /// The same server, with a client that sends none.
    async fn no_resource_parameter_sent(wire: Wire) {
        let world = World::with_session(Config::default(), |b| b.send_resource(false)).await;
        world.fault(Faults { reject_resource_parameter: true, ..Faults::default() });
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        client.succeeds("echo").await;
        client.succeeds("write_note").await;
        assert_eq!(world.prompts(), (1, 1));
    }

    /// A server that requires resource indicators.
    async fn resource_parameter_required(wire: Wire) {
        let world = World::with(Config { resource_required: true, ..Config::default() }).await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        client.succeeds("echo").await;
        client.succeeds("write_note").await;
    }

    /// Tokens of an unknown type.
    async fn odd_token_type(wire: Wire) {
        let world = World::new().await;
        world.fault(Faults { token_type: Some("mac".into()), ..Faults::default() });
        world.refuses(wire, "authorization_denied").await;
        assert_eq!(world.prompts(), (0, 1));
        assert_eq!(world.counters().http_requests(), 5, "{:?}", world.counters());
        world.mend();
        world.reset();
        let client = world.connect(wire).await;
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 1), "there was nothing to go on with");
    }

    /// Other spellings of `Bearer`.
    async fn token_type_in_another_spelling(wire: Wire) {
        let world = World::new().await;
        world.fault(Faults { token_type: Some("bEARER".into()), ..Faults::default() });
        let client = world.connect(wire).await;
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 1));
    }

    /// The first grant lacks the required scope.
    async fn too_little_from_the_start(wire: Wire) {
        let world = World::new().await;
        world.fault(Faults { narrower_scope: Some("mcp:write".into()), ..Faults::default() });
        world.refuses(wire, "scope_not_granted").await;
        // The scope was requested and not granted: a second request would not help.
        assert_eq!(world.prompts(), (0, 1));
        world.mend();
        let client = world.connect(wire).await;
        world.works(&client).await;
    }

    /// The token endpoint is unavailable after the user's sign-in: the code may be used up.
    async fn token_endpoint_down(wire: Wire) {
        refused(wire, Faults { token_status: Some(503), ..Faults::default() }, "http", 1).await;
    }
}
