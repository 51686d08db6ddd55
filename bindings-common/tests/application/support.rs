//! A scripted application in Rust, whose HTTP client talks to simulated servers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use mcp_reauth_bindings::{Application, Bridge, Message, Session, UNANSWERED};
use serde_json::{Value, json};
use tokio::sync::Notify;

pub(crate) const SERVER: &str = "http://127.0.0.1:1/mcp";
pub(crate) const ISSUER: &str = "http://127.0.0.1:2";

/// How the application answers a call.
#[derive(Clone)]
pub(crate) enum Does {
    /// With this value and body.
    Answers(Value, Option<Vec<u8>>),
    /// With this text, valid or not.
    Says(String),
    /// Never.
    PendingCall,
    /// The application has exited.
    HasEnded,
    /// Panics, which no binding may do.
    Panics,
}

impl Does {
    pub(crate) fn value(value: Value) -> Self {
        Self::Answers(value, None)
    }

    /// Fails with the exception of this number.
    pub(crate) fn throws(message: &str, thrown: u32) -> Self {
        Self::Says(json!({ "error": { "message": message, "thrown": thrown } }).to_string())
    }
}

/// A call or notification that the application received.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) session: u32,
    pub(crate) call: u32,
    pub(crate) method: &'static str,
    pub(crate) input: Value,
    pub(crate) body: Option<Vec<u8>>,
}

/// The application. Clones share their state.
#[derive(Clone, Default)]
pub(crate) struct App(Arc<State>);

#[derive(Default)]
struct State {
    bridge: OnceLock<Bridge>,
    does: Mutex<HashMap<&'static str, Does>>,
    heard: Mutex<Vec<Heard>>,
    records: Mutex<HashMap<String, (u64, Vec<u8>)>>,
    versions: AtomicU64,
    told: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("it is whole")
}

impl App {
    pub(crate) fn new() -> (Self, Bridge) {
        let app = Self::default();
        let bridge = Bridge::new(app.clone());
        let _ = app.0.bridge.set(bridge.clone());
        (app, bridge)
    }

    /// Sets the answer to a method.
    pub(crate) fn does(&self, method: &'static str, does: Does) {
        lock(&self.0.does).insert(method, does);
    }

    /// Resets all methods to correct answers.
    pub(crate) fn behaves(&self) {
        lock(&self.0.does).clear();
    }

    /// All calls of a method so far.
    pub(crate) fn heard(&self, method: &str) -> Vec<Heard> {
        let heard = lock(&self.0.heard);
        heard
            .iter()
            .filter(|one| one.method == method)
            .cloned()
            .collect()
    }

    /// PendingCall for a call of a method.
    pub(crate) async fn hears(&self, method: &str) -> Heard {
        loop {
            let told = self.0.told.notified();
            if let Some(heard) = self.heard(method).pop() {
                return heard;
            }
            told.await;
        }
    }

    /// Opens a session with the application's host, store and HTTP client.
    pub(crate) async fn open(&self) -> Result<Session, String> {
        let (bridge, options) = (self.0.bridge.get().expect("it is set"), options());
        Session::open(options.to_string(), bridge, 7, None, None).await
    }

    pub(crate) async fn opened(&self) -> Session {
        self.open().await.unwrap_or_else(|why| panic!("{why}"))
    }

    /// Opens a session and signs in.
    pub(crate) async fn signed_in(&self) -> Session {
        let session = self.opened().await;
        let outcome = read(&session.sign_in(vec![], false, None).await);
        assert_eq!(outcome["ok"]["kind"], "satisfied", "{outcome}");
        session
    }

    fn usually(&self, heard: &Heard) -> Does {
        let input = &heard.input;
        match heard.method {
            "redirectUri" => Does::value(json!("http://127.0.0.1:3/callback")),
            "confirmStepUp" | "signInElsewhere" => Does::value(json!(true)),
            "authorize" => {
                let (state, iss) = (&input["state"], ISSUER);
                let state = state.as_str().unwrap_or_default();
                Does::value(json!({ "callback": format!("code=c&state={state}&iss={iss}") }))
            }
            "fetch" => fetched(input),
            "store.load" | "store.save" | "store.delete" => self.keeps(heard),
            "store.tryLease" => Does::value(json!("lease")),
            "store.renewLease" => Does::value(json!(true)),
            other => panic!("{other} is asked for"),
        }
    }

    fn keeps(&self, heard: &Heard) -> Does {
        let mut records = lock(&self.0.records);
        let key = heard.input["key"].to_string();
        let known = records.get(&key).cloned();
        let version = known.as_ref().map(|(version, _)| *version);
        if heard.method == "store.load" {
            return known.map_or(Does::value(Value::Null), |(version, data)| {
                Does::Answers(json!({ "version": version }), Some(data))
            });
        }
        let is_expected = json!(version) == heard.input["expected"];
        match &heard.body {
            Some(data) if is_expected => {
                let next = self.0.versions.fetch_add(1, Ordering::Relaxed) + 1;
                records.insert(key, (next, data.clone()));
                Does::value(json!(next))
            }
            Some(_) => Does::value(Value::Null),
            None if is_expected => {
                records.remove(&key);
                Does::value(json!(true))
            }
            None => Does::value(json!(false)),
        }
    }
}

impl Application for App {
    fn call(&self, message: Message) -> bool {
        let heard = Heard {
            session: message.session,
            call: message.call,
            method: message.method,
            input: serde_json::from_str(&message.input).expect("it is JSON"),
            body: message.body.map(|body| body.to_vec()),
        };
        let does = lock(&self.0.does).get(heard.method).cloned();
        lock(&self.0.heard).push(heard.clone());
        self.0.told.notify_waiters();
        if heard.call == UNANSWERED || heard.method == "cancel" {
            return true;
        }
        let (reply, body) = match does.unwrap_or_else(|| self.usually(&heard)) {
            Does::Answers(value, body) => (json!({ "ok": value }).to_string(), body),
            Does::Says(reply) => (reply, None),
            Does::PendingCall => return true,
            Does::HasEnded => return false,
            Does::Panics => panic!("a defect"),
        };
        let bridge = self.0.bridge.get().expect("it is set").clone();
        // On another task, as an application answers from its own thread.
        tokio::spawn(async move {
            let _ = bridge.settle(heard.call, reply, body);
        });
        true
    }
}

pub(crate) fn options() -> Value {
    json!({
        "serverUrl": SERVER,
        "settings": { "clientName": "Scripted" },
        "credentials": { "kind": "person" },
        "host": true,
        "store": { "place": "a scripted store" },
        "httpClient": true,
    })
}

pub(crate) fn read(answer: &str) -> Value {
    serde_json::from_str(answer).expect("an answer is JSON")
}

/// The error code in an answer.
pub(crate) fn code(answer: &str) -> String {
    let answer = read(answer);
    let error = match answer.get("error") {
        Some(error) => error,
        None => &answer["ok"]["error"],
    };
    error["code"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

/// The simulated network: an MCP server and its authorization server.
fn fetched(request: &Value) -> Does {
    let url = request["url"].as_str().unwrap_or_default();
    let metadata = format!("{SERVER}/metadata");
    let (status, headers, body) = match url.trim_start_matches(ISSUER) {
        SERVER => {
            let challenge = format!(r#"Bearer resource_metadata="{metadata}""#);
            (401, json!([["www-authenticate", challenge]]), json!({}))
        }
        url if url == metadata => {
            let body = json!({ "resource": SERVER, "authorization_servers": [ISSUER] });
            (200, json!([]), body)
        }
        "/.well-known/oauth-authorization-server" => (
            200,
            json!([]),
            json!({
                "issuer": ISSUER,
                "authorization_endpoint": format!("{ISSUER}/authorize"),
                "token_endpoint": format!("{ISSUER}/token"),
                "registration_endpoint": format!("{ISSUER}/register"),
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "authorization_response_iss_parameter_supported": true,
            }),
        ),
        "/register" => (
            201,
            json!([]),
            json!({
                "client_id": "scripted",
                "redirect_uris": ["http://127.0.0.1:3/callback"],
                "token_endpoint_auth_method": "none",
            }),
        ),
        "/token" => (
            200,
            json!([]),
            json!({
                "access_token": "the-access-token",
                "token_type": "Bearer",
                "expires_in": 3600,
                "refresh_token": "the-refresh-token",
            }),
        ),
        _ => (404, json!([]), json!({})),
    };
    let answered = json!({ "status": status, "headers": headers, "too_large": false });
    Does::Answers(answered, Some(body.to_string().into_bytes()))
}
