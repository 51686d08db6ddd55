//! `--ema`: the user signs in at an organization's identity provider.

use mcp_reauth_fixture::config::{OwnIdentityProvider, Policy};
use mcp_reauth_fixture::{SigningAlg, SigningKey};
use serde_json::json;

use crate::support::{Ended, Organization, World, own_idp};

async fn status(organization: &Organization, args: &[&str]) -> Ended {
    let ended = organization
        .first
        .program(["status"])
        .args(args)
        .run()
        .await;
    ended.hides(&organization.secrets())
}

#[tokio::test]
async fn one_page_at_the_identity_provider_signs_in() {
    let organization = Organization::start().await;
    let (first, issuer) = (&organization.first, organization.issuer());
    let login = organization.connecting(["login", first.url()]);
    let ended = login.run().await.succeeded().showed(1).printed("");
    ended
        .said(&format!("Signed in to {}.", first.url()))
        .said(&format!("signed you in, at {issuer} as user-1."))
        .hides(&organization.secrets());
    let counters = first.control().counters();
    assert_eq!(
        (counters.idp_authorize, counters.authorize_visits),
        (1, 0),
        "{counters:#?}"
    );
    let call = organization.call(first, "echo");
    call.run().await.succeeded().printed("hello\n").showed(0);
}

#[tokio::test]
async fn the_second_server_needs_no_page() {
    let organization = Organization::signed_in().await;
    let second = &organization.second;
    let login = organization.connecting(["login", second.url(), "--json"]);
    let ended = login.run().await.succeeded().showed(0);
    let state = ended.hides(&organization.secrets()).json();
    assert_eq!(state["server"], second.url(), "{state:#}");
    assert_eq!(
        state["identityProvider"],
        organization.issuer(),
        "{state:#}"
    );
    assert_eq!(state["renewable"], true, "{state:#}");
    let idp = &state["idpSession"];
    assert_eq!(idp["subject"], "user-1", "{state:#}");
    let mut servers = [organization.first.url(), second.url()];
    servers.sort_unstable();
    assert_eq!(idp["servers"], json!(servers), "{state:#}");
    let at_idp = organization.first.control().counters();
    let at_second = second.control().counters();
    assert_eq!((at_idp.idp_authorize, at_idp.idp_exchange), (0, 1));
    assert_eq!(
        (at_second.authorize_visits, at_second.token_jwt_bearer),
        (0, 1)
    );
}

#[tokio::test]
async fn what_expires_is_had_again_silently() {
    let organization = Organization::signed_in().await;
    let first = &organization.first;
    first.control().expire_access_tokens();
    let call = || organization.call(first, "echo").run();
    call().await.succeeded().printed("hello\n").showed(0);
    first.control().expire_access_tokens();
    first.control().expire_id_tokens();
    call().await.succeeded().printed("hello\n").showed(0);
    let counters = first.control().counters();
    assert_eq!(counters.idp_token_refresh, 1, "{counters:#?}");
}

#[tokio::test]
async fn a_session_that_was_ended_there_takes_one_new_page() {
    let organization = Organization::signed_in().await;
    let first = &organization.first;
    first.control().expire_access_tokens();
    first.control().end_idp_sessions();
    let call = || organization.call(first, "echo").run();
    call().await.succeeded().printed("hello\n").showed(1);
    call().await.succeeded().printed("hello\n").showed(0);
    let counters = first.control().counters();
    assert_eq!(counters.authorize_visits, 0, "{counters:#?}");
}

#[tokio::test]
async fn more_access_is_had_without_asking_unless_that_is_wanted() {
    let organization = Organization::signed_in().await;
    let first = &organization.first;
    let call = |tool| organization.call(first, tool).args(["--ask-step-up"]).run();
    let ended = call("write_note").await;
    ended.failed(1, "no terminal to ask on").showed(0);
    let call = organization.call(first, "write_note").run();
    call.await.succeeded().printed("hello\n").showed(0);
    let scopes = first.state().await["grantedScopes"].clone();
    assert_eq!(scopes, json!(["mcp:read", "mcp:write"]));
}

#[tokio::test]
async fn what_the_organization_refuses_is_an_error_that_ends_nothing() {
    let organization = Organization::signed_in().await;
    let first = &organization.first;
    let refused = vec!["mcp:write".to_owned()];
    first
        .control()
        .set_idp_policy(Policy::RefuseScopes(refused));
    let ended = organization.call(first, "write_note").run().await;
    ended.failed(1, "[policy_denied]").showed(0);
    let call = organization.call(first, "echo").run();
    call.await.succeeded().printed("hello\n").showed(0);
}

#[tokio::test]
async fn the_secret_there_may_be_in_a_file() {
    let organization = Organization::start().await;
    let file = organization.secret_file();
    let args = ["--ema", "--idp-client-secret-file", &file];
    let login = organization
        .first
        .connecting(["login", organization.first.url()]);
    let login = login.args(args).args(["--client-id", "cli"]);
    let login = login
        .env("MCP_REAUTH_IDP", organization.issuer())
        .env("MCP_REAUTH_IDP_CLIENT_ID", "cli-at-idp");
    let ended = login.run().await.succeeded().showed(1);
    ended.hides(&organization.secrets());
}

#[tokio::test]
async fn a_private_key_may_stand_for_the_secret_there() {
    let key = SigningKey::generate(SigningAlg::Es256);
    let mut idp = own_idp();
    idp.clients[0].client_secret = None;
    idp.clients[0].jwks = Some(key.public_jwks());
    let organization = Organization::with(idp).await;
    let first = &organization.first;
    let path = first.folder.path().join("key.pem");
    std::fs::write(&path, key.to_pem()).expect("a file");
    let call = || {
        let call = first.call("echo").args(["--ema", "--client-id", "cli"]);
        call.args(["--idp", organization.issuer(), "--idp-client-id"])
            .args(["cli-at-idp", "--idp-private-key"])
            .args([&path])
    };
    let ended = call().run().await.succeeded().showed(1);
    ended.hides(&organization.secrets());
    first.set_expiry(&1.into());
    call().run().await.succeeded().showed(0);
    assert_eq!(first.control().counters().idp_token_refresh, 1);
}

#[tokio::test]
async fn without_an_identity_provider_it_is_a_typed_error_that_says_what_to_give() {
    let world = World::start().await;
    let some: [&[&str]; 3] = [
        &[],
        &["--idp", "https://idp.example.com"],
        &["--idp-client-id", "cli"],
    ];
    for args in some {
        let ended = world.call("echo").args(["--ema"]).args(args).run().await;
        ended
            .failed(1, "[enterprise_not_configured]")
            .said("--idp ISSUER")
            .said("MCP_REAUTH_IDP_CLIENT_ID")
            .showed(0);
    }
    assert_eq!(world.control().counters().requests, 0);
}

#[tokio::test]
async fn what_makes_no_sense_together_is_a_usage_error() {
    let world = World::start().await;
    let cases: [&[&str]; 8] = [
        &["--idp", "https://idp.example.com"],
        &["--idp-client-id", "cli"],
        &["--idp-client-secret", "hush"],
        &["--idp-client-secret-file", "secret"],
        &["--idp-private-key", "key.pem"],
        &["--ask-step-up"],
        &["--ema", "--ask-step-up", "--yes"],
        &["--ema", "--client-credentials", "--client-id", "cli"],
    ];
    for args in cases {
        let ended = world.call("echo").args(args).run().await;
        ended.failed(2, "--").showed(0);
    }
    // In the environment the options have no effect without --ema.
    let call = world
        .call("echo")
        .env("MCP_REAUTH_IDP", "https://idp.example.com");
    call.run().await.succeeded().showed(1);
}

#[tokio::test]
async fn status_tells_of_the_session_there() {
    let organization = Organization::signed_in().await;
    let (url, issuer) = (organization.first.url(), organization.issuer());
    let through = format!("through     {issuer}");
    let idp = format!("idp         {issuer}");
    for args in [&[url][..], &[], &["--idp", issuer]] {
        let ended = status(&organization, args).await.succeeded();
        let has = |row: &str| ended.stdout.lines().any(|line| line == row);
        assert!(has(&idp) && has("session     signed in"), "{ended:#?}");
        assert!(has("as          user-1"), "{ended:#?}");
        assert!(has(&format!("servers     {url}")), "{ended:#?}");
        assert_eq!(has(&through), args != ["--idp", issuer], "{ended:#?}");
    }
    let state = status(&organization, &["--idp", issuer, "--json"]).await;
    let state = state.succeeded().json();
    assert_eq!(state["issuer"], issuer, "{state:#}");
    assert_eq!(state["authorized"], true, "{state:#}");
    let states = status(&organization, &["--json"]).await.succeeded().json();
    assert_eq!(states.as_array().map(Vec::len), Some(1), "{states:#}");
    assert_eq!(states[0]["idpSession"], state, "{states:#}");
    assert_eq!(organization.first.control().counters().requests, 0);
}

#[tokio::test]
async fn an_expired_session_there_is_no_failure_while_it_can_be_renewed() {
    let organization = Organization::signed_in().await;
    let (first, issuer) = (&organization.first, organization.issuer());
    first.set_expiry(&1.into());
    for args in [&[first.url()][..], &["--idp", issuer]] {
        let ended = status(&organization, args).await.succeeded();
        assert!(ended.stdout.contains("session     expired"), "{ended:#?}");
        assert!(ended.stdout.contains("renewed     silently"), "{ended:#?}");
    }
    assert_eq!(first.control().counters().requests, 0);
    let call = organization.call(first, "echo").run();
    call.await.succeeded().showed(0);
}

#[tokio::test]
async fn an_expired_session_there_that_cannot_be_renewed_is_a_failure() {
    let organization = Organization::with(OwnIdentityProvider {
        issue_refresh_tokens: false,
        ..own_idp()
    })
    .await;
    organization.sign_in().await;
    let (first, issuer) = (&organization.first, organization.issuer());
    status(&organization, &["--idp", issuer]).await.succeeded();
    first.set_expiry(&1.into());
    for args in [&[first.url()][..], &["--idp", issuer]] {
        let ended = status(&organization, args).await.exited(1);
        assert!(ended.stdout.contains("only by signing in"), "{ended:#?}");
    }
}

#[tokio::test]
async fn no_session_there_is_a_failure() {
    let organization = Organization::start().await;
    let ended = status(&organization, &["--idp", organization.issuer()]).await;
    let ended = ended.exited(1);
    assert!(ended.stdout.contains("session     none"), "{ended:#?}");
    let both = [organization.first.url(), "--idp", organization.issuer()];
    status(&organization, &both)
        .await
        .failed(2, "cannot be used");
}

#[tokio::test]
async fn signing_out_there_signs_out_of_its_servers_and_of_no_other() {
    let organization = Organization::signed_in().await;
    let Organization { first, second } = &organization;
    let other = World::start().await;
    organization.call(second, "echo").run().await.succeeded();
    let login = other.connecting(["login", other.url()]);
    let login = login.env("MCP_REAUTH_STORE", first.store());
    login.run().await.succeeded();

    let logout = ["logout", "--idp", organization.issuer()];
    let ended = first.program(logout).run().await.succeeded().printed("");
    ended
        .said(&format!("Signed out at {}.", organization.issuer()))
        .said(&format!("Signed out of {}.", first.url()))
        .said(&format!("Signed out of {}.", second.url()))
        .said("All tokens were revoked.")
        .hides(&organization.secrets());
    for world in [first, second] {
        assert_eq!(world.control().live_tokens(), []);
        status(&organization, &[world.url()]).await.exited(1);
    }
    assert!(first.control().live_idp_sessions().is_empty());
    status(&organization, &[other.url()]).await.succeeded();
    let file = std::fs::read_to_string(first.store()).expect("the store's file");
    for secret in organization.secrets() {
        assert!(!file.contains(&secret), "{secret} is in {file}");
    }
    let ended = status(&organization, &[]).await.succeeded();
    assert!(!ended.stdout.contains(organization.issuer()), "{ended:#?}");
    let ended = first.program(logout).run().await.succeeded();
    ended.said("You were not signed in at");
    organization
        .call(first, "echo")
        .run()
        .await
        .succeeded()
        .showed(1);
}

#[tokio::test]
async fn signing_out_there_while_a_server_cannot_be_told_says_so() {
    let organization = Organization::signed_in().await;
    organization
        .first
        .control()
        .set_authorization_server_up(false);
    let logout = ["logout", "--idp", organization.issuer()];
    let ended = organization.first.program(logout).run().await.succeeded();
    ended.said("Signed out at").said("could be reached");
    status(&organization, &[organization.first.url()])
        .await
        .exited(1);
}

#[tokio::test]
async fn signing_out_needs_one_address_or_the_other() {
    let world = World::start().await;
    let both = ["logout", world.url(), "--idp", "https://idp.example.com"];
    world.program(both).run().await.failed(2, "cannot be used");
    world.program(["logout"]).run().await.failed(2, "<URL>");
}
