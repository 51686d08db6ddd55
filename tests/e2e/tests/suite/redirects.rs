//! Redirecting endpoints: no secret follows a redirect.

use mcp_reauth::Revocation;
use mcp_reauth_fixture::Faults;

use crate::support::{Elsewhere, Wire, World, at_both_wires};

/// Every redirect status.
const STATUSES: [u16; 6] = [300, 301, 302, 303, 307, 308];

at_both_wires! {
    /// Neither the token nor the request is sent to another origin.
    async fn to_another_origin(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let elsewhere = Elsewhere::start().await;
        world.fault(Faults { redirect_mcp_to: Some(elsewhere.url.clone()), ..Faults::default() });
        client.fails("echo", "http").await;
        assert_eq!(world.counters().mcp_post, 1);
        assert_eq!(elsewhere.hits().await, 0);
        assert_eq!(world.prompts(), (0, 0));
        world.mend();
        world.works(&client).await;
    }

    /// With every status.
    async fn by_any_status(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let elsewhere = Elsewhere::start().await;
        for status in STATUSES {
            world.reset();
            world.fault(Faults {
                redirect_mcp_to: Some(elsewhere.url.clone()),
                redirect_status: Some(status),
                ..Faults::default()
            });
            // 300 leaves the choice to the user, and is not followed.
            client.fails("echo", if status == 300 { "" } else { "http" }).await;
            assert_eq!(world.counters().mcp_post, 1, "{status}");
        }
        assert_eq!(elsewhere.hits().await, 0);
        assert_eq!(world.prompts(), (0, 0));
        world.mend();
        world.works(&client).await;
    }

    /// A refresh token does not follow a redirect of the token endpoint, to any origin.
    async fn of_the_token_endpoint_when_renewing(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let elsewhere = Elsewhere::start().await;
        let same = format!("{}/token", world.issuer());
        for (target, status) in [&elsewhere.url, &same].into_iter().flat_map(|t| STATUSES.map(|s| (t, s))) {
            world.reset();
            world.control().expire_access_tokens();
            let astray = Faults {
                redirect_token_to: Some(target.clone()),
                redirect_status: Some(status),
                ..Faults::default()
            };
            world.fault(astray);
            client.fails("echo", "refresh_unavailable").await;
            // A transient error: two tries, and no prompt.
            let counters = world.counters();
            assert_eq!((counters.token_refresh, counters.token_code), (2, 0), "{status}: {counters:?}");
            world.mend();
            world.works(&client).await;
        }
        assert_eq!(elsewhere.hits().await, 0);
    }

    /// Nor does an authorization code.
    async fn of_the_token_endpoint_at_a_sign_in(wire: Wire) {
        let elsewhere = Elsewhere::start().await;
        let world = World::new().await;
        for status in STATUSES {
            world.reset();
            world.fault(Faults {
                redirect_token_to: Some(elsewhere.url.clone()),
                redirect_status: Some(status),
                ..Faults::default()
            });
            world.refuses(wire, "http").await;
            assert_eq!(world.counters().token_code, 1, "{status}");
        }
        assert_eq!(elsewhere.hits().await, 0);
    }

    /// A registration request does not follow a redirect.
    async fn of_the_registration_endpoint(wire: Wire) {
        let elsewhere = Elsewhere::start().await;
        let world = World::new().await;
        for status in STATUSES {
            world.fault(Faults {
                redirect_registration_to: Some(elsewhere.url.clone()),
                redirect_status: Some(status),
                ..Faults::default()
            });
            world.refuses(wire, "registration_rejected").await;
        }
        assert_eq!((elsewhere.hits().await, world.prompts()), (0, (0, 0)));
    }

    /// A revocation request does not follow a redirect; the result of signing out says so.
    async fn of_the_revocation_endpoint(wire: Wire) {
        let elsewhere = Elsewhere::start().await;
        let world = World::new().await;
        for status in STATUSES {
            world.connect(wire).await;
            world.fault(Faults {
                redirect_revocation_to: Some(elsewhere.url.clone()),
                redirect_status: Some(status),
                ..Faults::default()
            });
            assert_eq!(world.session.sign_out().await.unwrap(), Revocation::Failed, "{status}");
            world.mend();
        }
        assert_eq!(elsewhere.hits().await, 0);
    }

    /// From the first request on.
    async fn to_another_origin_from_the_start(wire: Wire) {
        let world = World::new().await;
        let elsewhere = Elsewhere::start().await;
        world.fault(Faults { redirect_mcp_to: Some(elsewhere.url.clone()), ..Faults::default() });
        world.refuses(wire, "http").await;
        assert_eq!(elsewhere.hits().await, 0);
        assert_eq!(world.prompts(), (0, 0));
    }

    /// `localhost` and 127.0.0.1 are different origins.
    async fn to_the_same_port_by_another_name(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let target = world.url().replace("127.0.0.1", "localhost");
        world.fault(Faults { redirect_mcp_to: Some(target), ..Faults::default() });
        client.fails("echo", "http").await;
        assert_eq!(world.counters().mcp_post, 1);
        world.mend();
        world.works(&client).await;
    }

    /// A target with user information, which would be sent along as credentials.
    async fn to_a_user_of_the_origin(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        for user in ["user", "user:secret"] {
            world.reset();
            let target = world.url().replace("http://", &format!("http://{user}@"));
            world.fault(Faults { redirect_mcp_to: Some(target), ..Faults::default() });
            let failure = client.fails("echo", "http").await;
            assert!(!failure.text.contains("user"), "{failure:?}");
            assert_eq!(world.counters().mcp_post, 1);
        }
        world.mend();
        world.works(&client).await;
    }

    /// Within the origin, with a status that changes the method.
    async fn within_the_origin_by_another_status(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        for status in [301, 302, 303] {
            world.reset();
            let target = world.url().to_owned();
            world.fault(Faults {
                redirect_mcp_to: Some(target),
                redirect_status: Some(status),
                ..Faults::default()
            });
            client.fails("echo", "http").await;
            assert_eq!(world.counters().mcp_post, 1, "{status}");
        }
        world.mend();
        world.works(&client).await;
    }

    /// A redirect loop.
    async fn to_itself(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let target = world.url().to_owned();
        world.fault(Faults { redirect_mcp_to: Some(target), ..Faults::default() });
        client.fails("echo", "http").await;
        assert_eq!(world.counters().mcp_post, 6, "{:?}", world.counters());
        world.mend();
        world.works(&client).await;
    }
}
