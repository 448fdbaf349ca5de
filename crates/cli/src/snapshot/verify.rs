//! `kamaji snapshot verify`: reads a whole snapshot, checks it, and prints what is in it.

use anyhow::Context;
use kamaji_snapshot::{Checked, Item, Next};

use super::{
    keys::{KeyFlags, warn_if_unproven},
    location::Location,
};
use crate::terminal::{plain, print};

/// Most characters of one line about a snapshot; names of keys of encryption at rest make up to 800.
const LINE: usize = 1024;

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
    warn_if_unproven(&arguments.location, checked.proof);
    describe(&checked)?;
    let mut decoder = file.read(&keys, most).with_context(name)?;
    let mut replay = checked.order.replay();
    let state = loop {
        match decoder.read_next().with_context(name)? {
            Next::Item(Item::Op(op)) => replay.add(&op),
            Next::Item(Item::Object(_)) => {}
            Next::End(_) => break replay.finish(),
        }
    };
    print(&format!(
        "keys       {} (those that expire left out)\ndigest     {}\n{} is whole\n",
        state.keys(),
        state.digest(),
        arguments.location
    ))
}

/// Prints origin and counts of a snapshot, and what proves the origin.
pub fn describe(checked: &Checked) -> anyhow::Result<()> {
    let lines = description(checked).into_iter();
    let text: String = lines.map(|line| plain(&line, LINE) + "\n").collect();
    print(&text)
}

/// Lines about a snapshot; what the file says itself is not escaped yet.
fn description(checked: &Checked) -> Vec<String> {
    let (header, footer) = (&checked.header, &checked.footer);
    let mut lines = vec![
        format!("tenant     {}", header.tenant),
        format!("proof      {}", checked.proof),
        format!(
            "source     {} of the driver {}, keys below {}",
            header.data_store,
            header.driver.as_str(),
            header.root
        ),
        format!("kubernetes {}", header.kubernetes),
        format!(
            "taken      {}, consistent at revision {}",
            header.taken, footer.revision
        ),
        format!(
            "content    {} objects, {} operations, {} bytes",
            footer.objects, footer.ops, footer.bytes
        ),
    ];
    let needed = footer.encryption.iter().map(|key| {
        format!("needs      the {key} in the encryption configuration of the API server")
    });
    lines.extend(needed);
    let left_out = header.left_out.iter();
    let left_out =
        left_out.map(|resource| format!("left out   {resource}, which has a datastore of its own"));
    lines.extend(left_out);
    lines
}
