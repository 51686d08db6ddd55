//! Runs the shared vectors (`tests/vectors` at the root of the repository). Every language runs the same files: with
//! its own API if that covers what a vector is about, otherwise with this module.

mod signed;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::callback::CallbackParams;
use crate::challenge::AuthChallenge;
use crate::oauth::authorization::is_from_issuer;
use crate::recovery;
use crate::scope::ScopeSet;
use crate::session::{FailedCredential, StoredCredential, is_satisfied};
use crate::wording::Sentence;

/// Returns the result of a vector of `file` (its name without `.json`) with this `input`, to be compared with its
/// `expect`.
///
/// # Panics
/// If there is no such file, or the input does not have the form that `tests/vectors/README.md` describes; also if a
/// vector that checks a signature finds it wrong.
#[must_use]
pub fn answer(file: &str, input: &Value) -> Value {
    match file {
        "challenges" => challenge(read(input)),
        "scopes" => scope(read(input)),
        "issuer" => issuer(&read(input)),
        "satisfied" => satisfied(&read(input)),
        "decisions" => decision(&read(input)),
        "wording" => read::<Sentence>(input).say().into(),
        "id_tokens" => signed::id_token(read(input)),
        "dpop" => signed::proof(read(input)),
        "assertions" => signed::assertion(read(input)),
        other => panic!("there is no file {other}.json here"),
    }
}

fn read<I: DeserializeOwned>(input: &Value) -> I {
    I::deserialize(input).unwrap_or_else(|error| panic!("{error}: {input}"))
}

#[derive(Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase", deny_unknown_fields)]
enum Challenge {
    Response {
        status: u16,
        #[serde(default)]
        www_authenticate: Vec<String>,
    },
    ToolResult {
        tool_result: Value,
    },
}

fn challenge(input: Challenge) -> Value {
    let challenge = match &input {
        Challenge::Response {
            status,
            www_authenticate,
        } => {
            let lines = www_authenticate.iter().map(String::as_str);
            AuthChallenge::from_response(*status, lines)
        }
        Challenge::ToolResult { tool_result } => AuthChallenge::from_tool_result(tool_result),
    };
    let mut found = json!(challenge);
    // Other programs send the same JSON form.
    let again: Option<AuthChallenge> = read(&found);
    assert_eq!(again, challenge);
    if let Some(form) = found.as_object_mut() {
        let raw = form.remove("raw").expect("it tells what it was read from");
        if let Challenge::Response { status, .. } = input {
            assert_eq!(raw["httpStatus"], status);
        }
    }
    found
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", deny_unknown_fields)]
enum Scope {
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

fn scope(input: Scope) -> Value {
    match input {
        Scope::Parse { value } => json!(ScopeSet::parse(&value)),
        Scope::Union { sets } => {
            json!(sets.iter().fold(ScopeSet::new(), |all, set| all.union(set)))
        }
        Scope::Covers { granted, required } => granted.covers(&required).into(),
        Scope::StrictSuperset { a, b } => a.is_strict_superset(&b).into(),
        Scope::Difference { a, b } => json!(a.difference(&b)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issuer {
    advertised: Option<bool>,
    recorded: String,
    query: String,
}

fn issuer(input: &Issuer) -> Value {
    let params = CallbackParams::parse(&format!("?{}", input.query));
    let expected = input.advertised == Some(true);
    json!({ "accept": is_from_issuer(&params, &input.recorded, expected) })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Satisfied {
    now: u64,
    stored: Option<StoredCredential>,
    challenge: AuthChallenge,
    failed_credential: FailedCredential,
}

fn satisfied(input: &Satisfied) -> Value {
    let stored = input.stored.as_ref();
    is_satisfied(input.now, stored, &input.challenge, input.failed_credential).into()
}

fn decision(situation: &recovery::Situation) -> Value {
    let (rule, step) = recovery::decide(situation);
    json!({ "rule": rule.id, "step": step })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[allow(dead_code)]
        about: String,
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vector {
        name: String,
        #[allow(dead_code)]
        source: String,
        input: Value,
        expect: Value,
    }

    /// Runs every vector of a file and reports all failures, not only the first.
    fn run(file: &str, at_least: usize) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
        let text = fs::read_to_string(folder.join(format!("{file}.json"))).expect("it is there");
        let File { vectors, .. } = serde_json::from_str(&text).expect("a file of vectors");
        assert!(vectors.len() >= at_least, "only {} vectors", vectors.len());
        let failed: Vec<String> = vectors
            .into_iter()
            .filter_map(|vector| {
                let found = answer(file, &vector.input);
                let (name, wanted) = (vector.name, vector.expect);
                (found != wanted).then(|| format!("{name}:\n  found  {found}\n  wanted {wanted}"))
            })
            .collect();
        assert!(
            failed.is_empty(),
            "{} vectors fail:\n{}",
            failed.len(),
            failed.join("\n")
        );
    }

    #[test]
    fn challenges() {
        run("challenges", 300);
    }

    #[test]
    fn scopes() {
        run("scopes", 60);
    }

    #[test]
    fn issuer() {
        run("issuer", 60);
    }

    #[test]
    fn satisfied() {
        run("satisfied", 50);
    }

    #[test]
    fn decisions() {
        run("decisions", 60);
    }

    #[test]
    fn wording_says_the_same_everywhere() {
        run("wording", 40);
    }

    #[test]
    fn id_tokens() {
        run("id_tokens", 200);
    }

    #[test]
    fn proofs() {
        run("dpop", 40);
    }

    #[test]
    fn assertions() {
        run("assertions", 80);
    }
}
