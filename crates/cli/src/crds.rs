//! `kamaji crds`: what the API server must know of our kinds.

use anyhow::Context;

/// Prints every definition as one YAML stream.
pub fn print() -> anyhow::Result<()> {
    for definition in kamaji_api::crd::all() {
        let text = serde_saphyr::to_string(&definition).context("writing a definition as YAML")?;
        println!("---\n{text}");
    }
    Ok(())
}
