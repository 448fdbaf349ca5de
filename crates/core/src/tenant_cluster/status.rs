//! Status of the addons and of the bootstrap phase after a reconcile that applied all of its plan.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kamaji_api::tenant::{
    AddonStatus, AddonsStatus, KonnectivityAgentStatus, KonnectivityStatus, KubeadmPhase,
    KubeadmPhaseStatus, ReferenceStatus,
};

use super::{bootstrap, konnectivity, metadata::SYSTEM};
use crate::{object::Object, tenant::Tenant};

/// The addons' and the bootstrap phase's status, once `objects` are in the tenant cluster. Times are carried over unless something changed;
/// of konnectivity only the objects in the tenant cluster are filled in.
pub(super) fn status<'a>(
    tenant: &Tenant,
    objects: impl IntoIterator<Item = &'a Object>,
    now: Timestamp,
) -> (AddonsStatus, KubeadmPhaseStatus) {
    let old = tenant.status.addons.clone().unwrap_or_default();
    let spec = &tenant.spec.addons;
    let addons = AddonsStatus {
        core_dns: Some(addon(spec.core_dns.is_some(), old.core_dns, now)),
        konnectivity: Some(konnectivity(
            tenant,
            old.konnectivity.unwrap_or_default(),
            now,
        )),
        kube_proxy: Some(addon(spec.kube_proxy.is_some(), old.kube_proxy, now)),
    };
    (
        addons,
        KubeadmPhaseStatus {
            bootstrap_token: bootstrap_token(tenant, objects, now),
        },
    )
}

fn addon(enabled: bool, old: Option<AddonStatus>, now: Timestamp) -> AddonStatus {
    match old {
        Some(old) if old.enabled == enabled => old,
        None if !enabled => AddonStatus::default(),
        _ => AddonStatus {
            enabled,
            last_update: Some(Time(now)),
        },
    }
}

fn konnectivity(tenant: &Tenant, old: KonnectivityStatus, now: Timestamp) -> KonnectivityStatus {
    let Some(spec) = &tenant.spec.addons.konnectivity else {
        return KonnectivityStatus::default();
    };
    let mode = spec.agent.mode.as_str();
    let same = old.agent.mode.as_deref() == Some(mode);
    KonnectivityStatus {
        agent: KonnectivityAgentStatus {
            last_update: if same {
                old.agent.last_update
            } else {
                Some(Time(now))
            },
            mode: Some(mode.to_owned()),
            name: Some(konnectivity::AGENT.to_owned()),
            namespace: Some(SYSTEM.to_owned()),
        },
        clusterrolebinding: ReferenceStatus {
            name: Some(konnectivity::SERVER.to_owned()),
            ..ReferenceStatus::default()
        },
        sa: ReferenceStatus {
            name: Some(konnectivity::AGENT.to_owned()),
            namespace: Some(SYSTEM.to_owned()),
            ..ReferenceStatus::default()
        },
        enabled: true,
        ..KonnectivityStatus::default()
    }
}

fn bootstrap_token<'a>(
    tenant: &Tenant,
    objects: impl IntoIterator<Item = &'a Object>,
    now: Timestamp,
) -> KubeadmPhase {
    let old = tenant
        .status
        .kubeadm_phase
        .clone()
        .map(|phase| phase.bootstrap_token)
        .unwrap_or_default();
    let checksum = bootstrap::cluster_info_checksum(objects);
    if old.checksum == checksum {
        return old;
    }
    KubeadmPhase {
        checksum,
        last_update: Some(Time(now)),
    }
}

#[cfg(test)]
mod tests;
