//! Fenced blocks of the pages that the table of contents lists, and the words in them that stand for names.

use std::{fmt, fs, path::Path};

use anyhow::{Context, Result};

use crate::layout::checkout;

/// Folder of the pages, below the checkout.
const DOCS: &str = "docs";

/// Text between two fences of a page, with its place and its mark.
#[derive(Debug, Clone)]
pub struct Block {
    /// Path of the page below the checkout.
    pub page: String,
    /// Line of the opening fence, from 1 on.
    line: usize,
    /// Language and mark, for example `sh run=pages`.
    info: String,
    /// Text between the fences.
    pub body: String,
}

impl Block {
    /// True for manifests of whole objects.
    pub fn is_manifest(&self) -> bool {
        self.info == "yaml"
    }

    /// True for commands that the test `name` runs.
    pub fn is_run_by(&self, name: &str) -> bool {
        self.info.strip_prefix("sh run=") == Some(name)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.page, self.line)
    }
}

/// Every block, in the order of the table of contents.
pub fn blocks() -> Result<Vec<Block>> {
    let summary = read(&Path::new(DOCS).join("SUMMARY.md"))?;
    let links = summary.split("](").skip(1);
    let mut found = Vec::new();
    for (link, _) in links.filter_map(|rest| rest.split_once(')')) {
        found.extend(of_page(link)?);
    }
    Ok(found)
}

/// Commands of a page that the test `name` runs; an error unless there are `N`.
pub fn marked<'a, const N: usize>(
    blocks: &'a [Block],
    page: &str,
    name: &str,
) -> Result<[&'a Block; N]> {
    let of_page = blocks.iter().filter(|block| block.page == page);
    let marked: Vec<&Block> = of_page.filter(|block| block.is_run_by(name)).collect();
    let number = marked.len();
    let marked = marked.try_into().ok();
    marked.with_context(|| format!("{page} has {number} blocks with the mark run={name}, not {N}"))
}

/// Manifests of a page.
pub fn manifests<'a>(blocks: &'a [Block], page: &str) -> impl Iterator<Item = &'a Block> {
    let of_page = blocks.iter().filter(move |block| block.page == page);
    of_page.filter(|block| block.is_manifest())
}

fn of_page(link: &str) -> Result<Vec<Block>> {
    let page = Path::new(DOCS).join(link);
    let text = read(&page)?;
    let mut found: Vec<Block> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        // Blocks of lists are indented.
        if let Some(info) = line.trim_start().strip_prefix("```") {
            open = !open;
            if open {
                found.push(Block {
                    page: page.display().to_string(),
                    line: index + 1,
                    info: info.trim().to_owned(),
                    body: String::new(),
                });
            }
        } else if let Some(block) = found.last_mut().filter(|_| open) {
            block.body.push_str(line);
            block.body.push('\n');
        }
    }
    Ok(found)
}

fn read(page: &Path) -> Result<String> {
    fs::read_to_string(checkout().join(page)).with_context(|| format!("read {}", page.display()))
}

/// `text` with each run of capitals that is one of `words` replaced by its value.
pub fn filled_in(text: &str, words: &[(&str, &str)]) -> String {
    let parts = text.split_inclusive(|c: char| !c.is_ascii_uppercase());
    parts.map(|part| replaced(part, words)).collect()
}

/// Text up to a character that is no capital, its capitals replaced if they stand for a name.
fn replaced(part: &str, words: &[(&str, &str)]) -> String {
    let end = part.find(|c: char| !c.is_ascii_uppercase());
    let (capitals, rest) = part.split_at(end.unwrap_or(part.len()));
    let name = words.iter().find(|(word, _)| *word == capitals);
    name.map_or_else(|| part.to_owned(), |(_, name)| format!("{name}{rest}"))
}
