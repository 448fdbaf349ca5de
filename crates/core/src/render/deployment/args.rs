//! Merges the operator's flags of a component with the user's.

use std::{borrow::Cow, collections::BTreeMap};

/// The name of a flag: the text before the first `=`, in one spelling of all that mean the same. Components
/// of Kubernetes read `--etcd_prefix` as `--etcd-prefix`, and kine `-endpoint` as `--endpoint`.
pub fn name(arg: &str) -> Cow<'_, str> {
    let written = arg.split_once('=').map_or(arg, |(name, _)| name);
    let word = written.trim_start_matches('-');
    let dashes = written.len() - word.len();
    if dashes == 0 || word.is_empty() || (dashes == 2 && !word.contains('_')) {
        return Cow::Borrowed(written);
    }
    Cow::Owned(format!("--{}", word.replace('_', "-")))
}

/// Builds the flag `--name=value`.
pub fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name}={value}")
}

/// All layers as one list, sorted, with one flag of each name: later layers win, and within a
/// layer the last one.
pub fn merged<'a>(layers: impl IntoIterator<Item = &'a [String]>) -> Vec<String> {
    let by_name: BTreeMap<Cow<'_, str>, &String> = layers
        .into_iter()
        .flatten()
        .map(|arg| (name(arg), arg))
        .collect();
    let mut args: Vec<String> = by_name.into_values().cloned().collect();
    args.sort();
    args
}

#[cfg(test)]
mod tests;
