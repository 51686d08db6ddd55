//! Restarts, and several programs at once.

use futures_util::future::join_all;
use mcp_reauth::{AuthSessionBuilder, CallbackParams, FileStore};
use mcp_reauth_fixture::{Config, Faults};
use tempfile::TempDir;

use crate::support::{Wire, World, at_both_wires, browser, connect_to};

struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn keeps(&self, builder: AuthSessionBuilder) -> AuthSessionBuilder {
        builder.store(FileStore::new(self.0.path().join("credentials.json")))
    }
}

at_both_wires! {
    /// The next program finds an expired token and renews it silently.
    async fn with_an_expired_token(wire: Wire) {
        let disk = Disk::new();
        let world = World::with_session(Config::default(), |b| disk.keeps(b)).await;
        world.connected(wire).await.close().await;
        world.reset();
        world.control().expire_access_tokens();
        let session = world.another_session(world.url(), |b| disk.keeps(b)).await;
        let client = connect_to(&session, wire).await.unwrap();
        client.succeeds("write_note").await;
        assert_eq!(world.counters().token_refresh, 1);
        assert_eq!(world.counters().registrations, 0, "the client id was kept too");
        assert_eq!(world.prompts(), (1, 1), "the step-up only");
    }

    /// A token that another program renewed is adopted.
    async fn after_another_program_renewed(wire: Wire) {
        let disk = Disk::new();
        let world = World::with_session(Config::default(), |b| disk.keeps(b)).await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        let session = world.another_session(world.url(), |b| disk.keeps(b)).await;
        let other = connect_to(&session, wire).await.unwrap();
        other.succeeds("echo").await;
        client.succeeds("echo").await;
        let counters = world.counters();
        assert_eq!((counters.token_refresh, counters.reuse_detected), (1, 0));
        assert_eq!(world.prompts(), (0, 0));
        assert!(world.user.events().contains(&"adopted".to_owned()));
    }

    /// Two programs at once: one renewal.
    async fn two_at_once(wire: Wire) {
        let disk = Disk::new();
        let world = World::with_session(Config::default(), |b| disk.keeps(b)).await;
        let first = world.connected(wire).await;
        let session = world.another_session(world.url(), |b| disk.keeps(b)).await;
        let second = connect_to(&session, wire).await.unwrap();
        if wire == Wire::Sessions {
            world.control().counters_when(|c| c.mcp_get >= 1).await;
        }
        second.succeeds("echo").await;
        world.reset();
        world.control().expire_access_tokens();
        world.fault(Faults { mcp_hold: true, ..Faults::default() });
        let tasks = [first, second].map(|client| {
            tokio::spawn(async move {
                client.succeeds("echo").await;
                client
            })
        });
        world.control().counters_when(|c| c.mcp_post == 2).await;
        world.mend();
        // All clients stay connected until the requests are counted.
        let clients = join_all(tasks).await;
        assert!(clients.iter().all(Result::is_ok));
        let counters = world.counters();
        assert_eq!((counters.token_refresh, counters.reuse_detected), (1, 0));
        assert_eq!(counters.total(), 5);
        assert_eq!(world.prompts(), (0, 0));
    }

    /// The user was sent to a page; another program receives the callback and completes the sign-in.
    async fn the_callback_arrives_elsewhere(wire: Wire) {
        let disk = Disk::new();
        let world = World::with_session(Config::default(), |b| disk.keeps(b)).await;
        world.user.goes_elsewhere();
        let failure = world.refuses(wire, "interaction_required").await;
        let page = world.user.last_page();
        assert!(failure.text.contains(&page.url), "{failure:?}");
        let callback = browser::callback_of(&page.url).await;

        let session = world.another_session(world.url(), |b| disk.keeps(b)).await;
        assert_eq!(session.connection_state().await.unwrap().pending, 1);
        let params = CallbackParams::parse(&callback);
        session.complete_authorization(params.clone()).await.unwrap();
        assert!(session.connection_state().await.unwrap().authorized);
        let again = session.complete_authorization(params).await.unwrap_err();
        assert_eq!(again.code(), "state_mismatch", "once is enough");
        let client = connect_to(&session, wire).await.unwrap();
        world.works(&client).await;
        // The first program is not notified, but reads the store.
        let client = world.connect(wire).await;
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 1));
        assert_eq!(world.counters().token_code, 1);
    }

    /// A step-up that another program completes.
    async fn a_step_up_elsewhere(wire: Wire) {
        let disk = Disk::new();
        let world = World::with_session(Config::default(), |b| disk.keeps(b)).await;
        let client = world.connected(wire).await;
        world.user.goes_elsewhere();
        client.fails("write_note", "interaction_required").await;
        world.works(&client).await;
        let callback = browser::callback_of(&world.user.last_page().url).await;
        let session = world.another_session(world.url(), |b| disk.keeps(b)).await;
        let params = CallbackParams::parse(&callback);
        session.complete_authorization(params).await.unwrap();
        client.succeeds("write_note").await;
        assert_eq!(world.prompts(), (1, 1));
    }
}
