//! Reference pages of the definitions in `docs/reference`.

#[path = "../examples/reference/page.rs"]
mod page;

use std::{fs, path::Path};

#[test]
fn reference_pages_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let pages = page::all();
    assert_eq!(pages.len(), 5);
    for (name, text) in pages {
        let stored = fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(
            stored == text,
            "docs/reference/{name} is out of date: run `make crds`"
        );
    }
}

#[test]
fn reference_pages_describe_every_field_of_ours() {
    for (name, text) in page::all() {
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let bare: Vec<&str> = rows.filter(|row| row.ends_with("|  |")).collect();
        assert!(bare.is_empty(), "{name}: {bare:?}");
    }
    let pages = page::all();
    let tenant = pages
        .iter()
        .find(|(name, _)| name == "tenantcontrolplane.md");
    let (_, tenant) = tenant.unwrap();
    for field in [
        "`serviceType`",
        "`writePermissions`",
        "`dnsServiceIPs`",
        "`usage`",
    ] {
        assert!(tenant.contains(field), "{field}");
    }
}
