//! Hold of a tenant whose data comes from a snapshot: what of its control plane may run meanwhile.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kamaji_api::labels;

/// Parts of a control plane that may run, by the annotations of the tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// All of the control plane runs.
    #[default]
    None,
    /// The API server runs without admission webhooks; scheduler and controller manager do not: a clone would act on
    /// the volumes and load balancers of the original.
    Fenced,
    /// No pod runs, since the data is being written.
    Restoring,
}

impl Hold {
    /// Reads the annotations [`labels::RESTORING`] and [`labels::FENCED`]; their values do not matter.
    pub fn of(metadata: &ObjectMeta) -> Self {
        let annotations = metadata.annotations.as_ref();
        let has = |key| annotations.is_some_and(|all| all.contains_key(key));
        if has(labels::RESTORING) {
            Self::Restoring
        } else if has(labels::FENCED) {
            Self::Fenced
        } else {
            Self::None
        }
    }
}
