//! Writes every definition to the folder that is named:
//! `cargo run -p kamaji-api --example crds -- config/crd`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder")?;
    for (name, value) in kamaji_api::crd::all() {
        std::fs::write(
            format!("{folder}/{name}.yaml"),
            serde_saphyr::to_string(&value)?,
        )?;
    }
    Ok(())
}
