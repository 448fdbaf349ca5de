//! How are the kubelets of a tenant configured? (section 3.4)
//!
//! The defaults of the kubelet of the tenant's own minor: kubelets refuse or ignore what they do not
//! know yet.

use kamaji_api::tenant::{CgroupDriver, JsonPatch};
use serde_json::{Value, json};

use super::{InsideFacts, JOINING, SYSTEM, plain, rbac, yaml};
use crate::{object::Object, tenant::Tenant};

/// Why a change to the kubelet configuration does not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "spec.kubernetes.kubelet.configurationJSONPatches[{index}] ({op} {path}) does not apply to the kubelet configuration: {problem}; correct or remove it"
)]
pub struct PatchError {
    index: usize,
    op: &'static str,
    path: String,
    problem: String,
}

pub(super) fn objects(facts: &InsideFacts) -> Result<Vec<Object>, PatchError> {
    let name = "kubeadm:kubelet-config";
    Ok(vec![
        Object::from_value(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": plain(Some(SYSTEM), "kubelet-config"),
            "data": {"kubelet": yaml(&configuration(facts.tenant)?)},
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
pub fn configuration(tenant: &Tenant) -> Result<Value, PatchError> {
    let mut value = defaults(tenant);
    for (index, patch) in tenant
        .spec
        .kubernetes
        .kubelet
        .configuration_json_patches
        .iter()
        .enumerate()
    {
        apply(&mut value, index, patch)?;
    }
    Ok(value)
}

fn apply(value: &mut Value, index: usize, patch: &JsonPatch) -> Result<(), PatchError> {
    let wrong = |problem: String| PatchError {
        index,
        op: patch.op.as_str(),
        path: patch.path.clone(),
        problem,
    };
    let mut operation = json!({"op": patch.op.as_str(), "path": patch.path});
    if let Some(from) = &patch.from {
        operation["from"] = json!(from);
    }
    if !matches!(patch.op.as_str(), "remove" | "move" | "copy") {
        operation["value"] = patch.value.clone().unwrap_or_default();
    }
    let operations: json_patch::Patch =
        serde_json::from_value(json!([operation])).map_err(|e| wrong(e.to_string()))?;
    json_patch::patch(value, &operations).map_err(|e| wrong(e.to_string()))
}

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
        "containerLogMaxWorkers": 1,
        "containerLogMonitorInterval": "10s",
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
        "imageMaximumGCAge": "0s",
        "imageMinimumGCAge": "2m0s",
        "iptablesDropBit": 15,
        "iptablesMasqueradeBit": 14,
        "kind": "KubeletConfiguration",
    });
    merge(&mut value, more_defaults());
    merge(&mut value, newer(tenant.version.minor()));
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
        "podLogsDir": "/var/log/pods",
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

/// What kubelets before that minor refuse, or know only behind a gate that is off.
fn newer(minor: u64) -> Value {
    let mut value = json!({});
    if minor >= 34 {
        value["mergeDefaultEvictionSettings"] = json!(false);
    }
    if minor >= 35 {
        value["crashLoopBackOff"] = json!({"maxContainerRestartPeriod": "5m0s"});
        value["failCgroupV1"] = json!(true);
        value["imagePullCredentialsVerificationPolicy"] = json!("NeverVerifyPreloadedImages");
    }
    if minor >= 36 {
        value["memoryReservationPolicy"] = json!("None");
    }
    value
}

fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}
