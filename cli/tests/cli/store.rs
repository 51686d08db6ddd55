//! Where authorizations are stored, and how unusable files are reported.

use std::fs;

use crate::support::{Program, World};

/// All commands that use the store.
fn all(world: &World) -> Vec<Program> {
    vec![
        world.call("echo"),
        world.connecting(["list", world.url()]),
        world.connecting(["login", world.url()]),
        world.program(["status", world.url()]),
        world.program(["status"]),
        world.program(["logout", world.url()]),
    ]
}

async fn all_refuse(world: &World, contents: &str, why: &str) {
    let path = world.store().display().to_string();
    for program in all(world) {
        fs::write(world.store(), contents).expect("the store's file");
        let ended = program.run().await;
        ended.failed(1, &path).said(why).said("[store]").showed(0);
        let after = fs::read_to_string(world.store()).expect("the store's file");
        assert_eq!(after, contents);
    }
    assert_eq!(world.control().counters().requests, 0);
}

#[tokio::test]
async fn a_foreign_file_is_left_alone() {
    let world = World::start().await;
    all_refuse(&world, "# shopping list\n", "not a credential file").await;
    all_refuse(&world, "{\"credentials\": []}", "not a credential file").await;
    all_refuse(&world, "", "not a credential file").await;
}

#[tokio::test]
async fn a_truncated_file_is_left_alone() {
    let world = World::signed_in().await;
    let whole = fs::read_to_string(world.store()).expect("the store's file");
    let half = &whole[..whole.len() / 2];
    all_refuse(&world, half, "truncated").await;
}

#[tokio::test]
async fn a_damaged_file_is_left_alone_and_not_quoted() {
    let world = World::signed_in().await;
    let secrets = world.control().issued_secrets();
    world.set_expiry(&"soon".into());
    let contents = fs::read_to_string(world.store()).expect("the store's file");
    for program in all(&world) {
        let ended = program.run().await.failed(1, "[store]").hides(&secrets);
        ended.said(&world.store().display().to_string());
    }
    assert_eq!(
        fs::read_to_string(world.store()).expect("the store's file"),
        contents
    );
}

#[tokio::test]
async fn a_newer_file_is_left_alone() {
    let world = World::start().await;
    all_refuse(
        &world,
        "{\"format\": 2, \"vault\": 1}\n",
        "use a newer mcp-reauth",
    )
    .await;
}

#[tokio::test]
async fn a_newer_record_is_left_alone() {
    let world = World::signed_in().await;
    let mut contents = world.contents();
    let format = &mut contents["records"][0]["record"]["format"];
    assert!(format.is_number());
    *format = 99.into();
    let contents = contents.to_string();
    fs::write(world.store(), &contents).expect("the store's file");
    for program in all(&world) {
        let ended = program.run().await.failed(1, "use a newer mcp-reauth");
        ended
            .said(&world.store().display().to_string())
            .said("[store]");
    }
    assert_eq!(
        fs::read_to_string(world.store()).expect("the store's file"),
        contents
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_named_before_anybody_signs_in() {
    // The tests may run as root, for which permissions do not count, so a folder with the name of the lock file is in
    // the way.
    let world = World::start().await;
    let mut lock = world.store().into_os_string();
    lock.push(".lock");
    fs::create_dir(lock).expect("a folder");
    let ended = world.call("echo").run().await;
    let path = world.store().display().to_string();
    ended.failed(1, &path).said("[store]").showed(0);
    assert!(!world.store().exists());
}

#[tokio::test]
async fn a_place_that_cannot_be_is_named() {
    let world = World::start().await;
    let file = world.folder.path().join("file");
    fs::write(&file, "").expect("a file");
    for place in [
        file.join("credentials.json"),
        world.folder.path().to_owned(),
    ] {
        for program in all(&world) {
            let ended = program.env("MCP_REAUTH_STORE", &place).run().await;
            ended
                .failed(1, &place.display().to_string())
                .said("[store]")
                .showed(0);
        }
    }
}

#[tokio::test]
async fn the_option_goes_before_the_variable_and_folders_are_made() {
    let world = World::start().await;
    let place = world.folder.path().join("a").join("b").join("mine.json");
    let option = |program: Program| program.args(["--store".as_ref(), place.as_os_str()]);
    option(world.call("echo")).run().await.succeeded().showed(1);
    assert!(!world.store().exists());
    assert!(place.exists());
    option(world.call("echo")).run().await.succeeded().showed(0);
    option(world.program(["logout", world.url()]))
        .run()
        .await
        .succeeded();
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::start().await;
    let place = world.folder.path().join("new").join("mine.json");
    let login = world.connecting(["login", world.url()]);
    login
        .env("MCP_REAUTH_STORE", &place)
        .run()
        .await
        .succeeded();
    let mode = |path: &std::path::Path| {
        let metadata = fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(&place), 0o600);
    assert_eq!(mode(place.parent().expect("a folder")), 0o700);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn by_default_it_is_in_the_data_folder() {
    let world = World::start().await;
    let data = world.folder.path().join("data");
    let args = [
        "login",
        world.url(),
        "--no-browser",
        "--callback-url",
        "http://127.0.0.1:0/oauth/callback",
    ];
    Program::new(args)
        .home(world.folder.path())
        .run()
        .await
        .succeeded();
    assert!(data.join("mcp-reauth").join("credentials.json").exists());
}

#[tokio::test]
async fn home_that_is_no_whole_path_is_refused() {
    let world = World::start().await;
    let program = Program::new(["status", world.url()]).env("HOME", "elsewhere");
    let ended = program.run().await;
    ended
        .failed(2, "HOME is elsewhere, which is not an absolute path")
        .said("--store");
    let store = world.folder.path().join("own.json");
    let program = Program::new(["status", world.url()]).env("HOME", "elsewhere");
    let ended = program.args(["--store".as_ref(), store.as_os_str()]).run();
    ended.await.exited(1);
}
