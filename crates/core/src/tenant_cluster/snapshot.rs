//! The snapshot of a tenant cluster: everything that its plan depends on.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{ByteString, api::core::v1::Service, jiff::Timestamp};
use kamaji_api::{
    condition::{self, ConditionType},
    tenant::TenantControlPlane,
};

use super::availability::Availability;
use crate::{
    data_store::ResolvedDataStore,
    settings::Settings,
    snapshot::{StoreWait, TenantClusterReport},
    tenant::Tenant,
};

/// Observation of a tenant cluster, which covers the management cluster only: the tenant's own API server is
/// asked while the plan is carried out.
#[derive(Clone, Debug)]
pub struct TenantClusterSnapshot<'a> {
    /// The TenantControlPlane as the API server served it.
    pub object: &'a TenantControlPlane,
    /// True if the newest version of the object has a value that this build does not know. Then `object` is
    /// the version before.
    pub unreadable: bool,
    /// The operator's settings, with the CA of its webhooks.
    pub settings: Settings,
    /// Live Service of the control plane, as far as addresses go.
    pub service: Option<Service>,
    /// The DataStore of the name [`recorded_data_store`], or why it cannot be used.
    pub store: Result<ResolvedDataStore, StoreWait>,
    /// The Secret with the administrators' kubeconfigs.
    pub admin_secret: AdminSecret,
    /// The last reconcile of this process; `None` before the first one.
    pub last: Option<CompletedReconcile>,
    /// A tenant cluster is reconciled again for drift after this, and up to half as much again.
    pub resync: Duration,
    /// Time of the snapshot.
    pub now: Timestamp,
}

impl TenantClusterSnapshot<'_> {
    /// Availability of the tenant cluster for a reconcile. An object that cannot be read is left alone.
    pub fn availability(&self) -> Availability {
        match Availability::of(self.object) {
            Availability::Since(_) if self.unreadable => Availability::Unavailable,
            availability => availability,
        }
    }

    /// True if a plan needs the admin Secret: the tenant cluster may be reconciled, and its spec can be parsed.
    pub fn needs_admin_secret(&self) -> bool {
        matches!(self.availability(), Availability::Since(_)) && Tenant::parse(self.object).is_ok()
    }

    /// True if the published status says that an earlier reconcile succeeded.
    pub fn was_configured(&self) -> bool {
        let status = self.object.status.as_ref();
        let type_ = ConditionType::TenantClusterConfigured.as_str();
        status.is_some_and(|status| condition::is_true(&status.conditions, type_))
    }
}

/// The Secret with the administrators' kubeconfigs, as far as it was read.
#[derive(Clone)]
pub enum AdminSecret {
    /// Nobody has read it for this snapshot: of the last reconcile, the CA is known.
    NotRead,
    /// A request for it failed with this message.
    Unreadable(String),
    /// Data of the Secret; empty if there is no such Secret.
    Read(BTreeMap<String, ByteString>),
}

impl std::fmt::Debug for AdminSecret {
    /// Leaves the kubeconfigs out, which have private keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotRead => f.write_str("NotRead"),
            Self::Unreadable(why) => f.debug_tuple("Unreadable").field(why).finish(),
            Self::Read(data) => f.debug_tuple("Read").field(&data.keys()).finish(),
        }
    }
}

/// Record of a reconcile of a tenant cluster that has ended, by success or by failure.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletedReconcile {
    /// The part of it that the tenant's status publishes.
    pub report: TenantClusterReport,
    /// Hash of the desired content; empty if the reconcile ended before it was known.
    pub content: String,
    /// The CA of the admin Secret, in PEM; `None` if no reconcile has read it. With it, the next plan needs no
    /// request.
    pub ca: Option<Vec<u8>>,
    /// Time at which the reconcile ended.
    pub at: Timestamp,
}

/// Name of the DataStore that the status records; empty before the tenant has one.
pub fn recorded_data_store(object: &TenantControlPlane) -> &str {
    let status = object.status.as_ref();
    let storage = status.and_then(|status| status.storage.as_ref());
    storage
        .and_then(|storage| storage.data_store_name.as_deref())
        .unwrap_or_default()
}
