//! Where metadata is searched, and what follows if a URL does not have it.

use mcp_reauth::{AuthSession, Client};
use serde_json::{Value, json};

use crate::support::{
    Bench, Capture, Fault, ISSUER, Mcp, Meta, OTHER, Prm, Register, SERVER, Token, Visit, code,
    pass,
};

const WELL_KNOWN: &str = "https://mcp.example/.well-known/oauth-protected-resource/mcp";
const ROOT: &str = "https://mcp.example/.well-known/oauth-protected-resource";
const ELSEWHERE: &str = "https://mcp.example/tenant/metadata.json";

fn body(status: u16, body: &Value) -> Fault {
    Fault::Body(status, body.to_string().leak())
}

/// The first request without a credential gets a challenge that names this metadata.
fn names(bench: &Bench, url: &str) {
    let line = format!(r#"Bearer resource_metadata="{url}", scope="base""#);
    bench
        .world
        .answer(move |call| (call == 0).then(|| (401, vec![line.clone()])));
}

fn metadata_of(resource: &str) -> Value {
    json!({ "resource": resource, "authorization_servers": [ISSUER] })
}

fn server_metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "registration_endpoint": format!("{issuer}/register"),
        "code_challenge_methods_supported": ["S256"],
    })
}

/// Returns the URLs that were asked for metadata, in order.
fn asked(bench: &Bench) -> Vec<String> {
    let seen = bench.world.take().into_iter();
    let metadata = seen.filter(|seen| [Prm, Meta].contains(&seen.kind));
    metadata.map(|seen| seen.url).collect()
}

async fn fails(bench: &Bench, session: &AuthSession) -> &'static str {
    let code = code(&bench.send(session, "").await);
    assert_eq!(bench.host.prompts(), (0, 0));
    code
}

#[tokio::test(start_paused = true)]
async fn named_metadata_that_is_of_no_use_is_ignored_with_a_warning() {
    for (named, fault) in [
        ("/.well-known/oauth-protected-resource/mcp", None),
        ("https://", None),
        ("http://mcp.example/metadata", None),
        ("http://127.0.0.1:9/metadata", None),
        ("ftp://mcp.example/metadata", None),
        ("https://user:pw@mcp.example/metadata", None),
        (ELSEWHERE, Some(Fault::Status(404))),
        (ELSEWHERE, Some(Fault::Status(502))),
        (ELSEWHERE, Some(Fault::Body(200, "<html>"))),
        (ELSEWHERE, Some(Fault::Body(200, "[]"))),
        (ELSEWHERE, Some(Fault::Body(200, r#"{"resource":7}"#))),
        ("https://other.example/metadata", Some(Fault::Connection)),
        ("https://other.example/metadata", Some(Fault::Hang)),
    ] {
        let bench = Bench::new();
        names(&bench, named);
        if let Some(fault) = fault.clone() {
            bench.world.place(named, fault);
        }
        let log = Capture::default();
        let guard = log.begin();
        let session = bench.open().await;
        assert_eq!(bench.send(&session, "").await, Ok(200), "{named} {fault:?}");
        drop(guard);
        assert!(log.text().contains("challenge names"), "{named} {fault:?}");
        assert!(!log.text().contains("user:pw"));
        let urls = asked(&bench);
        let expected = fault.iter().map(|_| named).chain([WELL_KNOWN]);
        let expected: Vec<_> = expected.collect();
        assert_eq!(urls[..urls.len() - 1], expected, "{named} {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn guesses_that_fail_are_passed_over() {
    for fault in [
        Fault::Status(404),
        Fault::Status(403),
        Fault::Status(429),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Body(200, "<html>"),
        Fault::Body(200, ""),
        Fault::Body(200, "null"),
        Fault::Body(200, "{}"),
    ] {
        let bench = Bench::new();
        bench.world.place(WELL_KNOWN, fault.clone());
        bench
            .world
            .place(ROOT, body(200, &metadata_of("https://mcp.example")));
        let first = format!("{ISSUER}/.well-known/oauth-authorization-server");
        let second = format!("{ISSUER}/.well-known/openid-configuration");
        bench.world.place(&first, fault.clone());
        bench
            .world
            .place(&second, body(200, &server_metadata(ISSUER)));
        let session = bench.open().await;
        // The servers of the bench issue no token for a parent resource.
        let _ = bench.send(&session, "").await;
        assert_eq!(bench.host.prompts().1, 1, "{fault:?}");
        let urls = asked(&bench);
        assert_eq!(urls[..4], [WELL_KNOWN, ROOT, &first, &second], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn document_of_an_issuer_with_a_path_may_be_at_any_of_three_places() {
    let issuer = format!("{ISSUER}/tenant");
    let places = [
        format!("{ISSUER}/.well-known/oauth-authorization-server/tenant"),
        format!("{ISSUER}/.well-known/openid-configuration/tenant"),
        format!("{ISSUER}/tenant/.well-known/openid-configuration"),
    ];
    let bench = Bench::new();
    let named = vec![issuer.clone()];
    bench.world.servers(|s| s.authorization_servers = named);
    bench.world.place(&places[0], Fault::Status(502));
    bench.world.place(&places[1], Fault::Body(200, "<html>"));
    let mut metadata = server_metadata(ISSUER);
    metadata["issuer"] = issuer.into();
    bench.world.place(&places[2], body(200, &metadata));
    let session = bench.open().await;
    let _ = bench.send(&session, "").await;
    assert_eq!(asked(&bench)[1..4], places);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn only_a_clean_absence_opens_the_fallback_for_old_servers() {
    for (fault, expected) in [
        (Fault::Status(502), "http"),
        (Fault::Status(408), "http"),
        (Fault::Status(429), "http"),
        (Fault::Body(200, "{}"), "metadata_invalid"),
        (Fault::Body(200, "<html>"), "metadata_invalid"),
    ] {
        for place in [WELL_KNOWN, ROOT] {
            let bench = Bench::new();
            bench.world.always(Prm, Fault::Status(404));
            bench.world.always(Meta, Fault::Status(404));
            bench.world.place(place, fault.clone());
            let session = bench.open().await;
            assert_eq!(fails(&bench, &session).await, expected, "{place} {fault:?}");
            assert_eq!(bench.world.count(Register), 0, "{place} {fault:?}");
        }
        // Neither does a transient error of the metadata at the server's own origin.
        for name in ["oauth-authorization-server", "openid-configuration"] {
            let bench = Bench::new();
            bench.world.always(Prm, Fault::Status(404));
            bench.world.always(Meta, Fault::Status(404));
            let place = format!("https://mcp.example/.well-known/{name}");
            bench.world.place(&place, fault.clone());
            let session = bench.open().await;
            assert_eq!(fails(&bench, &session).await, expected, "{place} {fault:?}");
            assert_eq!(bench.world.count(Register), 0, "{place} {fault:?}");
        }
    }
    // A definite absence does.
    let bench = Bench::new();
    bench.world.always(Prm, Fault::Status(404));
    bench.world.always(Meta, Fault::Status(404));
    let session = bench.open().await;
    let _ = bench.send(&session, "").await;
    let seen = bench.world.take();
    assert!(seen.iter().any(|s| s.url == "https://mcp.example/register"));
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn server_that_refuses_connections_is_asked_at_one_address() {
    for fault in [Fault::Connection, Fault::Hang, Fault::Broken] {
        for (kind, most) in [(Prm, 1), (Meta, 1)] {
            let bench = Bench::new();
            bench.world.always(kind, fault.clone());
            let session = bench.open().await;
            let before = bench.runtime.elapsed();
            assert_eq!(fails(&bench, &session).await, "http");
            assert_eq!(bench.world.count(kind), most, "{kind:?} {fault:?}");
            assert!((bench.runtime.elapsed() - before).as_secs() <= 20);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn query_of_the_server_stays_in_its_well_known_address() {
    let bench = Bench::new();
    bench
        .world
        .answer(|call| (call == 0).then(|| (401, vec!["Bearer".to_owned()])));
    let server = format!("{SERVER}?tenant=a");
    let builder = bench.builder_for(&server).host(bench.host.clone());
    let session = builder.open().await.expect("the session opens");
    let _ = bench.send(&session, "").await;
    assert_eq!(asked(&bench)[0], format!("{WELL_KNOWN}?tenant=a"));
}

#[tokio::test(start_paused = true)]
async fn first_authorization_server_that_is_usable_is_used() {
    let unusable: [(&str, Option<Fault>); 10] = [
        ("https://first.example", Some(Fault::Status(404))),
        ("https://first.example", Some(Fault::Status(503))),
        ("https://first.example", Some(Fault::Connection)),
        ("https://first.example", Some(Fault::Body(200, "<html>"))),
        (
            "https://first.example",
            Some(body(200, &server_metadata(OTHER))),
        ),
        ("https://first.example", {
            let mut plain = server_metadata("https://first.example");
            plain["code_challenge_methods_supported"] = json!(["plain"]);
            Some(body(200, &plain))
        }),
        ("https://first.example", {
            let mut closed = server_metadata("https://first.example");
            closed["registration_endpoint"] = Value::Null;
            Some(body(200, &closed))
        }),
        ("http://first.example", None),
        ("https://user:pw@first.example", None),
        ("first server", None),
    ];
    for (first, fault) in unusable {
        let bench = Bench::new();
        let listed = vec![first.to_owned(), ISSUER.to_owned()];
        bench.world.servers(|s| s.authorization_servers = listed);
        if let Some(fault) = fault.clone() {
            for name in ["oauth-authorization-server", "openid-configuration"] {
                let place = format!("{first}/.well-known/{name}");
                bench.world.place(&place, fault.clone());
            }
        }
        let session = bench.open().await;
        assert_eq!(bench.send(&session, "").await, Ok(200), "{first} {fault:?}");
        let state = session.connection_state().await.expect("a store");
        assert_eq!(state.issuer.as_deref(), Some(ISSUER));
    }
}

#[tokio::test(start_paused = true)]
async fn of_servers_that_are_all_unusable_the_first_is_told_and_few_are_tried() {
    let bench = Bench::new();
    let listed = (0..1000)
        .map(|n| format!("https://as{n}.example"))
        .collect();
    bench.world.servers(|s| s.authorization_servers = listed);
    bench.world.always(Meta, Fault::Status(404));
    let session = bench.open().await;
    let error = bench.send(&session, "").await.expect_err("none is of use");
    assert_eq!(error.code(), "metadata_invalid");
    assert!(error.to_string().contains("https://as0.example"), "{error}");
    assert_eq!(bench.world.count(Meta), 6);
}

#[tokio::test(start_paused = true)]
async fn bound_client_goes_to_no_other_server_when_its_own_is_unusable() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.add_client(ISSUER, "bound", "canary-bound", "client_secret_basic");
        s.authorization_servers = vec![ISSUER.to_owned(), OTHER.to_owned()];
    });
    let place = format!("{ISSUER}/.well-known/oauth-authorization-server");
    bench.world.place(&place, Fault::Status(503));
    let builder = bench.builder().host(bench.host.clone());
    let client = Client::secret("bound", mcp_reauth::Secret::new("canary-bound"));
    let session = builder.credentials(client.at_issuer(ISSUER)).open().await;
    let session = session.expect("the session opens");
    assert_eq!(fails(&bench, &session).await, "http");
    assert!(!asked(&bench).iter().any(|url| url.starts_with(OTHER)));
}

#[tokio::test(start_paused = true)]
async fn transient_error_of_the_current_server_is_no_reason_to_go_to_another() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.refresh_tokens = false;
        s.lifetime = None;
    });
    let session = bench.signed_in("").await;
    // Its stored metadata is out of date.
    pass(90_000).await;
    bench.world.servers(|s| {
        s.authorization_servers = vec![OTHER.to_owned(), ISSUER.to_owned()];
        s.revoke_all();
    });
    let place = format!("{ISSUER}/.well-known/oauth-authorization-server");
    bench.world.place(&place, Fault::Status(503));
    let _ = bench.send(&session, "").await;
    assert!(!asked(&bench).iter().any(|url| url.starts_with(OTHER)));
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn response_types_without_code_are_told_before_anything_is_shown_or_registered() {
    for (types, works) in [
        (json!(["token"]), false),
        (json!(["code token"]), false),
        (json!([]), false),
        (json!(["id_token", "code"]), true),
        (json!(null), true),
    ] {
        let bench = Bench::new();
        let mut metadata = server_metadata(ISSUER);
        metadata["response_types_supported"] = types.clone();
        bench.world.always(Meta, body(200, &metadata));
        let session = bench.open().await;
        let result = bench.send(&session, "").await;
        if works {
            assert_eq!(result, Ok(200), "{types}");
            continue;
        }
        assert_eq!(code(&result), "metadata_invalid", "{types}");
        assert_eq!(bench.host.prompts(), (0, 0), "{types}");
        assert_eq!(bench.world.trace(), [Mcp, Prm, Meta], "{types}");
    }
}

#[tokio::test(start_paused = true)]
async fn null_members_count_as_absent() {
    let bench = Bench::new();
    let mut metadata = server_metadata(ISSUER);
    for name in [
        "scopes_supported",
        "token_endpoint_auth_methods_supported",
        "authorization_response_iss_parameter_supported",
        "revocation_endpoint",
        "require_pushed_authorization_requests",
        "dpop_signing_alg_values_supported",
    ] {
        metadata[name] = Value::Null;
    }
    bench.world.always(Meta, body(200, &metadata));
    let mut resource = metadata_of(SERVER);
    resource["scopes_supported"] = Value::Null;
    resource["dpop_bound_access_tokens_required"] = Value::Null;
    resource["authorization_servers"] = json!([null, ISSUER]);
    bench.world.always(Prm, body(200, &resource));
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn tenant_names_the_host_as_resource_only_where_the_host_publishes_that() {
    // In its own document, a tenant may name only itself.
    for (resource, expected) in [
        ("https://mcp.example", "resource_mismatch"),
        ("https://mcp.example/", "resource_mismatch"),
        (SERVER, "no error"),
    ] {
        let bench = Bench::new();
        bench.world.always(Prm, Fault::Status(404));
        bench.world.always(Meta, Fault::Status(404));
        bench
            .world
            .place(ELSEWHERE, body(200, &metadata_of(resource)));
        let place = format!("{ISSUER}/.well-known/oauth-authorization-server");
        bench
            .world
            .place(&place, body(200, &server_metadata(ISSUER)));
        names(&bench, ELSEWHERE);
        let session = bench.open().await;
        assert_eq!(
            code(&bench.send(&session, "").await),
            expected,
            "{resource}"
        );
    }
    // The host's own document may name a parent, whether or not the challenge names that document.
    for named in [ROOT, WELL_KNOWN] {
        let bench = Bench::new();
        bench
            .world
            .place(named, body(200, &metadata_of("https://mcp.example")));
        names(&bench, named);
        let session = bench.open().await;
        let _ = bench.send(&session, "").await;
        let seen = bench.world.take();
        let visit = seen.iter().find(|s| s.kind == Visit).expect("a page");
        assert_eq!(visit.param("resource"), "https://mcp.example");
    }
}

#[tokio::test(start_paused = true)]
async fn folder_is_not_taken_for_the_resource_below_it() {
    let bench = Bench::new();
    let slashed = format!("{SERVER}/");
    bench.world.always(Prm, body(200, &metadata_of(&slashed)));
    let session = bench.open().await;
    assert_eq!(fails(&bench, &session).await, "resource_mismatch");
}

#[tokio::test(start_paused = true)]
async fn endpoints_with_a_password_are_refused_and_never_shown() {
    for endpoint in [
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
        "pushed_authorization_request_endpoint",
    ] {
        for address in [
            "https://canary:canary@as.example/x",
            "https://canary@as.example/x",
            "https://@as.example/x",
            "https:canary@as.example/x",
        ] {
            let bench = Bench::new();
            let mut metadata = server_metadata(ISSUER);
            metadata["require_pushed_authorization_requests"] =
                (endpoint == "pushed_authorization_request_endpoint").into();
            metadata[endpoint] = address.into();
            bench.world.always(Meta, body(200, &metadata));
            let session = bench.open().await;
            let error = bench.send(&session, "").await.expect_err("refused");
            assert_eq!(error.code(), "metadata_invalid", "{endpoint} {address}");
            assert!(!error.to_string().contains("canary"), "{error}");
            assert_eq!(bench.host.prompts(), (0, 0));
            assert_eq!(bench.world.count(Token), 0);
            let seen = bench.world.take();
            assert!(!seen.iter().any(|seen| seen.mentions("canary")));
        }
    }
}
