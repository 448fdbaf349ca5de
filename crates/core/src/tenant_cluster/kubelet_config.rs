//! The kubelet configuration of a tenant's nodes.
//!
//! The defaults of the kubelet of the tenant's own minor: kubelets refuse or ignore what they do not
//! know yet.

use kamaji_api::tenant::CgroupDriver;
use serde_json::{Value, json};

pub use super::kubelet_patch::PatchError;
use super::{
    kubelet_patch,
    metadata::{JOINING, SYSTEM, plain},
    rbac,
    types::TenantClusterFacts,
    yaml,
};
use crate::{object::Object, tenant::Tenant};

pub(super) fn objects(facts: &TenantClusterFacts) -> Result<Vec<Object>, PatchError> {
    let name = "kubeadm:kubelet-config";
    Ok(vec![
        Object::from_value(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": plain(Some(SYSTEM), "kubelet-config"),
            "data": {"kubelet": yaml::write(&configuration(facts.tenant)?)},
        })),
        rbac::role(plain(Some(SYSTEM), name), rbac::reads("kubelet-config")),
        rbac::binding(
            plain(Some(SYSTEM), name),
            ("Role", name),
            json!([
                rbac::subject("Group", "system:nodes"),
                rbac::subject("Group", JOINING)
            ]),
        ),
    ])
}

/// The kubelet configuration of a tenant, with the changes that its spec asks for.
///
/// The changes apply to the same document whatever the tenant's version is, so that they need not be
/// rewritten for an upgrade; what the tenant's kubelets would refuse is left out afterwards, unless
/// the changes touched it.
pub fn configuration(tenant: &Tenant) -> Result<Value, PatchError> {
    let untouched = defaults(tenant);
    let mut value = untouched.clone();
    let patches = &tenant.spec.kubernetes.kubelet.configuration_json_patches;
    kubelet_patch::apply(&mut value, patches)?;
    leave_out(&mut value, &untouched, tenant.version.minor());
    Ok(value)
}

/// A field that not every kubelet accepts.
struct Newer {
    field: &'static str,
    /// First minor whose kubelets accept it as it is here.
    since: u64,
    /// Feature gate without which even those refuse it.
    gate: Option<&'static str>,
}

/// From the kubelet's own types and validation, 1.28 to 1.36. Before 1.35 the gates are off by
/// default, and `failCgroupV1` was false.
const NEWER: [Newer; 9] = [
    newer("imageMaximumGCAge", 29, None),
    newer("containerLogMaxWorkers", 30, None),
    newer("containerLogMonitorInterval", 30, None),
    newer("podLogsDir", 30, None),
    newer("mergeDefaultEvictionSettings", 34, None),
    newer("crashLoopBackOff", 35, Some("KubeletCrashLoopBackOffMax")),
    newer("failCgroupV1", 35, None),
    newer(
        "imagePullCredentialsVerificationPolicy",
        35,
        Some("KubeletEnsureSecretPulledImages"),
    ),
    newer("memoryReservationPolicy", 36, None),
];

const fn newer(field: &'static str, since: u64, gate: Option<&'static str>) -> Newer {
    Newer { field, since, gate }
}

fn leave_out(value: &mut Value, untouched: &Value, minor: u64) {
    for Newer { field, since, gate } in NEWER {
        let closed = gate.is_some_and(|gate| value["featureGates"][gate] == false);
        if (minor < since || closed)
            && value[field] == untouched[field]
            && let Some(fields) = value.as_object_mut()
        {
            fields.remove(field);
        }
    }
}

/// The defaults of kubelets of 1.36.
fn defaults(tenant: &Tenant) -> Value {
    let mut value = json!({
        "address": "0.0.0.0",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"cacheTTL": "2m0s", "enabled": true},
            "x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"},
        },
        "authorization": {
            "mode": "Webhook",
            "webhook": {"cacheAuthorizedTTL": "5m0s", "cacheUnauthorizedTTL": "30s"},
        },
        "cgroupsPerQOS": true,
        "clusterDNS": tenant.network.dns_service_ips,
        "clusterDomain": tenant.network.cluster_domain,
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "containerLogMaxFiles": 5,
        "containerLogMaxSize": "10Mi",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "contentType": "application/vnd.kubernetes.protobuf",
        "cpuCFSQuota": true,
        "cpuCFSQuotaPeriod": "100ms",
        "cpuManagerPolicy": "none",
        "cpuManagerReconcilePeriod": "10s",
        "enableControllerAttachDetach": true,
        "enableDebugFlagsHandler": true,
        "enableDebuggingHandlers": true,
        "enableProfilingHandler": true,
        "enableServer": true,
        "enableSystemLogHandler": true,
        "enforceNodeAllocatable": ["pods"],
        "eventBurst": 100,
        "eventRecordQPS": 50,
        "evictionPressureTransitionPeriod": "5m0s",
        "failSwapOn": true,
        "fileCheckFrequency": "20s",
        "hairpinMode": "promiscuous-bridge",
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": 10248,
        "httpCheckFrequency": "20s",
        "imageGCHighThresholdPercent": 85,
        "imageGCLowThresholdPercent": 80,
        "imageMinimumGCAge": "2m0s",
        "iptablesDropBit": 15,
        "iptablesMasqueradeBit": 14,
        "kind": "KubeletConfiguration",
    });
    merge(&mut value, more_defaults());
    merge(&mut value, newer_defaults());
    // Absent, the kubelet's own default counts.
    if let Some(driver) = tenant
        .spec
        .kubernetes
        .kubelet
        .cgroupfs
        .map(CgroupDriver::as_str)
    {
        value["cgroupDriver"] = json!(driver);
    }
    value
}

fn more_defaults() -> Value {
    json!({
        "kubeAPIBurst": 100,
        "kubeAPIQPS": 50,
        "localStorageCapacityIsolation": true,
        "logging": {
            "flushFrequency": "5s",
            "format": "text",
            "options": {"json": {"infoBufferSize": "0"}, "text": {"infoBufferSize": "0"}},
            "verbosity": 0,
        },
        "makeIPTablesUtilChains": true,
        "maxOpenFiles": 1_000_000,
        "maxPods": 110,
        "memoryManagerPolicy": "None",
        "memorySwap": {},
        "memoryThrottlingFactor": 0.9,
        "nodeLeaseDurationSeconds": 40,
        "nodeStatusMaxImages": 50,
        "nodeStatusReportFrequency": "5m0s",
        "nodeStatusUpdateFrequency": "10s",
        "oomScoreAdj": -999,
        "podPidsLimit": -1,
        "port": 10250,
        "registerNode": true,
        "registryBurst": 10,
        "registryPullQPS": 5,
        "rotateCertificates": true,
        "runtimeRequestTimeout": "2m0s",
        "seccompDefault": false,
        "serializeImagePulls": true,
        "shutdownGracePeriod": "0s",
        "shutdownGracePeriodCriticalPods": "0s",
        "staticPodPath": "/etc/kubernetes/manifests",
        "streamingConnectionIdleTimeout": "4h0m0s",
        "syncFrequency": "1m0s",
        "topologyManagerPolicy": "none",
        "topologyManagerScope": "container",
        "volumePluginDir": "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/",
        "volumeStatsAggPeriod": "1m0s",
    })
}

/// Default values of the fields in [`NEWER`].
fn newer_defaults() -> Value {
    json!({
        "containerLogMaxWorkers": 1,
        "containerLogMonitorInterval": "10s",
        "crashLoopBackOff": {"maxContainerRestartPeriod": "5m0s"},
        "failCgroupV1": true,
        "imageMaximumGCAge": "0s",
        "imagePullCredentialsVerificationPolicy": "NeverVerifyPreloadedImages",
        "memoryReservationPolicy": "None",
        "mergeDefaultEvictionSettings": false,
        "podLogsDir": "/var/log/pods",
    })
}

fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

#[cfg(test)]
mod tests;
