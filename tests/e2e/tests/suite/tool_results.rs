//! Challenges inside tool results.

use mcp_reauth_fixture::Faults;

use crate::support::{Client, Front, Wire, World, at_both_wires, connect_to};

fn in_result() -> Faults {
    Faults {
        challenge_in_tool_result: true,
        ..Faults::default()
    }
}

/// A client of a server that sends such results in an event stream.
async fn streaming(world: &World, wire: Wire) -> Client {
    let front = Front::start(world.url()).await;
    let faults = Faults {
        metadata_resource: Some(front.url.clone()),
        ..in_result()
    };
    world.fault(faults);
    let session = world
        .another_session(&front.url, |builder| builder.send_resource(false))
        .await;
    let client = connect_to(&session, wire).await.unwrap();
    world.at_rest(wire).await;
    world.works(&client).await;
    world.reset();
    client
}

async fn json(world: &World, wire: Wire) -> Client {
    let client = world.connected(wire).await;
    world.fault(in_result());
    client
}

async fn more_scope(world: &World, client: &Client) {
    client.succeeds("write_note").await;
    let counters = world.counters();
    assert_eq!((counters.tool_challenges, counters.mcp_post), (1, 2));
    assert_eq!(counters.http_requests(), 3);
    assert_eq!(world.prompts(), (1, 1));
    world.user.says(false);
    client.fails("delete_note", "consent_denied").await;
    world.works(client).await;
    client.succeeds("write_note").await;
    assert_eq!(world.counters().tool_challenges, 2);
}

async fn invalid_token(world: &World, client: &Client) {
    world.control().expire_access_tokens();
    client.succeeds("echo").await;
    let counters = world.counters();
    assert_eq!((counters.tool_challenges, counters.token_refresh), (1, 1));
    assert_eq!(counters.total(), 3);
    assert_eq!(world.prompts(), (0, 0));
}

/// The server rejects everything, also after recovery.
async fn never_satisfied(world: &World, client: &Client) {
    let faults = Faults {
        always_401: true,
        ..world.control().faults()
    };
    world.fault(faults);
    client.fails("echo", "unauthorized").await;
    let counters = world.counters();
    assert_eq!(counters.tool_challenges, 3, "{counters:?}");
    assert_eq!(world.prompts(), (0, 1));
}

at_both_wires! {
    /// As JSON.
    async fn more_scope_in_json(wire: Wire) {
        let world = World::new().await;
        let client = json(&world, wire).await;
        more_scope(&world, &client).await;
    }

    /// As an event.
    async fn more_scope_in_events(wire: Wire) {
        let world = World::new().await;
        let client = streaming(&world, wire).await;
        more_scope(&world, &client).await;
    }

    /// As JSON.
    async fn invalid_token_in_json(wire: Wire) {
        let world = World::new().await;
        let client = json(&world, wire).await;
        invalid_token(&world, &client).await;
    }

    /// As an event.
    async fn invalid_token_in_events(wire: Wire) {
        let world = World::new().await;
        let client = streaming(&world, wire).await;
        invalid_token(&world, &client).await;
    }

    /// As JSON.
    async fn never_satisfied_in_json(wire: Wire) {
        let world = World::new().await;
        let client = json(&world, wire).await;
        never_satisfied(&world, &client).await;
    }

    /// As an event.
    async fn never_satisfied_in_events(wire: Wire) {
        let world = World::new().await;
        let client = streaming(&world, wire).await;
        never_satisfied(&world, &client).await;
    }
}
