//! Several processes with one store.

use futures_util::future::join_all;
use mcp_reauth_fixture::Faults;

use crate::support::{World, soon};

#[tokio::test]
async fn parallel_processes_share_one_renewal() {
    const PROCESSES: u64 = 4;
    let world = World::signed_in().await;
    world.control().expire_access_tokens();
    world.control().set_faults(Faults {
        token_hold: true,
        ..Faults::default()
    });
    let programs: Vec<_> = (0..PROCESSES).map(|_| world.call("echo").start()).collect();
    // All requests are rejected before the one renewal is answered.
    let refused = |counters: &mcp_reauth_fixture::Counters| {
        counters.mcp_401 == PROCESSES && counters.token_refresh == 1
    };
    soon(world.control().counters_when(refused)).await;
    world.control().set_faults(Faults::default());
    for ended in join_all(programs.into_iter().map(|program| program.end())).await {
        ended.succeeded().printed("hello\n").showed(0);
    }
    let counters = world.control().counters();
    assert_eq!(counters.token_refresh, 1, "{counters:#?}");
    assert_eq!(counters.reuse_detected, 0, "{counters:#?}");
    assert_eq!(counters.authorize_visits, 0, "{counters:#?}");
}

#[tokio::test]
async fn parallel_processes_that_know_of_the_expiry_share_one_renewal() {
    let world = World::signed_in().await;
    world.control().expire_access_tokens();
    world.set_expiry(&1.into());
    let programs = (0..4).map(|_| world.call("echo").run());
    for ended in join_all(programs).await {
        ended.succeeded().printed("hello\n").showed(0);
    }
    let counters = world.control().counters();
    assert_eq!(counters.token_refresh, 1, "{counters:#?}");
    assert_eq!(counters.reuse_detected, 0, "{counters:#?}");
}

#[tokio::test]
async fn parallel_sign_ins_to_different_servers_lose_nothing() {
    let worlds = join_all((0..4).map(|_| World::start())).await;
    let shared = worlds[0].store();
    let logins = worlds.iter().map(|world| {
        let login = world.connecting(["login", world.url()]);
        login.env("MCP_REAUTH_STORE", &shared).run()
    });
    for ended in join_all(logins).await {
        ended.succeeded().showed(1);
    }
    assert_eq!(
        worlds[0].contents()["records"].as_array().map(Vec::len),
        Some(4)
    );
    for world in &worlds {
        let call = world.call("echo").env("MCP_REAUTH_STORE", &shared);
        call.run().await.succeeded().showed(0);
    }
}

#[tokio::test]
async fn processes_that_need_the_user_at_once_show_one_page() {
    let world = World::start().await;
    let programs = (0..4).map(|_| world.call("echo").run());
    let ends = join_all(programs).await;
    let mut pages = 0;
    for ended in ends {
        pages += ended.pages;
        let told = ended
            .stderr
            .matches("where another program asked you to")
            .count();
        assert!(told + ended.pages <= 1, "{ended:#?}");
        ended.succeeded().printed("hello\n");
    }
    assert_eq!(pages, 1);
    let counters = world.control().counters();
    assert_eq!(counters.authorize_visits, 1, "{counters:#?}");
    assert_eq!(counters.registrations, 1, "{counters:#?}");
}
