//! `mcp-reauth serve-fixture`

use serde_json::{Value, json};

use crate::support::{Ended, Program, World, visit};

#[tokio::test]
async fn it_prints_where_the_servers_are_and_they_answer() {
    let world = World::start().await;
    let mut server = Program::new(["serve-fixture"]).start();
    let mcp = server.prints(|line| line.starts_with("MCP server")).await;
    let mcp = mcp
        .split_whitespace()
        .last()
        .expect("an address")
        .to_owned();
    let issuer = server
        .prints(|line| line.starts_with("authorization server"))
        .await;
    let control = server.prints(|line| line.starts_with("control")).await;
    server.says(|line| line == "Press Ctrl-C to stop.").await;
    let ended = world.connecting(["call", &mcp, "echo"]).run().await;
    ended.succeeded().printed("ok\n").showed(1);
    for line in [issuer, control] {
        let address = line
            .split_whitespace()
            .last()
            .expect("an address")
            .to_owned();
        assert!(address.starts_with("http://127.0.0.1:"), "{line}");
        visit(&address).await;
    }
}

#[tokio::test]
async fn as_json_the_addresses_are_one_line() {
    let mut server = Program::new(["serve-fixture", "--json"]).start();
    let line = server.prints(|_| true).await;
    let addresses: Value = serde_json::from_str(&line).expect("JSON");
    for name in ["mcpUrl", "issuer", "secondIssuer", "controlUrl"] {
        let address = addresses[name].as_str().unwrap_or_default();
        assert!(address.starts_with("http://127.0.0.1:"), "{addresses:#}");
        visit(address).await;
    }
    assert_eq!(addresses["idpIssuer"], Value::Null);
}

#[tokio::test]
async fn an_identity_provider_has_an_address_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.json");
    let config = json!({ "identity_provider": { "own": {} } });
    std::fs::write(&file, config.to_string()).expect("a file");
    let args = ["serve-fixture", "--json", "--config"];
    let mut server = Program::new(args).args([&file]).start();
    let addresses: Value = serde_json::from_str(&server.prints(|_| true).await).expect("JSON");
    let as_json = addresses["idpIssuer"].as_str().expect("an address");
    visit(&format!("{as_json}/jwks")).await;
    let mut server = Program::new(["serve-fixture", "--config"])
        .args([&file])
        .start();
    let line = server
        .prints(|line| line.starts_with("identity provider"))
        .await;
    let address = line.split_whitespace().last().expect("an address");
    visit(&format!("{address}/jwks")).await;
}

#[tokio::test]
async fn it_follows_its_configuration() {
    let config = json!({
        "tools": [{ "name": "shout", "result": "HELLO" }],
        "base_scopes": [],
    });
    let world = World::start().await;
    let file = world.folder.path().join("config.json");
    std::fs::write(&file, config.to_string()).expect("a file");
    let args = ["serve-fixture", "--json", "--config"];
    let mut server = Program::new(args).args([&file]).start();
    let addresses: Value = serde_json::from_str(&server.prints(|_| true).await).expect("JSON");
    let mcp = addresses["mcpUrl"].as_str().expect("an address");
    let listed = world.connecting(["list", mcp]).run().await.succeeded();
    assert!(listed.stdout.starts_with("shout"), "{listed:#?}");
    let called = world.connecting(["call", mcp, "shout"]).run().await;
    called.succeeded().printed("HELLO\n").showed(0);
}

async fn refused(config: &str) -> Ended {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wrong-config.json");
    std::fs::write(&file, config).expect("a file");
    let ended = Program::new(["serve-fixture", "--config"])
        .args([&file])
        .run()
        .await;
    ended.failed(2, &file.display().to_string())
}

#[tokio::test]
async fn a_wrong_configuration_is_named_with_file_and_place() {
    let wrong = json!({ "tools": [{ "name": "a" }, { "name": "b", "scopes": ["has space"] }] });
    refused(&wrong.to_string()).await.said("tools[1].scopes[0]");
    refused("{\n  \"consent\": \"maybe\"\n}")
        .await
        .said("line 2");
    refused("{\n\n  \"no_such_field\": 1\n}")
        .await
        .said("no_such_field")
        .said("line 3");
    refused("").await;
    let missing = "/no/such/folder/config.json";
    Program::new(["serve-fixture", "--config", missing])
        .run()
        .await
        .failed(2, missing);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.json");
    std::fs::write(&file, json!({ "mcp_port": port }).to_string()).expect("a file");
    let ended = Program::new(["serve-fixture", "--config"])
        .args([&file])
        .run()
        .await;
    ended
        .failed(1, &format!("127.0.0.1:{port}"))
        .said("MCP server");
}
