//! The table of results.

/// The measurements so far.
pub(crate) struct Report {
    /// Whether figures are compared with their aims; those of a trial are not.
    judged: bool,
    rows: Vec<Row>,
}

struct Row {
    what: String,
    measured: String,
    aim: String,
    verdict: &'static str,
}

impl Report {
    pub(crate) fn new(judged: bool) -> Self {
        Self {
            judged,
            rows: Vec::new(),
        }
    }

    /// Adds a figure that must be at most `aim`. `measured` is the text for the table.
    pub(crate) fn aimed(
        &mut self,
        what: &str,
        figure: f64,
        aim: f64,
        unit: &str,
        measured: impl Into<String>,
    ) {
        let verdict = match (self.judged, figure <= aim) {
            (false, _) => "",
            (true, true) => "met",
            (true, false) => "MISSED",
        };
        self.add(what, measured.into(), format!("{aim}{unit}"), verdict);
    }

    /// Adds a figure without an aim.
    pub(crate) fn noted(&mut self, what: &str, measured: impl Into<String>) {
        self.add(what, measured.into(), String::new(), "");
    }

    fn add(&mut self, what: &str, measured: String, aim: String, verdict: &'static str) {
        println!("  {what}: {measured}");
        self.rows.push(Row {
            what: what.to_owned(),
            measured,
            aim,
            verdict,
        });
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        let width = |text: fn(&Row) -> &str, title: &str| {
            let widths = self.rows.iter().map(|row| text(row).chars().count());
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
        for row in &self.rows {
            let line = format!(
                "{:what$}  {:measured$}  {:aim$}  {}",
                row.what, row.measured, row.aim, row.verdict
            );
            println!("{}", line.trim_end());
        }
    }
}
