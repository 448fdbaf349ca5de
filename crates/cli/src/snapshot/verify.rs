//! `kamaji snapshot verify`: reads a whole snapshot, checks it, and prints what is in it.

use anyhow::Context;
use kamaji_snapshot::{Checked, Item, Next};

use super::{keys::KeyFlags, location::Location};

/// Arguments of `kamaji snapshot verify`.
#[derive(clap::Args)]
pub struct Arguments {
    /// File, or object in an object store (s3://BUCKET/NAME)
    location: String,
    #[command(flatten)]
    keys: KeyFlags,
}

/// Prints origin, counts and hash of a snapshot that is whole; fails on any other.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (keys, most) = (arguments.keys.keys()?, arguments.keys.max_data);
    let name = || arguments.location.clone();
    let file = Location::parse(&arguments.location)?.open(most).await?;
    let checked = file.check(&keys, most, &|_| true).with_context(name)?;
    describe(&checked);
    let mut decoder = file.read(&keys, most).with_context(name)?;
    let mut replay = checked.order.replay();
    let state = loop {
        match decoder.read_next().with_context(name)? {
            Next::Item(Item::Op(op)) => replay.add(&op),
            Next::Item(Item::Object(_)) => {}
            Next::End(_) => break replay.finish(),
        }
    };
    println!("keys       {} (those that expire left out)", state.keys());
    println!("digest     {}", state.digest());
    println!("{} is whole", arguments.location);
    Ok(())
}

/// Prints origin and counts of a snapshot.
pub fn describe(checked: &Checked) {
    let (header, footer) = (&checked.header, &checked.footer);
    println!("tenant     {}", header.tenant);
    println!(
        "source     {} of the driver {}, keys below {}",
        header.data_store,
        header.driver.as_str(),
        header.root
    );
    println!("kubernetes {}", header.kubernetes);
    println!(
        "taken      {}, consistent at revision {}",
        header.taken, footer.revision
    );
    println!(
        "content    {} objects, {} operations, {} bytes",
        footer.objects, footer.ops, footer.bytes
    );
    for key in footer.encryption.iter() {
        println!("needs      the {key} in the encryption configuration of the API server");
    }
    for resource in &header.left_out {
        println!("left out   {resource}, which has a datastore of its own");
    }
}
