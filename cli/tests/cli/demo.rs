//! `mcp-reauth demo`

use serde_json::Value;

use crate::support::Program;

/// The number of steps.
const STEPS: usize = 18;

#[tokio::test]
async fn as_json_it_is_one_object_a_step_without_a_problem() {
    let ended = Program::new(["demo", "--json"]).run().await;
    let steps = ended.stdout.lines().map(serde_json::from_str);
    let steps: Result<Vec<Value>, _> = steps.collect();
    let steps = steps.unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
    assert_eq!(steps.len(), STEPS, "{ended:#?}");
    for (n, step) in steps.iter().enumerate() {
        assert_eq!(step["step"], n + 1, "{step:#}");
        assert_eq!(step["problem"], Value::Null, "{step:#}");
        for name in ["title", "happened"] {
            assert!(
                step[name].as_str().is_some_and(|text| !text.is_empty()),
                "{step:#}"
            );
        }
        for name in ["seconds", "requests", "questions", "pages"] {
            assert!(step[name].is_number(), "{step:#}");
        }
    }
    ended.succeeded();
}

#[tokio::test]
async fn for_people_it_is_a_table_without_colours_where_there_is_no_terminal() {
    let ended = Program::new(["demo"]).run().await.succeeded();
    assert!(
        ended.stdout.contains(&format!("All {STEPS} succeeded")),
        "{ended:#?}"
    );
    assert_eq!(ended.stdout.matches('✓').count(), STEPS, "{ended:#?}");
    assert!(!ended.stdout.contains('\u{1b}'), "{ended:#?}");
    assert_eq!(ended.stderr, "");
}

#[tokio::test]
async fn the_readme_shows_what_it_prints() {
    let readme = include_str!("../../../README.md");
    let ended = Program::new(["demo"]).run().await.succeeded();
    let printed = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains('✓'));
        lines.map(step_of).collect()
    };
    assert_eq!(printed(readme), printed(&ended.stdout));
    let explained = |text: &str| -> Vec<String> {
        let indented = |line: &&str| line.len() - line.trim_start().len() == 11;
        let lines = text.lines().filter(indented);
        lines.map(str::to_owned).collect()
    };
    assert_eq!(explained(readme), explained(&ended.stdout));
}

/// A line of the table without its time; for steps with parallel calls or another process also without numbers, because
/// timing decides whether a call sees the renewed token before it is sent.
fn step_of(line: &str) -> String {
    let (_, step) = line.split_once('✓').expect("a step");
    let mut words: Vec<_> = step.split_whitespace().collect();
    if words.contains(&"parallel") || words.contains(&"restarts") {
        words.retain(|word| word.parse::<u32>().is_err());
    }
    words.join(" ")
}
