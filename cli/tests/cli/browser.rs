//! The variable `BROWSER`, with a script as browser.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{World, soon, visit};

/// A browser that only records the address.
fn notebook(world: &World) -> (PathBuf, PathBuf) {
    let folder = world.folder.path();
    let (script, page) = (folder.join("browser"), folder.join("page"));
    let draft = folder.join("draft");
    let text = format!(
        "#!/bin/sh\nprintf '%s' \"$*\" > '{}' && mv '{}' '{}'\n",
        draft.display(),
        draft.display(),
        page.display()
    );
    fs::write(&script, text).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a script");
    (script, page)
}

async fn written(page: &Path) -> String {
    loop {
        match tokio::fs::read_to_string(page).await {
            Ok(text) => return text,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test]
async fn it_is_sent_to_the_address_that_is_printed() {
    let world = World::start().await;
    let (script, page) = notebook(&world);
    let args = [
        "login",
        world.url(),
        "--callback-url",
        "http://127.0.0.1:0/oauth/callback",
    ];
    let program = world.program(args).env("BROWSER", &script);
    let mut program = program.alone().start();
    let address = program.address().await;
    assert_eq!(soon(written(&page)).await, address);
    visit(&address).await;
    program.end().await.succeeded();
}

#[tokio::test]
async fn one_that_cannot_be_opened_is_no_obstacle() {
    let world = World::start().await;
    let args = [
        "login",
        world.url(),
        "--callback-url",
        "http://127.0.0.1:0/oauth/callback",
    ];
    let program = world
        .program(args)
        .env("BROWSER", "/no/such/browser")
        .env("PATH", "/no/such");
    let mut program = program.alone().start();
    let address = program.address().await;
    program
        .says(|line| line.starts_with("The browser could not be opened"))
        .await;
    visit(&address).await;
    program.end().await.succeeded();
}

#[tokio::test]
async fn one_that_fails_is_not_opened() {
    let world = World::start().await;
    let program = world.program(login(&world)).env("BROWSER", "false");
    let mut program = program.alone().start();
    let address = program.address().await;
    program
        .says(|line| line.contains("could not be opened (BROWSER names false: it ended with"))
        .await;
    visit(&address).await;
    program.end().await.succeeded();
}

/// A sign-in with a callback on any free port.
fn login(world: &World) -> [&str; 4] {
    let callback = "http://127.0.0.1:0/oauth/callback";
    ["login", world.url(), "--callback-url", callback]
}

#[tokio::test]
async fn over_ssh_it_is_said_how_the_browser_comes_back() {
    let world = World::start().await;
    let program = world
        .program(login(&world))
        .args(["--no-browser"])
        .env("SSH_CONNECTION", "10.0.0.7 50000 10.0.0.2 22")
        .env("USER", "anna");
    let mut program = program.alone().start();
    let address = program.address().await;
    let query = address.split('?').nth(1).unwrap_or_default();
    let mut query = url::form_urlencoded::parse(query.as_bytes());
    let back = query.find(|(name, _)| name == "redirect_uri");
    let back = url::Url::parse(&back.expect("a redirect URI").1).expect("an address");
    let port = back.port().expect("a port");
    let line = format!("ssh -N -L {port}:127.0.0.1:{port} anna@10.0.0.2");
    let said = program.says(|line| line.contains("SSH connection")).await;
    assert!(said.ends_with(&line), "{said}");
    visit(&address).await;
    program.end().await.succeeded();
}

#[tokio::test]
async fn it_is_left_alone_when_not_wanted() {
    let world = World::start().await;
    let (script, page) = notebook(&world);
    let login = world
        .connecting(["login", world.url()])
        .env("BROWSER", &script);
    login.run().await.succeeded().showed(1);
    assert!(!page.exists());
}
