//! `kamaji snapshot list`: prints the snapshots in a folder or below a name in an object store.

use super::location::Location;

/// Arguments of `kamaji snapshot list`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder, file, or beginning of the names in an object store (s3://BUCKET/PREFIX)
    location: String,
}

/// Prints one line per snapshot; at most 1000 files are read.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let listed = match Location::parse(&arguments.location)? {
        Location::File(path) => kamaji_snapshot::list(&path)?,
        Location::Bucket(bucket) => bucket.list().await?,
    };
    println!("NAME\tTENANT\tUID\tDRIVER\tKUBERNETES\tREVISION\tTAKEN\tBYTES\tENCRYPTED");
    for entry in listed {
        match entry.header {
            Ok(header) => println!(
                "{}\t{}/{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
                entry.name,
                header.tenant.namespace,
                header.tenant.name,
                header.tenant.tenant,
                header.driver.as_str(),
                header.kubernetes,
                header.begun,
                header.taken,
                entry.bytes,
                header.encrypted
            ),
            Err(error) => println!("{}\t{error}", entry.name),
        }
    }
    Ok(())
}
