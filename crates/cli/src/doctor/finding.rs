//! Findings of checks, and their table.

use crate::terminal::{Cell, Tone, plain};

/// Urgency of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The checked part is as it should be.
    Ok,
    /// Something that some tenants need and others do not.
    Hint,
    /// The operator or its tenants do not work so.
    Failed,
}

/// Result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    level: Level,
    what: String,
    text: String,
}

impl Finding {
    /// A finding about `what`; `text` says what is wrong and what to do.
    pub fn new(level: Level, what: &str, text: &str) -> Self {
        Self {
            level,
            what: what.to_owned(),
            text: plain(text, 1000),
        }
    }

    /// True if the check failed.
    pub fn has_failed(&self) -> bool {
        self.level == Level::Failed
    }

    /// Level and text, for tests.
    #[cfg(test)]
    pub fn parts(&self) -> (Level, &str) {
        (self.level, &self.text)
    }
}

/// Lines of all findings: level and subject in columns, then the text, which is not cut.
pub fn table(findings: &[Finding], colours: bool) -> String {
    let row = |finding: &Finding| {
        let (name, tone) = match finding.level {
            Level::Ok => ("ok", Tone::Good),
            Level::Hint => ("hint", Tone::Passing),
            Level::Failed => ("failed", Tone::Bad),
        };
        vec![Cell::new(name).toned(tone), Cell::new(&finding.what)]
    };
    let rows: Vec<_> = findings.iter().map(row).collect();
    let head = crate::terminal::table(&["RESULT", "CHECK"], &rows, colours);
    let width = findings
        .iter()
        .map(|finding| finding.what.chars().count())
        .max();
    let width = width.unwrap_or(0).clamp(5, 80);
    let mut lines = head.lines();
    let mut text = lines
        .next()
        .map(|line| format!("{line}\n"))
        .unwrap_or_default();
    for (line, finding) in lines.zip(findings) {
        let gap = width.saturating_sub(finding.what.chars().count()) + 3;
        text.push_str(line);
        text.push_str(&" ".repeat(gap));
        text.push_str(&finding.text);
        text.push('\n');
    }
    text
}
