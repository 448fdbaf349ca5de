//! Writes a reference page for every definition to the folder that is named:
//! `cargo run -p kamaji-api --example reference -- docs/reference`.

mod page;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder")?;
    for (name, text) in page::all() {
        std::fs::write(format!("{folder}/{name}"), text)?;
    }
    Ok(())
}
