//! Size of a tenant's data: when a measurement is published, and when it warns.

use std::time::Duration;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kamaji_api::{datastore::TenantSoftLimit, tenant::StorageUsageStatus};

/// Time after which a change of more than a tenth is published, however small it is.
pub const AGE: Duration = Duration::from_hours(1);
/// Keys by which a count has to differ to be published before [`AGE`].
const KEYS: u64 = 500;
/// Bytes by which a size has to differ to be published before [`AGE`].
const BYTES: u64 = 4 << 20;

/// Measurement of a tenant's data in its DataStore: keys, bytes and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Measured {
    /// Keys, or rows of kine's table.
    pub keys: u64,
    /// Bytes of the data; `None` while they were not measured.
    pub bytes: Option<u64>,
    /// Time of the measurement.
    pub at: Timestamp,
}

/// Size of a tenant's data as far as a plan depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The last measurement that is due; `None` if there was none since the operator started.
    pub measured: Option<Measured>,
    /// Limit of the DataStore beyond which the tenant is warned.
    pub soft_limit: Option<TenantSoftLimit>,
}

/// True if `measured` differs so much from the status `old` that it is published: by more than a tenth after
/// [`AGE`]; at once if it more than doubled or halved, or differs by a tenth and by 500 keys or 4 MiB.
pub fn is_due(old: Option<&StorageUsageStatus>, measured: &Measured) -> bool {
    let Some(old) = old else { return true };
    let age = old
        .measured_at
        .as_ref()
        .map(|time| measured.at.duration_since(time.0));
    let aged = age.is_none_or(|age| age.unsigned_abs() >= AGE);
    let due = |old: i64, new: u64, least: u64| {
        let (old, difference) = (old.unsigned_abs(), old.unsigned_abs().abs_diff(new));
        let (low, high) = (old.min(new), old.max(new));
        let doubled = high > low.saturating_mul(2);
        doubled || difference > high / 10 && (aged || difference >= least)
    };
    let bytes = match (old.bytes, measured.bytes) {
        (Some(old), Some(new)) => due(old, new, BYTES),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    bytes || due(old.keys, measured.keys, KEYS)
}

/// The status after a measurement: `old` unless `measured` [is due](is_due).
pub fn published(
    old: Option<&StorageUsageStatus>,
    measured: Option<&Measured>,
) -> Option<StorageUsageStatus> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    match measured {
        Some(measured) if is_due(old, measured) => Some(StorageUsageStatus {
            bytes: measured.bytes.map(number).or(old.and_then(|old| old.bytes)),
            keys: number(measured.keys),
            measured_at: Some(Time(measured.at)),
        }),
        _ => old.cloned(),
    }
}

/// Warning about a tenant that holds more than `limit` in the DataStore `store`.
pub fn warning(
    store: &str,
    usage: Option<&StorageUsageStatus>,
    limit: Option<&TenantSoftLimit>,
) -> Option<String> {
    let (usage, limit) = (usage?, limit?);
    let over = |what: &str, held: Option<i64>, most: Option<i64>| {
        let (held, most) = (held?, most?);
        (held > most).then(|| format!("{held} {what}, more than the soft limit of {most}"))
    };
    let over: Vec<String> = [
        over("bytes", usage.bytes, limit.bytes),
        over("keys", Some(usage.keys), limit.keys),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!over.is_empty()).then(|| {
        format!(
            "the tenant has {} in the DataStore {store}; nothing is refused: delete what fills it (the metric apiserver_storage_objects of its API server counts its objects by resource), or raise spec.tenantSoftLimit of the DataStore",
            over.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests;
