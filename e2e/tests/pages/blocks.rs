//! Fenced blocks of the pages that the table of contents lists.

use std::{fmt, fs, path::Path};

use kamaji_e2e::layout::checkout;

/// Folder of the pages, below the checkout.
const DOCS: &str = "docs";

/// A fenced block.
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

    /// True for commands that are run here.
    pub fn is_run(&self) -> bool {
        self.info == "sh run=pages"
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.page, self.line)
    }
}

/// Every block, in the order of the table of contents.
pub fn blocks() -> Vec<Block> {
    let summary = fs::read_to_string(checkout().join(DOCS).join("SUMMARY.md")).unwrap();
    let links = summary.split("](").skip(1);
    links
        .filter_map(|rest| rest.split_once(')'))
        .flat_map(|(link, _)| of_page(link))
        .collect()
}

fn of_page(link: &str) -> Vec<Block> {
    let page = Path::new(DOCS).join(link);
    let text = fs::read_to_string(checkout().join(&page)).unwrap();
    let mut found: Vec<Block> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
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
    found
}
