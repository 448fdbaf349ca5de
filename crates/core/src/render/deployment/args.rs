//! How do our flags and the user's become one command line?

use std::collections::BTreeMap;

/// The name of a flag: what stands before the first `=`.
pub fn name(arg: &str) -> &str {
    arg.split_once('=').map_or(arg, |(name, _)| name)
}

/// `--name=value`.
pub fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name}={value}")
}

/// All layers as one list, sorted, with one flag of each name: later layers win, and within a
/// layer the last one.
pub fn merged<'a>(layers: impl IntoIterator<Item = &'a [String]>) -> Vec<String> {
    let by_name: BTreeMap<&str, &String> = layers
        .into_iter()
        .flatten()
        .map(|arg| (name(arg), arg))
        .collect();
    let mut args: Vec<String> = by_name.into_values().cloned().collect();
    args.sort();
    args
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
