//! The table: what was measured, beside what, and whether the goal is met.

/// What a line's figure is.
#[derive(Clone, Copy)]
pub(crate) enum Figure {
    /// Ours over the other's.
    Ratio(f64),
    Milliseconds(f64),
    Megabytes(f64),
    Seconds(f64),
}

/// What the figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// One line.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) beside: String,
    pub(crate) figure: Figure,
    pub(crate) goal: Option<Goal>,
}

/// Everything that was measured, and what else is to be said.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) lines: Vec<Line>,
    pub(crate) notes: Vec<String>,
}

impl Figure {
    fn value(self) -> f64 {
        match self {
            Self::Ratio(value)
            | Self::Milliseconds(value)
            | Self::Megabytes(value)
            | Self::Seconds(value) => value,
        }
    }

    fn text(self, value: f64) -> String {
        let number = match value {
            value if value >= 100.0 => format!("{value:.0}"),
            value if value >= 10.0 => format!("{value:.1}"),
            value => format!("{value:.2}"),
        };
        match self {
            Self::Ratio(_) => format!("{number}×"),
            Self::Milliseconds(_) => format!("{number} ms"),
            Self::Megabytes(_) => format!("{number} MB"),
            Self::Seconds(_) => format!("{number} s"),
        }
    }
}

impl Line {
    fn cells(&self) -> [String; 6] {
        let value = self.figure.value();
        let (goal, met) = match self.goal {
            None => (String::new(), ""),
            Some(Goal::AtLeast(least)) => {
                (format!("≥ {}", self.figure.text(least)), if value >= least { "yes" } else { "no" })
            }
            Some(Goal::AtMost(most)) => {
                (format!("≤ {}", self.figure.text(most)), if value <= most { "yes" } else { "no" })
            }
        };
        let (what, ours, beside) = (self.what.clone(), self.ours.clone(), self.beside.clone());
        [what, ours, beside, self.figure.text(value), goal, met.to_owned()]
    }
}

const HEAD: [&str; 6] = ["what", "ours", "beside", "figure", "goal", "met"];

impl Table {
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let rows: Vec<[String; 6]> =
            std::iter::once(HEAD.map(str::to_owned)).chain(self.lines.iter().map(Line::cells)).collect();
        let mut widths = [0; 6];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut text = String::new();
        for row in &rows {
            let cells: Vec<String> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str(&format!("\n{note}"));
        }
        text.push('\n');
        text
    }

    /// For a document.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("| {} |\n|---|---|---|---|---|---|\n", HEAD.join(" | "));
        for line in &self.lines {
            text.push_str(&format!("| {} |\n", line.cells().join(" | ")));
        }
        for note in &self.notes {
            text.push_str(&format!("\n- {note}"));
        }
        text.push('\n');
        text
    }
}
