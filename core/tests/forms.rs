//! The JSON forms, in both directions: what is written equals `tests/vectors/forms.json`, is read as the same value,
//! and is valid by the JSON Schema beside it.
//!
//! `UPDATE_VECTORS=1 cargo test -p mcp-reauth --all-features --test forms` writes both files again.

mod every_error;

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use mcp_reauth::enterprise::IdpState;
use mcp_reauth::host::{AuthorizationRequest, StepUpRequest};
use mcp_reauth::wire::ErrorForm;
use mcp_reauth::{
    AuthChallenge, ConnectionState, Dpop, Error, ErrorCode, Event, OnInsufficientScope, Operation,
    Outcome, Policy, Revocation, ScopeSet, Settings,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use every_error::every_error;

const SERVER: &str = "https://mcp.example/mcp";
const ISSUER: &str = "https://login.example";

fn challenge() -> AuthChallenge {
    let header = r#"Bearer error="insufficient_scope", scope="a b", error_description="Why", acr_values="x y", max_age=5, resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp""#;
    let mut challenge = AuthChallenge::from_response(403, [header]).expect("a challenge");
    challenge.context = Operation {
        method: Some("tools/call".to_owned()),
        tool_name: Some("work".to_owned()),
        ..Operation::default()
    };
    challenge
}

fn scopes() -> ScopeSet {
    ScopeSet::parse("a b")
}

/// Asserts that written values are read as the same.
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + Debug>(values: &[T]) -> Value {
    for value in values {
        let written = serde_json::to_string(value).expect("it is written");
        let read: T = serde_json::from_str(&written).expect("it is read");
        assert_eq!(&read, value, "{written}");
    }
    json!(values)
}

fn events() -> Vec<Event> {
    let (issuer, scopes) = (ISSUER.to_owned(), scopes());
    vec![
        Event::Challenged {
            challenge: challenge(),
        },
        Event::Renewed {
            issuer: issuer.clone(),
            scopes: scopes.clone(),
        },
        Event::Adopted,
        Event::IdpSessionRenewed {
            issuer: issuer.clone(),
        },
        Event::RenewalFailed {
            issuer: issuer.clone(),
            code: ErrorCode::RefreshUnavailable,
            message: "It is closed.".to_owned(),
        },
        Event::ConsentAsked {
            new_scopes: scopes.clone(),
        },
        Event::AuthorizationStarted {
            issuer: issuer.clone(),
            scopes: scopes.clone(),
        },
        Event::Authorized { issuer, scopes },
        Event::InteractionRequired {
            challenge: AuthChallenge::unauthenticated(),
        },
        Event::SignedOut,
    ]
}

fn outcomes() -> Vec<Outcome> {
    let interactive = |url: Option<&str>, state: Option<&str>| Outcome::Interactive {
        authorization_url: url.map(str::to_owned),
        state: state.map(str::to_owned),
        challenge: challenge(),
    };
    vec![
        Outcome::Satisfied,
        Outcome::StepUpConfirm {
            challenge: challenge(),
        },
        interactive(Some("https://login.example/authorize?x=1"), Some("s")),
        interactive(None, None),
        Outcome::Failed {
            error: Error::Received(Box::new(ErrorForm::from(&Error::StateMismatch))),
        },
    ]
}

fn connection_states() -> Vec<ConnectionState> {
    let signed_out = ConnectionState {
        server: SERVER.to_owned(),
        authorized: false,
        signed_in: false,
        issuer: None,
        client_id: None,
        granted_scopes: ScopeSet::new(),
        requested_scopes: ScopeSet::new(),
        expires_at: None,
        bound_to_key: false,
        identity_provider: None,
        renewable: false,
        pending: 1,
    };
    let signed_in = ConnectionState {
        authorized: true,
        signed_in: true,
        issuer: Some(ISSUER.to_owned()),
        client_id: Some("client".to_owned()),
        granted_scopes: scopes(),
        requested_scopes: scopes(),
        expires_at: Some(1_800_000_000),
        identity_provider: Some("https://idp.example".to_owned()),
        ..signed_out.clone()
    };
    vec![signed_out, signed_in]
}

fn identity_provider_states() -> Vec<IdpState> {
    let signed_out = IdpState {
        issuer: ISSUER.to_owned(),
        authorized: false,
        signed_in: false,
        subject: None,
        expires_at: None,
        renewable: false,
        servers: Vec::new(),
    };
    let signed_in = IdpState {
        subject: Some("ada".to_owned()),
        expires_at: Some(1_800_000_000),
        servers: vec![SERVER.to_owned()],
        ..signed_out.clone()
    };
    vec![signed_out, signed_in]
}

fn requests() -> (StepUpRequest, AuthorizationRequest) {
    let step_up = StepUpRequest {
        server: SERVER.to_owned(),
        challenge: challenge(),
        new_scopes: ScopeSet::parse("b"),
        scopes: scopes(),
        identity_provider: None,
    };
    let authorization = AuthorizationRequest {
        url: "https://login.example/authorize?x=1".to_owned(),
        state: "s".to_owned(),
        redirect_uri: "http://127.0.0.1:6276/oauth/callback".to_owned(),
        server: SERVER.to_owned(),
        issuer: ISSUER.to_owned(),
        at_identity_provider: false,
        scopes: scopes(),
        challenge: challenge(),
    };
    (step_up, authorization)
}

fn settings() -> Vec<Settings> {
    let other = Settings {
        client_name: "My client".to_owned(),
        client_metadata_url: Some("https://client.example/metadata.json".to_owned()),
        redirect_uri: Some("https://app.example/oauth/callback".to_owned()),
        scopes: scopes(),
        profile: "work".to_owned(),
        policy: Policy {
            on_insufficient_scope: OnInsufficientScope::Throw,
            max_step_up_retries: 2,
            confirm_enterprise_step_up: true,
            interaction: false,
            refresh_ahead: Duration::from_millis(1500),
            interaction_timeout: Duration::from_secs(60),
        },
        dpop: Dpop::Always,
        send_resource: false,
        push_requests: true,
        consent_prompt: false,
        allow_endpoints: vec![ISSUER.to_owned()],
    };
    vec![Settings::default(), other]
}

fn forms() -> Value {
    let errors: Vec<ErrorForm> = every_error().iter().map(ErrorForm::from).collect();
    let revocations = [
        Revocation::Done,
        Revocation::Nothing,
        Revocation::NotOffered,
        Revocation::Failed,
    ];
    let challenges = [challenge(), AuthChallenge::unauthenticated()];
    let (step_up, authorization) = requests();
    let forms = [
        ("challenge", both_ways(&challenges)),
        ("event", both_ways(&events())),
        ("outcome", both_ways(&outcomes())),
        ("error", both_ways(&errors)),
        ("errorCode", both_ways(ErrorCode::ALL)),
        ("connectionState", both_ways(&connection_states())),
        (
            "identityProviderState",
            both_ways(&identity_provider_states()),
        ),
        ("revocation", both_ways(&revocations)),
        ("stepUpRequest", both_ways(&[step_up])),
        ("authorizationRequest", both_ways(&[authorization])),
        ("settings", both_ways(&settings())),
    ];
    let forms = forms.map(|(name, form)| (name.to_owned(), form));
    Value::Object(Map::from_iter(forms))
}

/// Compares a value with a file of the vectors, or writes the file.
fn is_on_record(name: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let path = path.join(name);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(value).expect("it is written");
        fs::write(&path, text + "\n").expect("it is written");
    }
    let text = fs::read_to_string(&path).expect("it is read");
    let known: Value = serde_json::from_str(&text).expect("it is JSON");
    // A diff of the new file shows best what has changed.
    assert!(
        value == &known,
        "{name}: run it with UPDATE_VECTORS=1, and look at what changed"
    );
}

#[test]
fn every_form_is_as_it_is_in_the_vectors_and_is_read_as_it_was_written() {
    let about = "Every JSON form of the library, each with what it may hold. Printed by core/tests/forms.rs.";
    is_on_record("forms.json", &json!({ "about": about, "forms": forms() }));
}

#[cfg(feature = "schema")]
#[test]
fn every_form_is_as_its_schema_says() {
    let schema = mcp_reauth::wire::schema();
    is_on_record("forms.schema.json", &schema);
    let validator = jsonschema::draft202012::new(&schema).expect("it is a schema");
    let forms = forms();
    let forms = forms.as_object().expect("an object");
    let described: Vec<_> = schema["properties"]
        .as_object()
        .expect("forms")
        .keys()
        .collect();
    let mut written: Vec<_> = forms.keys().collect();
    written.sort();
    assert_eq!(described, written);
    for (name, values) in forms {
        for value in values.as_array().expect("a list") {
            let form = json!({ name: value });
            let told = validator.validate(&form).map_err(|error| error.to_string());
            assert_eq!(told, Ok(()), "{name}: {value}");
            for (member, changed) in spoilt(value) {
                let form = json!({ name: changed });
                assert!(!validator.is_valid(&form), "{name} with a wrong {member}");
            }
        }
    }
}

/// Returns copies of a form, each with one member of a wrong type.
#[cfg(feature = "schema")]
fn spoilt(form: &Value) -> Vec<(String, Value)> {
    let members = form.as_object().into_iter().flat_map(Map::keys);
    let spoil = |member: &String| {
        let mut changed = form.clone();
        changed[member] = json!([[[]]]);
        (member.clone(), changed)
    };
    members.map(spoil).collect()
}

#[test]
fn error_that_was_told_elsewhere_tells_the_same_here() {
    for error in every_error() {
        let form = serde_json::to_string(&error).expect("it is written");
        let told: Error = serde_json::from_str(&form).expect("it is read");
        assert_eq!(told.code(), error.code());
        assert_eq!(told.to_string(), error.to_string());
        assert_eq!(told.server(), error.server());
        assert_eq!(told.issuer(), error.issuer());
        assert_eq!(told.url(), error.url());
        assert_eq!(told.scopes(), error.scopes());
        assert_eq!(told.detail(), error.detail());
        assert_eq!(told.challenge(), error.challenge());
        assert_eq!(told.retry_after(), error.retry_after());
        assert_eq!(told.authorization_url(), error.authorization_url());
        assert_eq!(told.is_transient(), error.is_transient());
        let sentence = mcp_reauth::wording::failure;
        assert_eq!(sentence(&told), sentence(&error));
    }
}

/// The guide's tables name every setting, in Rust's spelling.
#[test]
fn guide_has_every_setting() {
    let guide = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/guide.md");
    let guide = std::fs::read_to_string(guide).expect("it is read");
    let all = serde_json::to_value(&settings()[1]).expect("JSON");
    let mut names: Vec<_> = all.as_object().expect("members").keys().collect();
    names.extend(all["policy"].as_object().expect("members").keys());
    for name in names {
        let name = name.trim_end_matches("Ms");
        let words = name.chars().flat_map(|c| match c.is_uppercase() {
            true => vec!['_', c.to_ascii_lowercase()],
            false => vec![c],
        });
        let row = format!("\n| `{}` |", words.collect::<String>());
        assert!(guide.contains(&row), "no row {row:?}");
    }
}
