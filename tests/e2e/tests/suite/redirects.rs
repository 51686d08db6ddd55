//! An MCP endpoint that points elsewhere.

use mcp_reauth_fixture::Faults;

use crate::support::{Elsewhere, Wire, World, at_both_wires};

at_both_wires! {
    /// The token goes to no other origin, and neither does the request.
    async fn to_another_origin(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let elsewhere = Elsewhere::start().await;
        world.fault(Faults { redirect_mcp_to: Some(elsewhere.url.clone()), ..Faults::default() });
        client.fails("echo", "").await;
        assert_eq!(world.counters().mcp_post, 1);
        assert_eq!(elsewhere.hits().await, 0);
        assert_eq!(world.prompts(), (0, 0));
        world.mend();
        world.works(&client).await;
    }

    /// From the start.
    async fn to_another_origin_from_the_start(wire: Wire) {
        let world = World::new().await;
        let elsewhere = Elsewhere::start().await;
        world.fault(Faults { redirect_mcp_to: Some(elsewhere.url.clone()), ..Faults::default() });
        world.refuses(wire, "").await;
        assert_eq!(elsewhere.hits().await, 0);
        assert_eq!(world.prompts(), (0, 0));
    }

    /// A name for this machine is another origin all the same.
    async fn to_the_same_port_by_another_name(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let target = world.url().replace("127.0.0.1", "localhost");
        world.fault(Faults { redirect_mcp_to: Some(target), ..Faults::default() });
        client.fails("echo", "").await;
        assert_eq!(world.counters().mcp_post, 1);
        world.mend();
        world.works(&client).await;
    }

    /// In a circle.
    async fn to_itself(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let target = world.url().to_owned();
        world.fault(Faults { redirect_mcp_to: Some(target), ..Faults::default() });
        client.fails("echo", "").await;
        assert!(world.counters().mcp_post <= 6, "{:?}", world.counters());
        world.mend();
        world.works(&client).await;
    }
}
