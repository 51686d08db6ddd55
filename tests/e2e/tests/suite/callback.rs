//! Attacks on the loopback listener during a sign-in.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mcp_reauth::host::AuthorizationRequest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use crate::support::{Wire, World, browser, tests};

/// Text that must never be echoed.
const MARK: &str = "<script>alert('mark')</script>";
const ENCODED: &str = "%3Cscript%3Ealert%28%27mark%27%29%3C%2Fscript%3E";

/// The listener's address and the pending sign-in.
struct Target {
    address: String,
    path: String,
    state: String,
}

impl Target {
    fn of(request: &AuthorizationRequest) -> Self {
        let url = Url::parse(&request.redirect_uri).unwrap();
        Self {
            address: format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()),
            path: url.path().to_owned(),
            state: request.state.clone(),
        }
    }

    /// Sends a raw request, and returns the whole response.
    async fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        // The listener may close before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            !answer.contains(MARK) && !answer.contains(ENCODED),
            "{answer}"
        );
        assert!(!answer.contains(&self.state), "{answer}");
        answer
    }

    async fn request(&self, method: &str, path: &str, host: &str) -> String {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        self.send(&head).await
    }

    /// A callback as the authorization server sends it, but with another code.
    fn forged(&self) -> String {
        format!("{}?code={ENCODED}&state={}", self.path, self.state)
    }
}

fn says(answer: &str, status: u16) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    assert!(
        answer.contains("no-store") && answer.contains("default-src 'none'"),
        "{answer}"
    );
    assert!(
        answer
            .to_ascii_lowercase()
            .contains("referrer-policy: no-referrer"),
        "{answer}"
    );
}

/// Signs in while `attack` runs before the real callback arrives; returns the duration.
async fn survives<F>(attack: impl Fn(Target) -> F + Send + Sync + 'static) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let world = World::new().await;
    let attack = Arc::new(attack);
    world.user.browses(move |request| {
        let attack = Arc::clone(&attack);
        async move {
            attack(Target::of(&request)).await;
            assert_eq!(browser::look_at(&request.url).await, 200);
        }
    });
    let start = Instant::now();
    let client = world.connect(Wire::Stateless).await;
    let took = start.elapsed();
    world.works(&client).await;
    let counters = world.counters();
    assert_eq!((counters.token_code, counters.token_failures), (1, 0));
    assert_eq!(world.prompts(), (0, 1));
    took
}

tests! {
    /// Another program's address, and names that an attacker points to this machine.
    async fn wrong_hosts() {
        survives(|target| async move {
            let port = target.address.split(':').next_back().unwrap().to_owned();
            for host in [
                format!("attacker.example:{port}"),
                format!("127.0.0.1.attacker.example:{port}"),
                format!("localhost:{port}"),
                format!("[::1]:{port}"),
                format!("127.0.0.1:{port}.attacker.example"),
                format!("user@127.0.0.1:{port}"),
                "127.0.0.1".to_owned(),
                "127.0.0.1:1".to_owned(),
                "attacker.example".to_owned(),
                String::new(),
            ] {
                says(&target.request("GET", &target.forged(), &host).await, 421);
            }
            let no_host = format!("GET {} HTTP/1.1\r\nConnection: close\r\n\r\n", target.forged());
            says(&target.send(&no_host).await, 421);
        })
        .await;
    }

    /// All methods except GET.
    async fn wrong_methods() {
        survives(|target| async move {
            for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "ANYTHING"] {
                let answer = target.request(method, &target.forged(), &target.address).await;
                says(&answer, 405);
                assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
            }
            let head = target.request("HEAD", &target.forged(), &target.address).await;
            assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
        })
        .await;
    }

    /// All other paths.
    async fn wrong_paths() {
        survives(|target| async move {
            let query = target.forged().split_once('?').unwrap().1.to_owned();
            for path in ["/", "/favicon.ico", "/oauth/callback/", "/oauth", "/OAUTH/CALLBACK", "//oauth/callback"] {
                let answer = target.request("GET", &format!("{path}?{query}"), &target.address).await;
                says(&answer, 404);
            }
        })
        .await;
    }

    /// Another page sends a request with an invented state, with none, or with several.
    async fn wrong_states() {
        survives(|target| async move {
            let path = &target.path;
            let state = &target.state;
            for query in [
                String::new(),
                format!("code={ENCODED}"),
                format!("code={ENCODED}&state={ENCODED}"),
                format!("code={ENCODED}&state="),
                format!("code={ENCODED}&state={}", &state[..state.len() - 1]),
                format!("code={ENCODED}&state={state}x"),
                format!("code={ENCODED}&state={state}&state={state}"),
                format!("error=access_denied&error_description={ENCODED}"),
                format!("code={ENCODED}#state={state}"),
                format!("code={ENCODED}&STATE={state}"),
            ] {
                let answer = target.request("GET", &format!("{path}?{query}"), &target.address).await;
                assert!(answer.starts_with("HTTP/1.1 400 "), "{query}: {answer}");
            }
        })
        .await;
    }

    /// A callback of an earlier sign-in is replayed.
    async fn a_replayed_state() {
        let world = World::new().await;
        let earlier: Arc<Mutex<Option<String>>> = Arc::default();
        world.user.browses(move |request| {
            let earlier = Arc::clone(&earlier);
            async move {
                let replayed = earlier.lock().unwrap().clone();
                if let Some(replayed) = replayed {
                    assert_eq!(browser::look_at(&replayed).await, 400);
                }
                let callback = browser::callback_of(&request.url).await;
                assert_eq!(browser::look_at(&callback).await, 200);
                *earlier.lock().unwrap() = Some(callback);
            }
        });
        let client = world.connect(Wire::Stateless).await;
        client.succeeds("write_note").await;
        client.succeeds("delete_note").await;
        assert_eq!(world.prompts(), (2, 3));
        assert_eq!(world.counters().token_failures, 0);
    }

    /// Long and binary requests, and other protocols.
    async fn garbage() {
        survives(|target| async move {
            let long = "a".repeat(200_000);
            for garbage in [
                "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(),
                "NOT HTTP\r\n\r\n".to_owned(),
                format!("{long}\r\n\r\n"),
                format!("GET {}?{long} HTTP/1.1\r\nHost: {}\r\n\r\n", target.path, target.address),
                format!("GET / HTTP/1.1\r\nHost: {}\r\nX: {long}{long}{long}\r\n\r\n", target.address),
                format!("GET / HTTP/9.9\r\nHost: {}\r\n\r\n", target.address),
            ] {
                let answer = target.send(&garbage).await;
                assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
        })
        .await;
    }

    /// A connection that sends nothing, as browsers preopen, does not delay the sign-in.
    async fn a_silent_connection() {
        let open = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&open);
        let took = survives(move |target| {
            let kept = Arc::clone(&kept);
            async move {
                let silent = TcpStream::connect(&target.address).await.unwrap();
                let mut half = TcpStream::connect(&target.address).await.unwrap();
                half.write_all(b"GET /oauth/cal").await.unwrap();
                kept.lock().unwrap().extend([silent, half]);
            }
        })
        .await;
        assert_eq!(open.lock().unwrap().len(), 2);
        assert!(took < Duration::from_secs(5), "the sign-in took {took:?}");
    }

    /// More of them than are served at once: they are closed in time (ten seconds of real time).
    async fn many_silent_connections() {
        let open = Arc::new(Mutex::new(Vec::new()));
        survives(move |target| {
            let open = Arc::clone(&open);
            async move {
                for _ in 0..33 {
                    let silent = TcpStream::connect(&target.address).await.unwrap();
                    open.lock().unwrap().push(silent);
                }
            }
        })
        .await;
    }
}
