//! Tools, resources and prompts that need more scope.

use mcp_reauth::ScopeSet;
use mcp_reauth_fixture::{Consent, Faults};

use crate::support::{Wire, World, at_both_wires};

at_both_wires! {
    /// Each step-up keeps the granted scopes, and what worked before needs no other step-up.
    async fn everything_in_turn(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        client.succeeds("write_note").await;
        assert_eq!(client.read("note://secret").await.unwrap(), "Nobody knows.");
        assert_eq!(client.prompt("brief").await.unwrap(), "Brief the user.");
        client.succeeds("delete_note").await;
        assert_eq!(world.prompts(), (4, 4));
        let all = ScopeSet::parse("mcp:read mcp:write mcp:secret mcp:prompts mcp:admin");
        assert!(world.granted().covers(&all), "{}", world.granted());

        world.reset();
        client.succeeds("write_note").await;
        client.succeeds("echo").await;
        client.read("note://secret").await.unwrap();
        client.prompt("brief").await.unwrap();
        assert_eq!(world.counters().total(), 4);
        assert_eq!(world.prompts(), (0, 0));
    }

    /// A resource can require a step-up like a tool.
    async fn a_resource(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        assert_eq!(client.read("note://welcome").await.unwrap(), "Welcome.");
        assert_eq!(world.counters().total(), 1);
        client.read("note://secret").await.unwrap();
        assert_eq!(world.counters().http_requests(), 4);
        let asked = world.user.last_step_up();
        assert_eq!(asked.new_scopes, ScopeSet::parse("mcp:secret"));
        assert_eq!(asked.challenge.context.resource_uri.as_deref(), Some("note://secret"));
    }

    /// So can a prompt.
    async fn a_prompt(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        assert_eq!(client.prompt("greet").await.unwrap(), "Greet the user.");
        assert_eq!(world.counters().total(), 1);
        client.prompt("brief").await.unwrap();
        assert_eq!(world.counters().http_requests(), 4);
        let asked = world.user.last_step_up();
        assert_eq!(asked.challenge.context.prompt_name.as_deref(), Some("brief"));
    }

    /// A declined question costs one request, and nothing else.
    async fn consent_is_declined(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.user.says(false);
        client.fails("write_note", "consent_denied").await;
        assert_eq!(world.counters().total(), 1);
        assert_eq!(world.prompts(), (1, 0));
        assert_eq!(client.read("note://secret").await.unwrap_err().code, "consent_denied");
        assert_eq!(client.prompt("brief").await.unwrap_err().code, "consent_denied");
        world.works(&client).await;
        world.user.says(true);
        client.succeeds("write_note").await;
        assert_eq!(world.prompts(), (4, 1));
    }

    /// The user agrees in the program, but denies access at the authorization server.
    async fn consent_is_declined_at_the_server(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.control().consent(Consent::Deny);
        client.fails("write_note", "authorization_denied").await;
        assert_eq!(world.prompts(), (1, 1));
        world.works(&client).await;
        world.control().consent(Consent::Approve);
        client.succeeds("write_note").await;
    }

    /// The server grants less than requested.
    async fn less_is_granted(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.fault(Faults { narrower_scope: Some("mcp:read".into()), ..Faults::default() });
        let failure = client.fails("write_note", "scope_not_granted").await;
        assert!(failure.text.contains("mcp:write"), "{failure:?}");
        let counters = world.counters();
        // The request is sent again anyway: the server decides whether the grant suffices.
        assert_eq!((counters.mcp_post, counters.http_requests()), (2, 3));
        assert_eq!(world.prompts(), (1, 1));
        world.works(&client).await;
        world.mend();
        client.succeeds("write_note").await;
    }

    /// A granted scope was revoked: a refresh reveals it, and then the scope is requested.
    async fn a_scope_is_taken_back(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        client.succeeds("write_note").await;
        world.reset();
        world.control().shrink_grants(&["mcp:read"]);
        client.succeeds("write_note").await;
        let counters = world.counters();
        // The second refresh names the missing scope.
        assert_eq!((counters.token_refresh, counters.token_code), (2, 1));
        assert_eq!(world.prompts(), (1, 1));
        assert!(counters.http_requests() <= 7, "{counters:?}");
    }
}
