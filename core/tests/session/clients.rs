//! Which client a session acts as, and which servers see its secret.

use mcp_reauth::{Client, Credentials, Secret, SecretMethod};

use crate::support::{
    Answer, Bench, Fault, ISSUER, Journey, Mcp, OTHER, Prm, Register, Token, code, pass,
};

const SECRET: &str = "canary-first-secret";
const ROTATED: &str = "canary-second-secret";

/// Only the issuer may see the secret, in any form.
fn assert_secret_stays(bench: &Bench) {
    for seen in bench.world.take() {
        let shown = seen.authorization.is_some() || seen.params.contains_key("client_secret");
        let at_home = seen.url.starts_with(ISSUER) || seen.kind == Mcp;
        assert!(at_home || !shown, "{seen:?}");
    }
}

fn bound() -> Client {
    Client::secret("bound", Secret::new(SECRET)).at_issuer(ISSUER)
}

#[tokio::test(start_paused = true)]
async fn a_server_without_metadata_does_not_get_a_bound_clients_secret() {
    for machine in [true, false] {
        let bench = Bench::new();
        bench
            .world
            .servers(|s| s.add_client(ISSUER, "bound", SECRET, "client_secret_basic"));
        bench.world.always(Prm, Fault::Status(404));
        let mut builder = bench.builder().credentials(bound());
        builder = builder.host(bench.host.clone());
        if machine {
            builder = builder.credentials(Credentials::client_credentials(bound()));
        }
        let session = builder.open().await.expect("the session opens");
        let result = bench.send(&session, "").await;
        assert_eq!(code(&result), "registration_rejected", "{machine}");
        assert_eq!(bench.world.count(Token), 0);
        assert_eq!(bench.host.prompts(), (0, 0));
        assert_secret_stays(&bench);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_publishing_metadata_does_not_get_it_either() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.auth_methods = vec!["client_secret_basic"];
        s.add_client(ISSUER, "bound", SECRET, "client_secret_basic");
    });
    let credentials = Credentials::client_credentials(bound());
    let session = bench.builder().credentials(credentials).open().await;
    let session = session.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.always(Prm, Fault::Status(404));
    bench
        .world
        .answer(|_| Some((401, vec!["Bearer".to_owned()])));
    // Missing metadata names no other server.
    assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
    assert_secret_stays(&bench);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_is_used_from_the_next_start() {
    let bench = Bench::new();
    let add = |secret: &'static str| {
        bench.world.servers(|s| {
            s.auth_methods = vec!["client_secret_post"];
            s.forget_clients();
            s.add_client(ISSUER, "machine", secret, "client_secret_post");
        });
    };
    let open = |secret: &'static str| {
        let client = Client::secret("machine", Secret::new(secret)).at_issuer(ISSUER);
        let credentials = Credentials::client_credentials(client);
        bench.builder().credentials(credentials).open()
    };
    add(SECRET);
    let session = open(SECRET).await.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    add(ROTATED);
    bench.world.servers(|s| s.revoke_access());
    let session = open(ROTATED).await.expect("the session opens");
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let sent: Vec<&str> = seen
        .iter()
        .filter(|s| s.kind == Token)
        .map(|s| s.param("client_secret"))
        .collect();
    assert_eq!(sent, [ROTATED]);
}

/// A host that uses another port at every sign-in.
mod roaming {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU16, Ordering};

    use futures_util::future::BoxFuture;
    use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
    use mcp_reauth::{AuthHost, Error};

    use crate::support::TestHost;

    pub(super) struct Roaming(pub(super) TestHost, pub(super) Arc<AtomicU16>);

    impl AuthHost for Roaming {
        fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
            let port = self.1.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move { Ok(format!("http://127.0.0.1:{port}/callback")) })
        }

        fn confirm_step_up(&self, request: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
            self.0.confirm_step_up(request)
        }

        fn authorize(&self, r: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
            self.0.authorize(r)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_sign_in_as_a_new_client_costs_the_old_one_nothing() {
    let bench = Bench::new();
    let host = roaming::Roaming(bench.host.clone(), std::sync::Arc::new(4000.into()));
    let session = bench
        .builder()
        .host(host)
        .open()
        .await
        .expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let closed = mcp_reauth::Error::Cancelled { what: "The page" };
    bench.host.journeys(Journey::Fails(closed));
    assert_eq!(code(&bench.send(&session, "a").await), "cancelled");
    assert_eq!(bench.world.count(Register), 2, "the port was another");
    bench.world.take();
    pass(3601).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Token, Mcp]);
    bench.host.answers(Answer::No);
    assert_eq!(code(&bench.send(&session, "a").await), "consent_denied");
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn an_issuer_given_once_is_remembered_and_an_id_alone_finds_its_secret() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.auth_methods = vec!["client_secret_basic"];
        for issuer in [ISSUER, OTHER] {
            s.add_client(issuer, "both", SECRET, "client_secret_basic");
        }
    });
    let open = |secret: Option<&str>, issuer: Option<&str>| {
        let mut client = match secret {
            Some(secret) => Client::secret("both", Secret::new(secret)),
            None => Client::public("both"),
        };
        if let Some(issuer) = issuer {
            client = client.at_issuer(issuer);
        }
        let builder = bench.builder().host(bench.host.clone());
        builder.credentials(client).open()
    };
    let session = open(Some(SECRET), Some(ISSUER))
        .await
        .expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench
        .world
        .servers(|s| s.authorization_servers = vec![OTHER.to_owned()]);
    let session = open(Some(SECRET), Some(OTHER))
        .await
        .expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    // Neither the issuer nor the secret is given again.
    let session = open(None, None).await.expect("the session opens");
    bench.world.servers(|s| s.revoke_access());
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Token, Mcp]);
    assert!(seen[1].url.starts_with(OTHER) && seen[1].authorization.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_host_is_told_that_a_client_is_registered_for_certain_addresses_already() {
    let bench = Bench::new();
    bench.signed_in("").await;
    assert_eq!(bench.host.asked_as_registered(), 0, "it registers itself");

    let bench = Bench::new();
    bench
        .world
        .servers(|s| s.add_client(ISSUER, "bound", SECRET, "client_secret_basic"));
    let builder = bench.builder().credentials(bound());
    let builder = builder.host(bench.host.clone());
    let session = builder.open().await.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.asked_as_registered(), 1);

    let bench = Bench::new();
    bench.employed().await;
    let sign_ins = bench.host.sign_ins();
    assert!(!sign_ins.is_empty() && sign_ins.iter().all(|s| s.at_identity_provider));
    assert_eq!(bench.host.asked_as_registered(), sign_ins.len());
}

/// The metadata says that the server accepts secrets by the other method.
#[tokio::test(start_paused = true)]
async fn a_secret_is_shown_as_the_application_says_also_by_a_client_on_record() {
    for (method, offered, taken) in [
        (
            SecretMethod::Post,
            "client_secret_basic",
            "client_secret_post",
        ),
        (
            SecretMethod::Basic,
            "client_secret_post",
            "client_secret_basic",
        ),
    ] {
        let bench = Bench::new();
        bench.world.servers(|s| {
            s.auth_methods = vec![offered];
            s.add_client(ISSUER, "machine", SECRET, taken);
        });
        let open = |said: Option<SecretMethod>| {
            let client = Client::secret("machine", Secret::new(SECRET)).at_issuer(ISSUER);
            let client = match said {
                Some(method) => client.secret_method(method),
                None => client,
            };
            let credentials = Credentials::client_credentials(client);
            bench.builder().credentials(credentials).open()
        };
        let session = open(None).await.expect("the session opens");
        assert_eq!(
            code(&bench.send(&session, "").await),
            "registration_rejected"
        );
        let session = open(Some(method)).await.expect("the session opens");
        assert_eq!(bench.send(&session, "").await, Ok(200), "{taken}");
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200), "{taken}");
        // The recorded client used one method; from now on it uses the other.
        let other = match method {
            SecretMethod::Post => (SecretMethod::Basic, offered),
            SecretMethod::Basic => (SecretMethod::Post, offered),
        };
        bench.world.servers(|s| {
            s.forget_clients();
            s.add_client(ISSUER, "machine", SECRET, other.1);
            s.revoke_access();
        });
        let session = open(Some(other.0)).await.expect("the session opens");
        bench.world.take();
        assert_eq!(bench.send(&session, "").await, Ok(200), "{taken}");
        assert_eq!(
            bench.world.count(Token),
            1,
            "at once, not when it is refused"
        );
    }
}
