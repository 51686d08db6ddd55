//! What a client registers for, and how it authenticates afterwards.

use mcp_reauth::{Client, Secret};

use crate::support::{
    Bench, Fault, ISSUER, Journey, Mcp, Register, Revoke, Seen, Servers, Token, Visit, code,
};

/// A server like that of the MCP Python SDK: the client's id and secret have to be in the form, and only registered
/// scopes are granted.
fn lax(servers: &mut Servers) {
    servers.auth_methods = vec!["client_secret_post", "client_secret_basic"];
    servers.wants_id_in_form = true;
    servers.keeps_to_registered_scopes = true;
    servers.names_scopes = true;
}

/// Returns the requests of one kind.
fn of(kind: crate::support::Kind, seen: &[Seen]) -> Vec<&Seen> {
    seen.iter().filter(|seen| seen.kind == kind).collect()
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_ones_own_goes_into_the_form_where_that_is_offered() {
    for names_method in [true, false] {
        for methods in [
            ["client_secret_post", "client_secret_basic"],
            ["client_secret_basic", "client_secret_post"],
        ] {
            let bench = Bench::new();
            bench.world.servers(|s| {
                lax(s);
                s.auth_methods = methods.to_vec();
                s.names_method = names_method;
            });
            let session = bench.open().await;
            assert_eq!(bench.send(&session, "").await, Ok(200));
            bench.world.servers(|s| s.revoke_access());
            assert_eq!(bench.send(&session, "").await, Ok(200));
            session.sign_out().await.expect("signed out");
            let seen = bench.world.take();
            let register = of(Register, &seen);
            assert_eq!(
                register[0].param("token_endpoint_auth_method"),
                "client_secret_post"
            );
            let authenticated = [of(Token, &seen), of(Revoke, &seen)].concat();
            assert_eq!(authenticated.len(), 4);
            for seen in authenticated {
                // Never with two methods at once.
                assert!(seen.authorization.is_none(), "{seen:?}");
                assert!(seen.param("client_secret").contains("secret"));
            }
            assert_eq!(bench.world.servers(|s| s.live_tokens()), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_offers_basic_alone_gets_no_id_in_the_form() {
    let bench = Bench::new();
    bench
        .world
        .servers(|s| s.auth_methods = vec!["client_secret_basic"]);
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let token = of(Token, &seen)[0];
    assert!(token.authorization.is_some() && token.param("client_id").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_given_later_is_sent_as_the_server_takes_it() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.auth_methods = vec!["none", "client_secret_post"];
        s.add_public_client(ISSUER, "grown");
    });
    let open = |secret: Option<&str>| {
        let builder = bench.builder().host(bench.host.clone());
        let client = match secret {
            Some(secret) => Client::secret("grown", Secret::new(secret)),
            None => Client::public("grown"),
        };
        builder.credentials(client.at_issuer(ISSUER)).open()
    };
    let session = open(None).await.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| {
        s.revoke_access();
        s.add_client(ISSUER, "grown", "canary-grown-secret", "client_secret_post");
    });
    bench.world.take();
    let session = open(Some("canary-grown-secret")).await;
    let session = session.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn a_registration_names_the_scopes_that_will_be_asked_for() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        lax(s);
        s.scopes_supported = Some(vec!["base", "a"]);
        s.offers_offline_access = true;
    });
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let register = of(Register, &seen);
    assert_eq!(register[0].param("scope"), "base offline_access a");
    // Scopes that the resource lists are already registered.
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.world.count(Register), 0);
    bench.world.take();
    // Other scopes are registered when they are needed, with all earlier ones.
    assert_eq!(bench.send(&session, "b").await, Ok(200));
    let seen = bench.world.take();
    let register = of(Register, &seen);
    assert_eq!(register.len(), 1);
    assert_eq!(register[0].param("scope"), "base a b offline_access");
    assert_eq!(bench.send(&session, "a b").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    // The new client renews the grant that it obtained.
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "b").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn what_the_authorization_server_lists_is_registered_too_unless_the_list_is_long() {
    let many: Vec<&'static str> = (0..33).map(|n| &*format!("s{n}").leak()).collect();
    for (lists, expected) in [(vec!["base", "a", "b"], "base a b"), (many, "base")] {
        let bench = Bench::new();
        bench.world.servers(|s| {
            lax(s);
            s.lists = lists;
        });
        let session = bench.open().await;
        assert_eq!(bench.send(&session, "").await, Ok(200));
        let seen = bench.world.take();
        assert_eq!(of(Register, &seen)[0].param("scope"), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_of_scopes_is_not_registered_at_again() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    for scope in ["a", "b", "c"] {
        assert_eq!(bench.send(&session, scope).await, Ok(200));
        assert_eq!(bench.world.count(Register), 0, "{scope}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_to_what_it_does_not_say_costs_one_page() {
    let bench = Bench::new();
    bench.world.servers(|s| s.keeps_to_registered_scopes = true);
    let session = bench.signed_in("").await;
    let denied = bench.send(&session, "a").await;
    assert_eq!(code(&denied), "authorization_denied");
    bench.world.take();
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.world.count(Register), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_scopes_were_refused_can_be_forgotten_like_any_other() {
    let bench = Bench::new();
    bench.world.servers(|s| s.keeps_to_registered_scopes = true);
    let session = bench.signed_in("").await;
    let denied = bench.send(&session, "a").await;
    assert_eq!(code(&denied), "authorization_denied");
    bench.world.servers(|s| {
        s.revoke_access();
        s.forget_clients();
    });
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Register), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_registers_less_is_not_registered_at_for_ever() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.names_scopes = true;
        s.registers_scopes = Some(vec!["base"]);
    });
    let session = bench.signed_in("").await;
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.world.count(Register), 1);
    for _ in 0..3 {
        bench.world.servers(|s| s.revoke_all());
        bench.world.take();
        assert_eq!(bench.send(&session, "a").await, Ok(200));
        assert_eq!(bench.world.count(Register), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_rejects_unknown_scopes_is_asked_with_the_wanted_ones() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.scopes_supported = Some(vec!["base", "unheard-of"]);
        s.known_scopes = Some(vec!["base", "a", "b"]);
        s.names_scopes = true;
    });
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let sent: Vec<_> = of(Register, &seen)
        .iter()
        .map(|s| s.param("scope"))
        .collect();
    assert_eq!(sent, ["base unheard-of", "base"]);
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let seen = bench.world.take();
    let sent: Vec<_> = of(Register, &seen)
        .iter()
        .map(|s| s.param("scope"))
        .collect();
    assert_eq!(sent, ["base a unheard-of", "base a"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_scopes_is_registered_at_without() {
    for refusal in [
        Fault::Body(400, r#"{"error":"invalid_client_metadata"}"#),
        Fault::Body(400, r#"{"error":"invalid_scope"}"#),
        Fault::Body(403, r#"{"error":"insufficient_scope"}"#),
        Fault::Body(401, r#"{"error":"invalid_scope"}"#),
        Fault::Body(422, "no such thing"),
        Fault::Status(400),
    ] {
        let bench = Bench::new();
        bench.world.next(Register, refusal.clone());
        let session = bench.open().await;
        assert_eq!(bench.send(&session, "").await, Ok(200), "{refusal:?}");
        let seen = bench.world.take();
        let sent: Vec<_> = of(Register, &seen)
            .iter()
            .map(|s| s.param("scope"))
            .collect();
        assert_eq!(sent, ["base", ""], "{refusal:?}");
        // It would reject them again.
        assert_eq!(bench.send(&session, "a").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Visit, Token, Mcp]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_has_nothing_to_do_with_scopes_is_told_at_once() {
    for refusal in [
        Fault::Body(400, r#"{"error":"invalid_redirect_uri"}"#),
        Fault::Body(401, r#"{"error":"invalid_token"}"#),
        Fault::Status(401),
        Fault::Status(404),
        Fault::Status(503),
        Fault::Status(429),
        Fault::Connection,
    ] {
        let bench = Bench::new();
        bench.world.always(Register, refusal.clone());
        let session = bench.open().await;
        assert!(bench.send(&session, "").await.is_err());
        assert_eq!(bench.world.count(Register), 1, "{refusal:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_names_no_usable_client_is_no_registration() {
    for answer in [
        "{}",
        "[]",
        r#"{"client_id":""}"#,
        r#"{"client_id":5}"#,
        r#"{"client_id":"a\u001b[2Jb"}"#,
        r#"{"client_id":"a\u202eb"}"#,
        r#"{"client_id":"a\nb"}"#,
        r#"{"client_id":"a","client_secret":"b\u0000"}"#,
        r#"{"client_id":"a","client_secret":5}"#,
    ] {
        let bench = Bench::new();
        bench.world.always(Register, Fault::Body(201, answer));
        let session = bench.open().await;
        let error = bench.send(&session, "").await.expect_err(answer);
        assert_eq!(error.code(), "registration_rejected", "{answer}");
        assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
        assert_eq!(bench.world.count(Register), 1, "{answer}");
        assert_eq!(bench.host.prompts(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_matters_less_in_a_registration_may_be_of_any_type() {
    for answer in [
        r#"{"client_id":"public","token_endpoint_auth_method":5,"scope":{},"client_secret":null}"#,
        r#"{"client_id":"public","client_secret":"","scope":["base"],"redirect_uris":null}"#,
    ] {
        let bench = Bench::new();
        bench
            .world
            .servers(|s| s.add_public_client(ISSUER, "public"));
        bench.world.next(Register, Fault::Body(201, answer));
        let session = bench.open().await;
        assert_eq!(bench.send(&session, "").await, Ok(200), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_was_given_up_leaves_the_new_registration_for_the_next() {
    let bench = Bench::new();
    bench.world.servers(lax);
    let session = bench.signed_in("").await;
    let closed = mcp_reauth::Error::Cancelled { what: "The page" };
    bench.host.journeys(Journey::Fails(closed));
    assert_eq!(code(&bench.send(&session, "a").await), "cancelled");
    assert_eq!(bench.world.count(Register), 1);
    bench.world.take();
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.world.count(Register), 0);
}
