//! `docs/parity.md`: what each language runs and has. A name that one of them lacks fails the test.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use mcp_reauth::ErrorCode;
use serde_json::Value;

use crate::support::Program;

/// A language, and the files in which its tests and types name what they cover.
struct Language {
    name: &'static str,
    scenarios: &'static [&'static str],
    vectors: &'static [&'static str],
    errors: &'static str,
}

const LANGUAGES: [Language; 3] = [
    Language {
        name: "Rust",
        // The demo itself.
        scenarios: &["cli/src/demo/steps.rs", "cli/src/demo/enterprise.rs"],
        vectors: &["core/src/vectors/mod.rs", "core/tests/forms.rs"],
        errors: "core/src/error/code.rs",
    },
    Language {
        name: "Node",
        scenarios: &["bindings-node/test/scenarios.test.mts"],
        vectors: &[
            "bindings-node/test/vectors.test.mts",
            "bindings-node/test/forms.test.mts",
        ],
        errors: "bindings-node/lib/error.ts",
    },
    Language {
        name: "Python",
        scenarios: &["bindings-python/tests/test_scenarios.py"],
        vectors: &[
            "bindings-python/tests/test_vectors.py",
            "bindings-python/tests/test_forms.py",
        ],
        errors: "bindings-python/python/mcp_reauth/_errors.py",
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(files: &[&str]) -> String {
    let read = |file| {
        fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    files.iter().map(read).collect()
}

/// Whether a text of code has `name` as a string of its own, or as the name of a file.
fn names(text: &str, name: &str) -> bool {
    let quoted = ['"', '\'', '`'].map(|quote| format!("{quote}{name}{quote}"));
    quoted.iter().any(|quoted| text.contains(quoted)) || text.contains(&format!("{name}.json"))
}

/// A table of `rows`, by language, and what is lacking.
fn table(title: &str, rows: &[String], texts: &[String], lacking: &mut Vec<String>) -> String {
    let mut table = format!("| {title} |");
    for language in &LANGUAGES {
        write!(table, " {} |", language.name).expect("written");
    }
    table += &format!("\n| --- |{}\n", " --- |".repeat(LANGUAGES.len()));
    for row in rows {
        write!(table, "| {row} |").expect("written");
        for (language, text) in LANGUAGES.iter().zip(texts) {
            let has = names(text, row);
            if !has {
                lacking.push(format!("{} lacks \"{row}\"", language.name));
            }
            table += if has { " yes |" } else { " no |" };
        }
        table.push('\n');
    }
    table
}

async fn scenarios() -> Vec<String> {
    let ended = Program::new(["demo", "--json"]).run().await.succeeded();
    let title = |line: &str| {
        let step: Value = serde_json::from_str(line).expect("JSON");
        step["title"].as_str().expect("a title").to_owned()
    };
    ended.stdout.lines().map(title).collect()
}

fn vectors() -> Vec<String> {
    let files = fs::read_dir(root().join("tests/vectors")).expect("the vectors");
    let name = |file: fs::DirEntry| file.file_name().into_string().expect("a name");
    let files = files.map(|file| name(file.expect("a file")));
    let named = files.filter_map(|file| file.strip_suffix(".json").map(str::to_owned));
    let mut named: Vec<_> = named.filter(|name| !name.contains('.')).collect();
    named.sort();
    named
}

#[tokio::test]
async fn every_language_has_every_scenario_vector_and_error_code() {
    let codes: Vec<_> = ErrorCode::ALL.iter().map(ToString::to_string).collect();
    let by = |files: fn(&Language) -> String| LANGUAGES.iter().map(files).collect::<Vec<_>>();
    let mut lacking = Vec::new();
    let scenarios = table(
        "scenario (`mcp-reauth demo`)",
        &scenarios().await,
        &by(|language| text(language.scenarios)),
        &mut lacking,
    );
    let vectors = table(
        "vectors (`tests/vectors`)",
        &vectors(),
        &by(|language| text(language.vectors)),
        &mut lacking,
    );
    let errors = table(
        "error code",
        &codes,
        &by(|language| text(&[language.errors])),
        &mut lacking,
    );
    assert_eq!(lacking, [""; 0]);
    let page = format!(
        "# One behaviour in every language\n\nWhat the tests of each language run, with the same names and the same expectations. Printed by the tests\n(`cli/tests/cli/parity.rs`), which fail if a language lacks a name.\n\n{scenarios}\n{vectors}\n{errors}"
    );
    let file = root().join("docs/parity.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, &page).expect("written");
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == page, "docs/parity.md is not what the tests print");
}
