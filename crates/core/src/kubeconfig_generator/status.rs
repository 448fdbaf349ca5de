//! Status of a KubeconfigGenerator: the results of all selected tenants, within fixed limits.

use kamaji_api::kubeconfig::{GeneratorError, KubeconfigGeneratorStatus};

use super::{demand::SelectionError, plan::State};
use crate::excerpt::excerpt;

/// Most entries of `status.errors`.
pub const MOST_ERRORS: usize = 256;
/// Most bytes of a message, without its ellipsis.
pub const LONGEST_MESSAGE: usize = 512;

/// Result of one selected tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The tenant, as `NAMESPACE/NAME`.
    pub tenant: String,
    /// Result of the tenant's last reconcile.
    pub state: State,
}

/// Name and generation of the generator that a status is for.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Name of the generator.
    pub name: &'a str,
    /// Generation of the spec that the results are for.
    pub generation: Option<i64>,
}

/// Sums the results of all selected tenants up.
pub fn status(subject: Subject, mut entries: Vec<Entry>) -> KubeconfigGeneratorStatus {
    entries.sort_unstable_by(|a, b| a.tenant.cmp(&b.tenant));
    let number = entries.len();
    let mut errors: Vec<GeneratorError> = entries
        .into_iter()
        .filter_map(|entry| match entry.state {
            State::Available => None,
            State::Missing(why) => Some(error(entry.tenant, &why)),
        })
        .collect();
    let missing = errors.len();
    if missing > MOST_ERRORS {
        errors.truncate(MOST_ERRORS - 1);
        let others = missing - errors.len();
        let why = format!("{others} more tenants have no kubeconfig, or one that is not renewed");
        errors.push(error(subject.name.to_owned(), &why));
    }
    KubeconfigGeneratorStatus {
        available_resources: count(number - missing),
        errors,
        observed_generation: subject.generation,
        resources: count(number),
    }
}

/// Status of a generator whose selectors cannot be evaluated: it selects nothing.
pub fn unselected(subject: Subject, why: &SelectionError) -> KubeconfigGeneratorStatus {
    KubeconfigGeneratorStatus {
        errors: vec![error(subject.name.to_owned(), &why.to_string())],
        observed_generation: subject.generation,
        ..KubeconfigGeneratorStatus::default()
    }
}

fn error(resource: String, why: &str) -> GeneratorError {
    GeneratorError {
        message: excerpt(why, LONGEST_MESSAGE),
        resource,
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
