//! Which networks a server may lead a client to.
//!
//! An MCP server names its metadata and its authorization server, which names its endpoints. None of them may be in a
//! narrower network than the MCP server itself: a server on the internet cannot make a client send requests to what
//! only the client can reach, such as a router, an intranet or a cloud's instance metadata service.

use std::net::IpAddr;

use url::{Host, Url};

use super::network::Network;
use super::{HttpClient, HttpError, is_loopback};
use crate::error::Error;
use crate::text;

/// The addresses that a request may go to: an extension of every [`Request`](super::Request) that a session sends.
///
/// Names are resolved and checked before a request is sent. An [`HttpClient`] that resolves names itself checks the
/// address again when it connects, so that a name cannot change its address in between (DNS rebinding).
/// [`ReqwestClient`] does so.
///
/// [`ReqwestClient`]: super::ReqwestClient
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Egress {
    pub(crate) narrowest: Network,
}

impl Egress {
    /// Public addresses only.
    pub const PUBLIC: Self = Self {
        narrowest: Network::Public,
    };

    /// Any address.
    pub const ANYWHERE: Self = Self {
        narrowest: Network::Loopback,
    };

    /// Whether a connection to this address is allowed.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        Network::of(address) <= self.narrowest
    }
}

/// Limits the addresses that a server may lead to.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Where the chain starts: the MCP server, or the identity provider.
    start: String,
    /// Origins that are allowed in any network.
    allowed: Vec<String>,
}

impl Guard {
    pub(crate) fn new(start: &str, allowed: &[String]) -> Self {
        let origins = allowed
            .iter()
            .filter_map(|url| origin(&Url::parse(url).ok()?));
        Self {
            start: start.to_owned(),
            allowed: origins.collect(),
        }
    }

    /// Returns the same guard for a chain that starts at another server.
    pub(crate) fn starting_at(&self, server: &str) -> Self {
        Self {
            start: server.to_owned(),
            ..self.clone()
        }
    }

    /// Returns the addresses that a request to `url` may go to.
    ///
    /// # Errors
    /// [`HttpError::Blocked`] if there are none.
    pub(crate) async fn check(
        &self,
        url: &str,
        client: &dyn HttpClient,
    ) -> Result<Egress, HttpError> {
        let (Ok(start), Ok(target)) = (Url::parse(&self.start), Url::parse(url)) else {
            return Err(HttpError::Blocked);
        };
        let own = origin(&target);
        if own.as_ref().is_some_and(|own| self.allows(own)) {
            return Ok(Egress::ANYWHERE);
        }
        let reach = client.reach().narrowest;
        let narrowest = if own.is_some() && own == origin(&start) {
            reach
        // The starting server's name may resolve to loopback at any time; that does not make the server part of this
        // machine. Over https this is harmless: the certificate at that address is for another name.
        } else if target.scheme() == "http" && !is_loopback(&start) {
            return Err(HttpError::Blocked);
        } else {
            reach.min(network(&start, client).await)
        };
        let egress = Egress { narrowest };
        let permitted = egress.narrowest == Network::Loopback
            || match addresses(&target, client).await {
                Some(found) => found.iter().any(|address| egress.permits(*address)),
                // It is resolved when the client connects.
                None => true,
            };
        permitted.then_some(egress).ok_or(HttpError::Blocked)
    }

    fn allows(&self, origin: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == origin)
    }
}

/// Checks that an endpoint to be allowed is an origin.
pub(crate) fn check_allowed(endpoint: &str) -> Result<(), Error> {
    let url = Url::parse(endpoint).ok();
    let bare = url.filter(|url| {
        let rest = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        rest && origin(url).is_some() && !super::has_userinfo(endpoint)
    });
    bare.map(drop).ok_or_else(|| {
        Error::config(format!(
            "the allowed endpoint {:?} is not an origin; write it as https://host or https://host:port",
            text::without_password(endpoint)
        ))
    })
}

fn origin(url: &Url) -> Option<String> {
    let origin = url.origin();
    let web = matches!(url.scheme(), "http" | "https");
    (web && origin.is_tuple()).then(|| origin.ascii_serialization())
}

/// Returns the network of a chain's start. Of several addresses the widest counts; an unknown address counts as public.
async fn network(start: &Url, client: &dyn HttpClient) -> Network {
    let found = addresses(start, client).await.unwrap_or_default();
    let networks = found.into_iter().map(Network::of);
    networks.min().unwrap_or(Network::Public)
}

/// Returns the addresses of a URL's host; `None` if they are not known here.
async fn addresses(url: &Url, client: &dyn HttpClient) -> Option<Vec<IpAddr>> {
    match url.host()? {
        Host::Ipv4(address) => Some(vec![address.into()]),
        Host::Ipv6(address) => Some(vec![address.into()]),
        // Loopback, whatever a lookup says (RFC 6761 section 6.3).
        Host::Domain(name) if is_localhost(name) => Some(vec![IpAddr::from([127, 0, 0, 1])]),
        Host::Domain(name) => client.resolve(name).await,
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use crate::threads::BoxFuture;
    use futures_util::FutureExt;
    use futures_util::future::ready;

    use super::*;
    use crate::http::{Request, Response};

    /// Resolves names from a table, and sends nothing.
    struct Names(Egress);

    impl HttpClient for Names {
        fn send(&self, _: Request, _: usize) -> BoxFuture<'static, Result<Response, HttpError>> {
            Box::pin(ready(Err(HttpError::broken("no network"))))
        }

        fn reach(&self) -> Egress {
            self.0
        }

        fn resolve(&self, host: &str) -> BoxFuture<'static, Option<Vec<IpAddr>>> {
            let addresses = match host {
                "public.example" => "203.0.113.1",
                "other.example" => "203.0.113.2",
                "corp.example" => "10.0.0.1",
                "router.example" => "192.168.0.1",
                "both.example" => "203.0.113.3 10.0.0.3",
                "cloud.example" => "169.254.169.254",
                "here.example" => "127.0.0.1",
                _ => return Box::pin(ready(None)),
            };
            let addresses = addresses.split(' ').map(|address| address.parse().ok());
            Box::pin(ready(addresses.collect()))
        }
    }

    fn leads(start: &str, allowed: &[String], url: &str) -> Result<Egress, HttpError> {
        reaches(Egress::ANYWHERE, start, allowed, url)
    }

    fn reaches(
        reach: Egress,
        start: &str,
        allowed: &[String],
        url: &str,
    ) -> Result<Egress, HttpError> {
        let guard = Guard::new(start, allowed);
        let checked = guard.check(url, &Names(reach)).now_or_never();
        checked.expect("nothing to wait for")
    }

    #[test]
    fn nothing_leads_to_a_narrower_network() {
        let public = "https://other.example https://both.example https://unknown.example https://203.0.113.9";
        let private = "https://corp.example https://router.example:8443 https://10.9.9.9 https://192.168.1.1 \
                       https://[fd00::1] https://[::ffff:10.0.0.1] https://0xa000001 https://012.1 https://167772161";
        let link =
            "https://cloud.example https://169.254.169.254 https://[fe80::1] https://0xa9fea9fe";
        let here = "https://here.example https://127.0.0.1 https://localhost https://LOCALHOST. https://a.localhost \
                    https://0.0.0.0 https://[::1] https://[::] https://127.1 https://2130706433 https://0177.1";
        let in_clear = "http://127.0.0.1:8080 http://localhost http://[::1]:1";
        for (starts, permitted, blocked) in [
            (
                "https://public.example/mcp https://both.example/mcp https://unknown.example/mcp https://203.0.113.1/",
                vec![public],
                vec![private, link, here, in_clear],
            ),
            (
                "https://corp.example/mcp https://10.0.0.1/mcp https://[fd00::1]/mcp",
                vec![public, private],
                vec![link, here, in_clear],
            ),
            (
                "https://cloud.example/mcp https://169.254.1.1/mcp",
                vec![public, private, link],
                vec![here, in_clear],
            ),
            (
                "https://here.example/mcp",
                vec![public, private, link, here],
                vec![in_clear],
            ),
            (
                "http://localhost:3000/mcp http://127.0.0.1:3000/mcp https://localhost/mcp http://[::1]/mcp",
                vec![public, private, link, here, in_clear],
                vec![],
            ),
        ] {
            for start in starts.split_whitespace() {
                for urls in &permitted {
                    for url in urls.split_whitespace() {
                        // A server is in its own network, wherever that is.
                        assert!(leads(start, &[], url).is_ok(), "{start} {url}");
                    }
                }
                for url in blocked.iter().flat_map(|urls| urls.split_whitespace()) {
                    let own = origin(&Url::parse(start).expect("a URL"));
                    if own == origin(&Url::parse(url).expect("a URL")) {
                        continue;
                    }
                    assert_eq!(
                        leads(start, &[], url),
                        Err(HttpError::Blocked),
                        "{start} {url}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_connects_is_told_the_limit() {
        let limit = |start, url| leads(start, &[], url).map(|egress| egress.narrowest);
        let start = "https://public.example/mcp";
        // One permitted address is enough; no other is connected to.
        let both = leads(start, &[], "https://both.example/").expect("permitted");
        assert!(both.permits(IpAddr::from([203, 0, 113, 3])));
        assert!(!both.permits(IpAddr::from([10, 0, 0, 3])));
        assert_eq!(
            limit(start, "https://unknown.example/"),
            Ok(Network::Public)
        );
        assert_eq!(
            limit("https://corp.example", "https://router.example"),
            Ok(Network::Private)
        );
        // Its own origin may have any address: the user named it.
        assert_eq!(
            limit(start, "https://public.example:443/token"),
            Ok(Network::Loopback)
        );
    }

    #[test]
    fn a_client_of_public_addresses_alone_goes_nowhere_else() {
        let allowed = ["https://corp.example".to_owned()];
        let public = |start, url| reaches(Egress::PUBLIC, start, &allowed, url);
        for start in [
            "https://public.example/mcp",
            "https://router.example/mcp",
            "http://127.0.0.1/mcp",
        ] {
            for url in [
                "https://other.example/",
                "https://both.example/",
                "https://unknown.example/",
            ] {
                assert_eq!(public(start, url), Ok(Egress::PUBLIC), "{start} {url}");
            }
            for url in [
                "https://router.example/",
                "https://10.0.0.9/",
                "https://localhost/",
                "http://127.0.0.1/",
            ] {
                assert_eq!(public(start, url), Err(HttpError::Blocked), "{start} {url}");
            }
            // An origin that is allowed by name may be in any network.
            assert_eq!(public(start, "https://corp.example/"), Ok(Egress::ANYWHERE));
        }
    }

    #[test]
    fn origins_that_are_allowed_are_so_exactly() {
        let allowed = [
            "https://corp.example/".to_owned(),
            "http://localhost:9000".to_owned(),
        ];
        let leads = |url| leads("https://public.example/mcp", &allowed, url);
        for url in [
            "https://corp.example/token",
            "https://CORP.example:443/",
            "http://localhost:9000/a?b",
        ] {
            assert_eq!(leads(url), Ok(Egress::ANYWHERE), "{url}");
        }
        for url in [
            "https://corp.example:8443/",
            "https://router.example/",
            "https://corp.example.:443/",
            "http://localhost:9001/",
            "https://localhost:9000/",
            "http://127.0.0.1:9000/",
        ] {
            assert!(leads(url) != Ok(Egress::ANYWHERE), "{url}");
        }
    }

    #[test]
    fn only_origins_can_be_allowed() {
        for origin in [
            "https://a.example",
            "https://a.example:8443/",
            "http://localhost:1",
            "https://[fd00::1]",
        ] {
            assert_eq!(check_allowed(origin), Ok(()), "{origin}");
        }
        for other in [
            "",
            "a.example",
            "*.example",
            "https://",
            "ftp://a.example",
            "https://a.example/path",
            "https://a.example?q",
            "https://a.example/#f",
            "https://user:secret@a.example",
            "10.0.0.0/8",
            "mailto:a@b.example",
        ] {
            let error = check_allowed(other).expect_err(other);
            assert_eq!(error.code(), "config", "{other}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
