//! Measured figures by name: printed, and saved as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

/// Measured numbers by name.
#[derive(Debug, Default)]
pub struct Figures {
    values: BTreeMap<String, f64>,
}

impl Figures {
    /// Records a figure, rounded to three digits.
    pub fn set(&mut self, name: impl Into<String>, value: f64) {
        self.values
            .insert(name.into(), (value * 1000.0).round() / 1000.0);
    }

    /// Figure that was recorded before.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// Writes all figures to a file, as one flat JSON map.
    pub fn save(&self, path: &Path) -> Result<()> {
        let dir = path.parent().context("a file below a folder")?;
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let text = serde_json::to_string_pretty(&self.values)?;
        std::fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))
    }

    /// Prints all figures, one per line.
    pub fn print(&self) {
        for (name, value) in &self.values {
            println!("{name:<36}{value:>12}");
        }
    }
}
