//! The shared vectors (`tests/vectors` at the root of the repository), as every language runs them.

use std::fs;
use std::path::Path;

use mcp_reauth::{
    AuthChallenge, CallbackParams, FailedCredential, Operation, ScopeSet, StoredCredential,
    is_from_issuer, is_satisfied, recovery, wording,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<I, E> {
    #[allow(dead_code)]
    about: String,
    vectors: Vec<Vector<I, E>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector<I, E> {
    name: String,
    #[allow(dead_code)]
    source: String,
    input: I,
    expect: E,
}

/// Runs every vector of a file and reports all that fail, not only the first.
fn run<I: DeserializeOwned, E: DeserializeOwned + PartialEq + std::fmt::Debug>(
    file: &str,
    at_least: usize,
    actual: impl Fn(I) -> E,
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/vectors")
        .join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file: File<I, E> = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
    assert!(
        file.vectors.len() >= at_least,
        "only {} vectors",
        file.vectors.len()
    );
    let failed: Vec<String> = file
        .vectors
        .into_iter()
        .filter_map(|vector| {
            let found = actual(vector.input);
            let (name, wanted) = (vector.name, vector.expect);
            (found != wanted).then(|| format!("{name}:\n  found  {found:?}\n  wanted {wanted:?}"))
        })
        .collect();
    assert!(
        failed.is_empty(),
        "{} vectors fail:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[derive(Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase", deny_unknown_fields)]
enum ChallengeInput {
    Response {
        status: u16,
        #[serde(default)]
        www_authenticate: Vec<String>,
    },
    ToolResult {
        tool_result: Value,
    },
}

#[test]
fn challenges() {
    run("challenges.json", 120, |input: ChallengeInput| {
        let challenge = match &input {
            ChallengeInput::Response {
                status,
                www_authenticate,
            } => {
                let lines = www_authenticate.iter().map(String::as_str);
                AuthChallenge::from_response(*status, lines)
            }
            ChallengeInput::ToolResult { tool_result } => {
                AuthChallenge::from_tool_result(tool_result)
            }
        };
        let mut found = serde_json::to_value(&challenge).expect("a challenge is JSON");
        // Its JSON form is also what other programs send.
        let read: Option<AuthChallenge> =
            serde_json::from_value(found.clone()).expect("read again");
        assert_eq!(read, challenge);
        if let Some(form) = found.as_object_mut() {
            let raw = form.remove("raw").expect("it tells what it was read from");
            if let ChallengeInput::Response { status, .. } = input {
                assert_eq!(raw["httpStatus"], status);
            }
        }
        found
    });
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", deny_unknown_fields)]
enum ScopeInput {
    Parse {
        value: String,
    },
    Union {
        sets: Vec<ScopeSet>,
    },
    Covers {
        granted: ScopeSet,
        required: ScopeSet,
    },
    StrictSuperset {
        a: ScopeSet,
        b: ScopeSet,
    },
    Difference {
        a: ScopeSet,
        b: ScopeSet,
    },
}

#[test]
fn scopes() {
    run("scopes.json", 40, |input| -> Value {
        let list = |set: ScopeSet| serde_json::to_value(set).expect("a list");
        match input {
            ScopeInput::Parse { value } => list(ScopeSet::parse(&value)),
            ScopeInput::Union { sets } => {
                list(sets.iter().fold(ScopeSet::new(), |all, set| all.union(set)))
            }
            ScopeInput::Covers { granted, required } => granted.covers(&required).into(),
            ScopeInput::StrictSuperset { a, b } => a.is_strict_superset(&b).into(),
            ScopeInput::Difference { a, b } => list(a.difference(&b)),
        }
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerInput {
    advertised: Option<bool>,
    recorded: String,
    query: String,
}

#[test]
fn issuer() {
    run("issuer.json", 25, |input: IssuerInput| {
        let params = CallbackParams::parse(&format!("?{}", input.query));
        let expected = input.advertised == Some(true);
        json!({ "accept": is_from_issuer(&params, &input.recorded, expected) })
    });
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SatisfiedInput {
    now: u64,
    stored: Option<StoredCredential>,
    challenge: AuthChallenge,
    failed_credential: FailedCredential,
}

#[test]
fn satisfied() {
    run("satisfied.json", 24, |input: SatisfiedInput| {
        let stored = input.stored.as_ref();
        is_satisfied(input.now, stored, &input.challenge, input.failed_credential)
    });
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    rule: String,
    step: recovery::Step,
}

#[test]
fn decisions() {
    run("decisions.json", 40, |situation: recovery::Situation| {
        let (rule, step) = recovery::decide(&situation);
        Decision {
            rule: rule.id.to_owned(),
            step,
        }
    });
}

#[derive(Deserialize)]
#[serde(
    tag = "sentence",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
#[serde(deny_unknown_fields)]
enum Sentence {
    StepUpTitle {
        challenge: AuthChallenge,
    },
    StepUpBody {
        server: String,
        challenge: AuthChallenge,
        new_scopes: ScopeSet,
    },
    OrganizationStepUpBody {
        server: String,
        challenge: AuthChallenge,
        new_scopes: ScopeSet,
    },
    InProgress {
        server: String,
    },
    Success {
        server: String,
        new_scopes: ScopeSet,
    },
    RetryHint {
        operation: Operation,
    },
    Cancelled {
        server: String,
    },
    NotGranted {
        server: String,
        new_scopes: ScopeSet,
    },
    SessionExpired {
        server: String,
    },
    ReauthenticationBanner {
        server: String,
        challenge: AuthChallenge,
    },
    LostAuthorizationState {},
    IssuerMismatch {},
    FailureDetail {
        detail: String,
    },
}

#[test]
fn wording_says_the_same_everywhere() {
    run("wording.json", 40, |sentence: Sentence| match sentence {
        Sentence::StepUpTitle { challenge } => wording::step_up_title(&challenge).to_owned(),
        Sentence::StepUpBody {
            server,
            challenge,
            new_scopes,
        } => wording::step_up_body(&server, &challenge, &new_scopes),
        Sentence::OrganizationStepUpBody {
            server,
            challenge,
            new_scopes,
        } => wording::organization_step_up_body(&server, &challenge, &new_scopes),
        Sentence::InProgress { server } => wording::in_progress(&server),
        Sentence::Success { server, new_scopes } => wording::success(&server, &new_scopes),
        Sentence::RetryHint { operation } => wording::retry_hint(&operation),
        Sentence::Cancelled { server } => wording::cancelled(&server),
        Sentence::NotGranted { server, new_scopes } => wording::not_granted(&server, &new_scopes),
        Sentence::SessionExpired { server } => wording::session_expired(&server),
        Sentence::ReauthenticationBanner { server, challenge } => {
            wording::reauthentication_banner(&server, &challenge)
        }
        Sentence::LostAuthorizationState {} => wording::lost_authorization_state().to_owned(),
        Sentence::IssuerMismatch {} => wording::issuer_mismatch().to_owned(),
        Sentence::FailureDetail { detail } => wording::failure_detail(&detail),
    });
}
