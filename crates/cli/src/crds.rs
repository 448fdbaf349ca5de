//! `kamaji crds`: prints the CustomResourceDefinitions of the project.

use anyhow::Context;

/// Prints every definition as one YAML stream.
pub fn print() -> anyhow::Result<()> {
    for (name, definition) in kamaji_api::crd::all() {
        let text = serde_saphyr::to_string(&definition)
            .with_context(|| format!("writing the definition {name} as YAML"))?;
        println!("---\n{text}");
    }
    Ok(())
}
