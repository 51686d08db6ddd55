//! Servers that try to lead the command into networks that they are not in, over real connections. The internet, an
//! intranet and a cloud's link-local addresses are simulated in a network namespace (Linux; as root, or where users may
//! create namespaces).

#![cfg(target_os = "linux")]

mod attacker;
#[path = "../common/authority.rs"]
mod authority;
mod names;
mod namespace;
#[path = "../common/tested.rs"]
mod tested;

use attacker::{Attacker, Lead};
use authority::Authority;
use namespace::{Outcome, inside};

/// The addresses of the MCP server and its authorization server, on the internet.
const MCP: &str = "203.0.113.1";
const AS: &str = "203.0.113.2";
/// The addresses they must not lead to.
const INTRANET: &str = "10.0.0.7";
const CLOUD: &str = "169.254.169.254";

/// Its address is public when it is checked, and another one when it is connected to.
const REBOUND: &str = "https://rebound.example";

#[test]
fn servers_on_the_internet_lead_nowhere_else() {
    // The rest of the test runs in the namespace.
    if let Outcome::Skipped(why) = inside("attacks", &[MCP, AS, INTRANET, CLOUD]) {
        println!("SKIPPED: attacks by addresses, which need a network namespace: {why}");
    }
}

#[tokio::test]
#[ignore = "runs in a namespace, started by servers_on_the_internet_lead_nowhere_else"]
async fn attacks() {
    let authority = Authority::new();
    let names = names::serve().await;
    for (name, address) in [
        ("mcp.example", MCP),
        ("as.example", AS),
        ("intranet.example", INTRANET),
        ("cloud.example", CLOUD),
        ("here.example", "127.0.0.1"),
    ] {
        names.set(name, &[address]);
    }
    let attacker = Attacker::start(&authority).await;
    let mut tried = 0;
    for target in [
        "https://intranet.example",
        "https://cloud.example",
        "https://here.example",
        "https://10.0.0.7",
        "https://169.254.169.254",
        "https://127.0.0.1",
        "https://localhost",
        "https://0.0.0.0",
        "https://[::1]",
        "https://[::ffff:10.0.0.7]",
        "https://[64:ff9b::a00:7]",
        "https://0xa000007",
        "https://012.0.0.07",
        "https://167772167",
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://[::1]:8080",
        REBOUND,
    ] {
        let leads = Lead::ALL.into_iter();
        // Before a sign-in, the other endpoints' addresses are only checked, and the rebinding name passes that check.
        for lead in leads.filter(|lead| lead.is_requested() || target != REBOUND) {
            names.set("rebound.example", &[AS, INTRANET]);
            attacker.lead(lead, target);
            let ended = attacker.login(&authority, &[]).await;
            let said = format!("{lead:?} {target}: {ended}");
            assert!(ended.contains("[blocked_endpoint]"), "{said}");
            assert_eq!(attacker.reached(), Vec::<String>::new(), "{said}");
            tried += 1;
        }
    }
    println!("{tried} attacks");

    // The same addresses are reached if they are allowed, which proves that nothing else prevented the connection.
    for lead in Lead::ALL.into_iter().filter(|lead| lead.is_requested()) {
        attacker.lead(lead, "https://intranet.example");
        let allow = ["--allow-endpoint", "https://intranet.example"];
        let ended = attacker.login(&authority, &allow).await;
        assert!(!ended.contains("[blocked_endpoint]"), "{lead:?}: {ended}");
        assert!(!attacker.reached().is_empty(), "{lead:?}: {ended}");
    }
}
