//! Summary of requests by kind and number.

use std::collections::BTreeMap;

use kamaji_e2e::audit::Entry;

/// Prints the kinds of requests with how many of each there are for one of `each`.
#[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
pub fn print<'a>(entries: impl IntoIterator<Item = &'a Entry>, each: f64) {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for entry in entries {
        let (object, code) = (&entry.object_ref, entry.response_status.code);
        let (kind, part) = (&object.resource, &object.subresource);
        let what = format!("{} {kind} {part} {code}", entry.verb);
        *kinds.entry(what).or_default() += 1;
    }
    for (what, times) in kinds {
        println!("{:>10.2} each  {what}", times as f64 / each);
    }
}
