//! Addresses that must not be used, wherever a server names them: neither https nor loopback.

use mcp_reauth::Revocation;
use mcp_reauth_fixture::{Config, Faults};
use serde_json::{Map, Value, json};
use url::Url;

use crate::support::{Elsewhere, Wire, World, at_both_wires, tests};

/// Addresses without https, some of which look like loopback addresses.
const UNPROTECTED: [&str; 17] = [
    "http://as.example/x",
    "HTTP://AS.EXAMPLE/x",
    "http://localhost.evil.example/x",
    "http://127.0.0.1.evil.example/x",
    "http://evil.example/?http://127.0.0.1/",
    "http://localhost@evil.example/x",
    "http://127.0.0.1:80@evil.example/x",
    "http://a.localhost/x",
    "http://localhost./x",
    "http://0.0.0.0/x",
    "http://0/x",
    "http://[::]/x",
    "http://[::ffff:127.0.0.1]/x",
    "http://169.254.169.254/x",
    "http://10.0.0.1/x",
    "http://2886794753/x",
    "ftp://localhost/x",
];

fn members(name: &str, value: Value) -> Map<String, Value> {
    [(name.to_owned(), value)].into_iter().collect()
}

/// Asserts that connecting fails without a prompt, with each of the addresses in this place.
async fn refused(world: &World, wire: Wire, faults: impl Fn(&str) -> Faults) {
    for url in UNPROTECTED {
        world.fault(faults(url));
        let failure = world.refuses(wire, "insecure_endpoint").await;
        assert!(!failure.text.contains('?'), "{url}: {failure:?}");
        assert_eq!(world.prompts(), (0, 0), "{url}");
        assert_eq!(world.counters().token_requests, 0, "{url}");
    }
    world.mend();
    let client = world.connect(wire).await;
    world.works(&client).await;
}

async fn refused_in_metadata(wire: Wire, endpoint: &str) {
    let world = World::new().await;
    refused(&world, wire, |url| Faults {
        server_metadata_members: members(endpoint, json!(url)),
        ..Faults::default()
    })
    .await;
}

at_both_wires! {
    /// The address that the user would visit.
    async fn authorization_endpoint(wire: Wire) {
        refused_in_metadata(wire, "authorization_endpoint").await;
    }

    /// The address that would receive codes and refresh tokens.
    async fn token_endpoint(wire: Wire) {
        refused_in_metadata(wire, "token_endpoint").await;
    }

    /// The address that would issue a client's secret.
    async fn registration_endpoint(wire: Wire) {
        refused_in_metadata(wire, "registration_endpoint").await;
    }

    /// The issuer itself.
    async fn authorization_servers(wire: Wire) {
        let world = World::new().await;
        refused(&world, wire, |url| Faults {
            resource_metadata_members: members("authorization_servers", json!([url])),
            ..Faults::default()
        })
        .await;
    }

    /// The metadata that a challenge names: the well-known address is used instead.
    async fn resource_metadata(wire: Wire) {
        for url in UNPROTECTED {
            let world = World::new().await;
            world.fault(Faults {
                challenges: Some(vec![format!("Bearer resource_metadata=\"{url}\"")]),
                ..Faults::default()
            });
            let client = world.connect(wire).await;
            world.works(&client).await;
            assert_eq!((world.prompts(), world.counters().resource_metadata), ((0, 1), 1), "{url}");
        }
    }

    /// The revocation endpoint: signing out succeeds, and no token is sent there.
    async fn revocation_endpoint(wire: Wire) {
        let world = World::new().await;
        let elsewhere = Elsewhere::start().await;
        // Connections to these two would reach it.
        let reached = ["0.0.0.0", "[::ffff:127.0.0.1]"].map(|host| elsewhere.url.replace("127.0.0.1", host));
        for url in UNPROTECTED.into_iter().chain(reached.iter().map(String::as_str)) {
            world.fault(Faults {
                server_metadata_members: members("revocation_endpoint", json!(url)),
                ..Faults::default()
            });
            let client = world.connect(wire).await;
            world.works(&client).await;
            assert_eq!(world.session.sign_out().await.unwrap(), Revocation::Failed, "{url}");
            assert!(world.session.authorization().is_none());
        }
        assert_eq!((world.counters().revocations, elsewhere.hits().await), (0, 0));
    }

    /// Addresses that are not http or https are not opened in a browser.
    async fn other_schemes(wire: Wire) {
        let world = World::new().await;
        for url in ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "localhost", "//localhost/x", ""] {
            world.fault(Faults {
                server_metadata_members: members("authorization_endpoint", json!(url)),
                ..Faults::default()
            });
            world.refuses(wire, "insecure_endpoint").await;
            assert_eq!(world.prompts(), (0, 0), "{url}");
        }
    }

    /// Nothing is sent to an address that parsers could read as different hosts.
    async fn ambiguous_addresses(wire: Wire) {
        let elsewhere = Elsewhere::start().await;
        let origin = elsewhere.url.trim_end_matches("/collect").to_owned();
        let port = origin.rsplit(':').next().unwrap().to_owned();
        let world = World::new().await;
        for url in [
            format!("http://localhost\\@127.0.0.1.evil.example:{port}/token"),
            format!("http://evil.example\\@127.0.0.1:{port}/token"),
            format!("http://evil.example#@127.0.0.1:{port}/token"),
            format!("http://127.0.0.1:{port}\r\nX: y/token"),
            format!("http://127.0.0.1:{port}/\ttoken"),
            format!("http://127.0.0.1 :{port}/token"),
        ] {
            for endpoint in ["token_endpoint", "registration_endpoint"] {
                world.fault(Faults {
                    server_metadata_members: members(endpoint, json!(url)),
                    ..Faults::default()
                });
                let failure = world.try_connect(wire).await.err().expect(&url);
                let expected = ["insecure_endpoint", "metadata_invalid", "http"];
                assert!(expected.contains(&failure.code.as_str()), "{url}: {failure:?}");
                assert!(!failure.text.contains(char::is_control), "{failure:?}");
                assert_eq!(world.prompts(), (0, 0), "{url}");
            }
        }
        assert_eq!(elsewhere.hits().await, 0);
    }
}

tests! {
    /// Other spellings of a loopback address count as loopback, in the check and in the connection.
    async fn other_spellings_of_loopback() {
        let world = World::new().await;
        let port = Url::parse(world.issuer()).unwrap().port().unwrap();
        for host in ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.", "localhost", "LOCALHOST"] {
            world.session.sign_out().await.unwrap();
            world.reset();
            world.fault(Faults {
                server_metadata_members: members("token_endpoint", json!(format!("http://{host}:{port}/token"))),
                ..Faults::default()
            });
            let client = world.connect(Wire::Stateless).await;
            world.works(&client).await;
            assert_eq!(world.counters().token_code, 1, "{host}");
        }
    }

    /// A server's own address without https is rejected when the session is opened.
    async fn the_server_itself() {
        let world = World::with(Config::default()).await;
        for url in UNPROTECTED {
            let refused = world.cannot_open(url).await;
            assert_eq!(refused.code, "insecure_endpoint", "{url}");
        }
    }
}
