//! Text for terminals: escapes and cuts text of other origin, renders tables, and prints without a panic on a closed pipe.

use std::{
    env,
    fmt::Write as _,
    io::{self, IsTerminal, Write},
};

use anyhow::Context;

/// Characters of one cell of a table, beyond which text is cut.
const CELL: usize = 80;

/// Replaces what a terminal could take for a command (control characters, marks that turn the direction of text) by
/// escapes, and cuts the result after `most` characters.
pub fn plain(text: &str, most: usize) -> String {
    let mut written = String::new();
    for (at, character) in text.chars().enumerate() {
        if at >= most {
            written.push('…');
            break;
        }
        if acts(character) {
            let _ = write!(written, "{}", character.escape_default());
        } else {
            written.push(character);
        }
    }
    written
}

/// True for a character that does more on a terminal than being seen.
pub fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Writes to standard output; a reader that has gone (`| head`) ends the output without an error.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("writing to standard output"),
    }
}

/// Writes one line to standard error, escaped; nothing is done about an error there.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", plain(text, 4096));
}

/// True if standard output is a terminal that shows colours; `NO_COLOR` and `TERM=dumb` switch them off.
pub fn has_colours() -> bool {
    let off = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
    !off && !dumb && io::stdout().is_terminal()
}

/// Colour of a cell, shown on terminals only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Colour of the terminal itself.
    #[default]
    Usual,
    /// Green, for a desired state.
    Good,
    /// Yellow, for a state that passes.
    Passing,
    /// Red, for a state that somebody has to change.
    Bad,
}

/// Cell of a table: escaped text of bounded length, and its colour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Cell with text of any origin; an empty one shows a dash.
    pub fn new(text: &str) -> Self {
        let text = if text.is_empty() { "-" } else { text };
        Self {
            text: plain(text, CELL),
            tone: Tone::Usual,
        }
    }

    /// Gives the cell another colour.
    pub fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// Text of the cell, escaped and cut.
    #[cfg(test)]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Renders rows below a head; columns are as wide as their widest cell.
pub fn table(head: &[&str], rows: &[Vec<Cell>], colours: bool) -> String {
    let head: Vec<Cell> = head.iter().map(|text| Cell::new(text)).collect();
    let lines = || std::iter::once(&head).chain(rows);
    let width = |column: usize| {
        let cells = lines().filter_map(|row| row.get(column));
        cells.map(|cell| cell.text.chars().count()).max()
    };
    let widths: Vec<usize> = (0..head.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in lines() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let gap = width.saturating_sub(cell.text.chars().count()) + 3;
            line.push_str(&coloured(cell, colours));
            line.push_str(&" ".repeat(gap));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn coloured(cell: &Cell, colours: bool) -> String {
    let code = match cell.tone {
        Tone::Good => 32,
        Tone::Passing => 33,
        Tone::Bad => 31,
        Tone::Usual => return cell.text.clone(),
    };
    if !colours {
        return cell.text.clone();
    }
    format!("\x1b[{code}m{}\x1b[0m", cell.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_to_a_terminal_come_out_as_escapes() {
        let evil = "a\x1b]0;title\x07b\u{9b}31m\u{202e}c\nd";
        let text = plain(evil, 100);
        assert!(
            !text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\n']),
            "{text:?}"
        );
        assert!(text.starts_with("a\\u{1b}]0;title"), "{text}");
        assert!(text.ends_with("c\\nd"), "{text}");
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(plain("fünfzig", 3), "fün…");
        assert_eq!(Cell::new(&"x".repeat(1000)).text().chars().count(), 81);
    }

    #[test]
    fn a_table_lines_up_and_is_coloured_only_where_asked() {
        let rows = vec![
            vec![Cell::new("one"), Cell::new("Ready").toned(Tone::Good)],
            vec![Cell::new("another"), Cell::new("")],
        ];
        let text = table(&["NAME", "STATUS"], &rows, false);
        assert_eq!(text, "NAME      STATUS\none       Ready\nanother   -\n");
        assert!(table(&["NAME", "STATUS"], &rows, true).contains("\x1b[32mReady\x1b[0m"));
    }
}
