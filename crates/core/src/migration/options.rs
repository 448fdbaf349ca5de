//! Annotations of a tenant that set how its data is migrated.

use std::time::Duration;

use kamaji_api::{labels, tenant::TenantControlPlane};

use crate::go_duration;

/// Time limit of a migration without an annotation. A copy refuses no write, so that it may take long.
const TIMEOUT: Duration = Duration::from_hours(24);
/// Shortest and longest time limit that an annotation can set.
const RANGE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_hours(24 * 30));

/// Settings of one migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Time from the first attempt until the migration is given up.
    pub timeout: Duration,
    /// True if what the tenant has at the target already may be deleted.
    pub cleanup: bool,
}

impl Options {
    /// The settings in the annotations of `object`; the error names the annotation, its flaw and the remedy.
    pub fn of(object: &TenantControlPlane) -> Result<Self, String> {
        let annotation = |key: &str| object.metadata.annotations.as_ref()?.get(key);
        let timeout = match annotation(labels::MIGRATION_TIMEOUT) {
            None => TIMEOUT,
            Some(text) => timeout(text)?,
        };
        let cleanup = match annotation(labels::CLEANUP_PRIOR_MIGRATION).map(String::as_str) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                return Err(format!(
                    "the annotation {} is neither true nor false: correct or remove it",
                    labels::CLEANUP_PRIOR_MIGRATION
                ));
            }
        };
        Ok(Self { timeout, cleanup })
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let (least, most) = RANGE;
    let key = labels::MIGRATION_TIMEOUT;
    match go_duration::parse(text) {
        Ok(read) if read >= least && read <= most => Ok(read),
        Ok(_) => Err(format!(
            "the annotation {key} is not between 10s and 720h: correct or remove it"
        )),
        Err(_) => Err(format!(
            "the annotation {key} is not a duration such as 30m or 12h: correct or remove it"
        )),
    }
}
