//! The table at the end.

/// What was measured so far.
#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

struct Row {
    what: String,
    measured: String,
    aim: String,
    verdict: &'static str,
}

impl Report {
    /// Adds a figure that has to be at most `aim`. `measured` says it in words.
    pub(crate) fn aimed(
        &mut self,
        what: &str,
        figure: f64,
        aim: f64,
        unit: &str,
        measured: impl Into<String>,
    ) {
        let verdict = if figure <= aim { "met" } else { "MISSED" };
        self.add(what, measured.into(), format!("{aim}{unit}"), verdict);
    }

    /// Adds a figure that is good to know.
    pub(crate) fn noted(&mut self, what: &str, measured: impl Into<String>) {
        self.add(what, measured.into(), String::new(), "");
    }

    fn add(&mut self, what: &str, measured: String, aim: String, verdict: &'static str) {
        println!("  {what}: {measured}");
        self.0.push(Row {
            what: what.to_owned(),
            measured,
            aim,
            verdict,
        });
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        let width = |text: fn(&Row) -> &str, title: &str| {
            let widths = self.0.iter().map(|row| text(row).chars().count());
            widths.max().unwrap_or(0).max(title.len())
        };
        let what = width(|row| &row.what, "what");
        let measured = width(|row| &row.measured, "measured");
        let aim = width(|row| &row.aim, "at most");
        println!(
            "\n{:what$}  {:measured$}  {:aim$}  verdict",
            "what", "measured", "at most"
        );
        println!("{}", "-".repeat(what + measured + aim + 13));
        for row in &self.0 {
            let line = format!(
                "{:what$}  {:measured$}  {:aim$}  {}",
                row.what, row.measured, row.aim, row.verdict
            );
            println!("{}", line.trim_end());
        }
    }
}
