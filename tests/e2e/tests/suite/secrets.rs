//! Nothing that is written down holds a secret. Every test looks when its [`World`](crate::support::World) ends;
//! here is shown that it would find one.

use crate::support::{Wire, World, log, tests};

tests! {
    /// The search sees what the library, its HTTP client and the MCP client write down.
    async fn the_search_works() {
        let world = World::new().await;
        let client = world.connect(Wire::Sessions).await;
        client.succeeds("write_note").await;
        let secrets = world.control().issued_secrets();
        assert!(secrets.len() >= 6, "codes, access tokens and refresh tokens");
        for target in ["mcp_reauth", "hyper_util", "rmcp"] {
            assert!(log::contains(target), "{target} logs nothing");
        }
        assert!(log::leaks(&secrets).is_empty());
        let header = world.session.authorization().unwrap();
        let line = header.header_value().replace("at_", "another_");
        log::note(&line);
        assert!(log::leaks(&secrets).is_empty());
        assert_eq!(log::leaks(&[line]).len(), 1);
    }

    /// Everything with a `Debug` form.
    async fn debug_forms() {
        let world = World::new().await;
        let client = world.connect(Wire::Stateless).await;
        client.succeeds("echo").await;
        let session = &world.session;
        log::note(&format!("{:?}", session.authorization()));
        log::note(&format!("{:?}", session.auth_state().await));
        log::note(&format!("{:?}", session.connection_state().await));
        let state = session.auth_state().await.unwrap().unwrap();
        log::note(&format!("{:?}", state.to_json()));
        log::note(&format!("{:?}", mcp_reauth::rmcp::ReauthClient::new(session.clone())));
        let request = session.request(Default::default(), Default::default());
        log::note(&format!("{request:?}"));
    }
}
