//! `--protocol`

use crate::support::World;

#[tokio::test]
async fn each_generation_can_be_chosen() {
    let world = World::signed_in().await;
    // Only the older version has sessions, which end with a DELETE.
    for (version, sessions) in [("2025-11-25", 1), ("2026-07-28", 0)] {
        world.control().reset_counters();
        let ended = world.call("echo").args(["--protocol", version]).run().await;
        ended.succeeded().printed("hello\n").showed(0);
        let counters = world.control().counters();
        assert_eq!(counters.mcp_delete, sessions, "{version}: {counters:#?}");
        assert_eq!(counters.mcp_401, 0, "{version}: {counters:#?}");
    }
}

#[tokio::test]
async fn each_generation_signs_in() {
    for version in ["2025-11-25", "2026-07-28"] {
        let world = World::start().await;
        let ended = world.call("echo").args(["--protocol", version]).run().await;
        ended.succeeded().printed("hello\n").showed(1);
    }
}

#[tokio::test]
async fn without_a_choice_it_is_the_newest() {
    let world = World::signed_in().await;
    world.still_works().await;
    let counters = world.control().counters();
    assert_eq!((counters.mcp_get, counters.mcp_delete), (0, 0));
}

#[tokio::test]
async fn an_unknown_version_is_a_usage_error_that_names_the_known_ones() {
    let world = World::signed_in().await;
    for version in ["2019-01-01", "newest", ""] {
        let ended = world.call("echo").args(["--protocol", version]).run().await;
        ended
            .failed(2, &format!("--protocol {version}"))
            .said("2025-11-25")
            .said("2026-07-28");
    }
    assert_eq!(world.control().counters().requests, 0);
}
