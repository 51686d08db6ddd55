//! `docs/recovery.md`: the table, and diagrams of the machine, printed from the code. `UPDATE_DOCS=1` prints them
//! again.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use mcp_reauth::recovery::{
    Attempt, Current, Event, Facts, IssuerCheck, Means, Permissions, ProofDemand, RULES, Rejection,
    Renewal, Source, State, Step, Tried, Trigger,
};

const HEAD: &str = "# What happens when a request is rejected

This table is the decision function of `core/src/recovery/rules.rs`, printed from its code; a test fails when the two differ. It is read from the top, and
the first row that applies wins. The driver of a recovery carries out what the row says, reports what came of it to the state machine
(`core/src/recovery/state.rs`), and reads the table again, until a row ends the recovery.

| # | rejected with | when | what happens |
| --- | --- | --- | --- |
";

const ABOUT_DIAGRAMS: &str = "
The ways through it, printed from the same transitions: of one session whose user is there, with a refresh token, while no other session does anything.
Rounded boxes end the recovery. That every way ends, whatever happens meanwhile, is a test (`core/tests/recovery/walk.rs`).
";

fn alone(current: Current) -> Facts<()> {
    Facts {
        trigger: Trigger::Command,
        returns: true,
        deliberate: false,
        permissions: Permissions {
            max_step_ups: 1,
            interaction: true,
            can_authorize: true,
            confirm: false,
        },
        source: Source::Person { renewable: true },
        paused: None,
        anonymous: false,
        names_scopes: true,
        current,
        proof: ProofDemand::None,
    }
}

fn name(step: Step) -> String {
    let words = match step {
        Step::Retry | Step::RetryWithNonce => "send the request again",
        Step::PassThrough => "hand the response through",
        Step::Adopt => "adopt",
        Step::Renew(Means::ScopedRefresh, _) => "refresh, naming the scopes",
        Step::Renew(..) => "refresh",
        Step::CheckIssuer => "does the resource name another server?",
        Step::Defer => "for later",
        Step::ConfirmStepUp | Step::AskConsent => "ask the user",
        Step::Authorize(..) => "the user authorizes",
        Step::Fail(ending) => {
            let code = serde_json::to_value(ending).expect("a code");
            return format!("fail {}", code.as_str().expect("a text"));
        }
    };
    words.to_owned()
}

fn ends(step: Step) -> bool {
    outcomes(step).is_empty()
}

/// Returns the possible results of a step, in words, and whether each yields a credential.
fn outcomes(step: Step) -> Vec<(&'static str, Event<()>, bool)> {
    match step {
        Step::Renew(means, ask) => {
            let failed = |attempt| Tried::Failed(attempt, ());
            let ends = [
                ("renewed", Tried::Succeeded),
                ("unreachable", failed(Attempt::Unreachable)),
                ("rejected", failed(Attempt::Rejected)),
                ("another error", failed(Attempt::Refused)),
            ];
            let ends = ends.map(|(words, tried)| {
                let good = tried == Tried::Succeeded;
                let renewed = Event::Renewed {
                    means,
                    ask,
                    renewal: Renewal::Tried(tried),
                    is_offline: false,
                };
                (words, renewed, good)
            });
            ends.into()
        }
        Step::CheckIssuer => vec![
            ("no", Event::IssuerChecked(IssuerCheck::Same), false),
            ("yes", Event::IssuerChecked(IssuerCheck::Moved), false),
        ],
        Step::AskConsent => vec![
            ("yes", Event::Consented, false),
            ("no", Event::Declined, false),
        ],
        Step::Authorize(_, ask) => vec![("granted", Event::Authorized(ask), true)],
        _ => Vec::new(),
    }
}

/// Every path from a rejection, as arrows between steps, in the order in which they are met.
#[derive(Default)]
struct Diagram {
    nodes: BTreeMap<String, usize>,
    lines: Vec<String>,
    seen: HashSet<(State<()>, Current)>,
}

impl Diagram {
    fn of(rejection: Rejection, words: &str) -> String {
        let mut diagram = Self::default();
        let start = diagram.node(words, true);
        let mut state = State::new();
        state.begin(rejection, false, false);
        diagram.go(
            &start,
            "",
            state,
            Current {
                is_usable: true,
                ..Current::default()
            },
        );
        format!(
            "\n```mermaid\nflowchart TD\n{}```\n",
            diagram.lines.concat()
        )
    }

    fn node(&mut self, words: &str, is_end: bool) -> String {
        let next = self.nodes.len();
        let number = *self.nodes.entry(words.to_owned()).or_insert(next);
        let (open, close) = if is_end { ("([", "])") } else { ("[", "]") };
        format!("{number}{open}\"{words}\"{close}")
    }

    fn go(&mut self, from: &str, words: &str, state: State<()>, current: Current) {
        let step = state.next(&alone(current));
        let to = self.node(&name(step), ends(step) && step != Step::Retry);
        let arrow = match words {
            "" => format!("    {from} --> {to}\n"),
            words => format!("    {from} -- \"{words}\" --> {to}\n"),
        };
        if !self.lines.contains(&arrow) {
            self.lines.push(arrow);
        }
        if !self.seen.insert((state.clone(), current)) {
            return;
        }
        for (words, event, good) in outcomes(step) {
            let mut state = state.clone();
            state.record(event);
            let current = match good {
                true => Current {
                    is_other: true,
                    covers: true,
                    ..current
                },
                false => current,
            };
            self.go(&to, words, state, current);
        }
        if step == Step::Retry {
            let mut again = state;
            let rejection = again.rejection();
            again.record(Event::Retried);
            again.begin(rejection, true, false);
            let current = Current {
                is_other: false,
                ..current
            };
            self.go(&to, "rejected again", again, current);
        }
    }
}

#[test]
fn printed_page_is_current() {
    let mut page = String::from(HEAD);
    for rule in RULES {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            rule.id, rule.about, rule.when, rule.then
        );
    }
    page.push_str(ABOUT_DIAGRAMS);
    page.push_str(&Diagram::of(Rejection::Token, "401"));
    page.push_str(&Diagram::of(Rejection::Scope, "403 insufficient_scope"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/recovery.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).expect("docs/recovery.md is written");
    }
    let printed = fs::read_to_string(&path).expect("docs/recovery.md is there");
    assert!(
        printed == page,
        "docs/recovery.md is stale: run UPDATE_DOCS=1 cargo test -p mcp-reauth printed_page"
    );
}
