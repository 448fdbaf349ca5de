//! `kamaji snapshot list`: prints the snapshots in a folder or below a name in an object store.

use kamaji_snapshot::{Header, Listed};

use super::location::Location;
use crate::terminal::{note, plain, print};

/// Most characters of one field of a file's header that are shown.
const FIELD: usize = 256;

/// Arguments of `kamaji snapshot list`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder, file, or beginning of the names in an object store (s3://BUCKET/PREFIX)
    location: String,
}

/// Prints one line per snapshot, as the files describe themselves; at most 1000 files are read.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let listing = match Location::parse(&arguments.location)? {
        Location::File(path) => kamaji_snapshot::list(&path)?,
        Location::Bucket(bucket) => bucket.list().await?,
    };
    let head = "NAME\tTENANT\tUID\tDRIVER\tKUBERNETES\tREVISION\tTAKEN\tBYTES\tENCRYPTED\n";
    let lines: String = listing.entries.iter().map(line).collect();
    print(&format!("{head}{lines}"))?;
    if listing.more {
        note(&format!(
            "kamaji: {} has more files than are read: give a longer beginning of the names",
            arguments.location
        ));
    }
    Ok(())
}

/// Line about a file that nothing has verified, with its fields escaped.
fn line(entry: &Listed) -> String {
    let fields = match &entry.header {
        Ok(header) => fields(header, entry.bytes),
        Err(error) => vec![error.to_string()],
    };
    let fields = std::iter::once(&entry.name).chain(&fields);
    let fields: Vec<_> = fields.map(|field| plain(field, FIELD)).collect();
    format!("{}\n", fields.join("\t"))
}

fn fields(header: &Header, bytes: u64) -> Vec<String> {
    let tenant = &header.tenant;
    vec![
        format!("{}/{}", tenant.namespace, tenant.name),
        tenant.tenant.clone(),
        header.driver.as_str().to_owned(),
        header.kubernetes.clone(),
        header.begun.to_string(),
        header.taken.clone(),
        bytes.to_string(),
        header.encrypted.to_string(),
    ]
}
