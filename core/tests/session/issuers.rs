//! Issuers without a path, written with a trailing slash in one place and without it in another.

use mcp_reauth::{AuthSession, Client, Secret};

use crate::support::{Bench, ISSUER, Journey, Mcp, Meta, OTHER, Prm, Register, Token, Visit, code};

const SLASHED: &str = "https://as.example/";

fn with_slash(issuer: &str) -> String {
    format!("{issuer}/")
}

fn names(bench: &Bench, issuer: &str) {
    let named = vec![issuer.to_owned()];
    bench.world.servers(|s| s.authorization_servers = named);
}

async fn issuer(session: &AuthSession) -> Option<String> {
    let state = session.connection_state().await;
    state.expect("a store").issuer
}

#[tokio::test(start_paused = true)]
async fn a_slash_more_or_less_names_the_same_server_and_the_document_says_how_it_is_written() {
    for (named, spells, written) in [
        (SLASHED, str::to_owned as fn(&str) -> String, ISSUER),
        (ISSUER, with_slash, SLASHED),
        (SLASHED, with_slash, SLASHED),
    ] {
        let bench = Bench::new();
        names(&bench, named);
        bench.world.servers(|s| s.spells = spells);
        let session = bench.open().await;
        assert_eq!(bench.send(&session, "").await, Ok(200), "{named} {written}");
        let kinds = bench.world.trace();
        assert_eq!(kinds, [Mcp, Prm, Meta, Register, Visit, Token, Mcp]);
        assert_eq!(issuer(&session).await.as_deref(), Some(written));
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_difference_is_another_server() {
    type Spells = fn(&str) -> String;
    let spellings: [Spells; 6] = [
        |issuer| format!("{issuer}//"),
        |issuer| format!("{issuer}:443"),
        |issuer| format!("{issuer}/?"),
        |issuer| issuer.replace("as.example", "AS.example"),
        |issuer| issuer.replace("https", "http"),
        |issuer| format!("{issuer}/tenant"),
    ];
    for spells in spellings {
        let bench = Bench::new();
        bench.world.servers(|s| s.spells = spells);
        let session = bench.open().await;
        let result = bench.send(&session, "").await;
        assert_eq!(code(&result), "metadata_invalid", "{}", spells(ISSUER));
        assert_eq!(bench.host.prompts(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_compared_with_what_the_document_writes() {
    for (spells, iss) in [
        (str::to_owned as fn(&str) -> String, SLASHED),
        (with_slash, ISSUER),
    ] {
        let bench = Bench::new();
        bench.world.servers(|s| s.spells = spells);
        let session = bench.open().await;
        bench.host.journeys(Journey::Elsewhere);
        let _ = bench.send(&session, "").await;
        let page = bench.host.sign_ins().pop().expect("a sign-in");
        let forged = format!("code=c&state={}&iss={iss}", page.state);
        let callback = mcp_reauth::CallbackParams::parse(&forged);
        let result = session.complete_authorization(callback).await;
        assert_eq!(code(&result), "issuer_mismatch", "{iss}");
    }
}

/// Covers each place that may have the slash, and each that may change.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_written_otherwise_has_not_moved() {
    for refresh_tokens in [true, false] {
        let bench = Bench::new();
        bench.world.servers(|s| s.refresh_tokens = refresh_tokens);
        let session = bench.signed_in("a").await;
        let slashed = vec![OTHER.to_owned(), SLASHED.to_owned()];
        bench.world.servers(|s| {
            s.authorization_servers = slashed;
            s.spells = with_slash;
            s.revoke_all();
        });
        assert_eq!(bench.send(&session, "").await, Ok(200));
        // The registration and the granted scopes stay.
        assert_eq!(bench.world.count(Register), 0);
        assert_eq!(bench.host.sign_ins()[2].scopes.to_string(), "base a");
        assert_eq!(issuer(&session).await.as_deref(), Some(SLASHED));
        // And back again.
        bench.world.servers(|s| {
            s.authorization_servers = vec![ISSUER.to_owned()];
            s.spells = str::to_owned;
            s.revoke_all();
        });
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.count(Register), 0);
        assert_eq!(issuer(&session).await.as_deref(), Some(ISSUER));
    }
}

#[tokio::test(start_paused = true)]
async fn registration_that_the_server_forgot_goes_however_it_was_written() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    names(&bench, SLASHED);
    bench.world.servers(|s| {
        s.spells = with_slash;
        s.revoke_access();
        s.forget_clients();
    });
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    assert_eq!(kinds, [Mcp, Token, Prm, Meta, Register, Visit, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_client_is_bound_to_the_server_and_not_to_how_it_is_written() {
    for (bound, spells) in [
        (SLASHED, str::to_owned as fn(&str) -> String),
        (ISSUER, with_slash),
    ] {
        let bench = Bench::new();
        bench.world.servers(|s| {
            s.add_client(ISSUER, "bound", "canary-bound", "client_secret_basic");
            s.spells = spells;
        });
        let builder = bench.builder().host(bench.host.clone());
        let client = Client::secret("bound", Secret::new("canary-bound")).at_issuer(bound);
        let builder = builder.credentials(client);
        let session = builder.open().await.expect("the session opens");
        assert_eq!(bench.send(&session, "").await, Ok(200), "{bound}");
    }
}
