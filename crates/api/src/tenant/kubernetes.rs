//! Kubernetes of a tenant: version, admission plugins and configuration of the kubelets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kubernetes version of the tenant, admission plugins of its API server, and configuration of its
/// kubelets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesSpec {
    /// Admission plugins that --enable-admission-plugins of kube-apiserver names. Left out: 17
    /// plugins, from CertificateApproval to ValidatingAdmissionWebhook; an empty list leaves the
    /// choice to kube-apiserver. Changes replace the pods.
    #[serde(default = "admission_controllers")]
    pub admission_controllers: Vec<AdmissionController>,
    /// Configuration of the tenant's kubelets, which nodes read when they join.
    pub kubelet: KubeletSpec,
    /// Kubernetes version of the tenant, for example v1.36.3, which is also the tag of the images.
    /// Minors from 1.30, for new tenants, to 1.37. Upgrades go one minor at a time; a downgrade of
    /// the minor is refused. Changes replace the pods.
    pub version: String,
}

/// Configuration of the tenant's kubelets. Nodes read it when they join; those that have joined
/// keep what they have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeletSpec {
    /// Deprecated, use a JSON patch of /cgroupDriver: cgroup driver of the kubelets, systemd or
    /// cgroupfs. Empty: the kubelet's own choice; a KamajiControlPlane without kubelet has systemd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroupfs: Option<CgroupDriver>,
    /// JSON patches (RFC 6902) of the KubeletConfiguration in the ConfigMap
    /// kube-system/kubelet-config, applied in order; at most 64. One that does not apply is
    /// refused. Pods are not restarted.
    #[serde(
        rename = "configurationJSONPatches",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub configuration_json_patches: Vec<JsonPatch>,
    /// Types of node addresses in the order in which kube-apiserver tries them to reach kubelets,
    /// at least one. Changes replace the control plane pods. Default: InternalIP, ExternalIP,
    /// Hostname.
    #[serde(default = "preferred_address_types")]
    #[schemars(length(min = 1))]
    pub preferred_address_types: Vec<AddressType>,
}

impl Default for KubeletSpec {
    fn default() -> Self {
        Self {
            cgroupfs: None,
            configuration_json_patches: Vec::new(),
            preferred_address_types: preferred_address_types(),
        }
    }
}

/// One operation of a JSON patch (RFC 6902) on the KubeletConfiguration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JsonPatch {
    /// JSON pointer of the source, with move and copy only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Operation: add, remove, replace, move, copy or test.
    pub op: JsonPatchOperation,
    /// JSON pointer of the target, for example /maxPods.
    pub path: String,
    /// New or expected value, with add, replace and test only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
}

macro_rules! values {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $(#[doc = concat!("Written `", $text, "` in the spec.")] #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// The value as it is written in the spec.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    )*};
}

values! {
    /// Operation of a JSON patch.
    JsonPatchOperation {
        Add = "add", Remove = "remove", Replace = "replace", Move = "move", Copy = "copy",
        Test = "test",
    }

    /// Deprecated, use a JSON patch of /cgroupDriver: cgroup driver of the kubelets, systemd or
    /// cgroupfs. Empty: the kubelet's own choice; a KamajiControlPlane without kubelet has systemd.
    CgroupDriver { Systemd = "systemd", Cgroupfs = "cgroupfs", }

    /// Type of a node's address.
    AddressType {
        Hostname = "Hostname", InternalIp = "InternalIP", ExternalIp = "ExternalIP",
        InternalDns = "InternalDNS", ExternalDns = "ExternalDNS",
    }

    /// Name of an admission plugin of kube-apiserver.
    AdmissionController {
        AlwaysAdmit = "AlwaysAdmit",
        AlwaysDeny = "AlwaysDeny",
        AlwaysPullImages = "AlwaysPullImages",
        CertificateApproval = "CertificateApproval",
        CertificateSigning = "CertificateSigning",
        CertificateSubjectRestriction = "CertificateSubjectRestriction",
        DefaultIngressClass = "DefaultIngressClass",
        DefaultStorageClass = "DefaultStorageClass",
        DefaultTolerationSeconds = "DefaultTolerationSeconds",
        DenyEscalatingExec = "DenyEscalatingExec",
        DenyExecOnPrivileged = "DenyExecOnPrivileged",
        DenyServiceExternalIPs = "DenyServiceExternalIPs",
        EventRateLimit = "EventRateLimit",
        ExtendedResourceToleration = "ExtendedResourceToleration",
        ImagePolicyWebhook = "ImagePolicyWebhook",
        LimitPodHardAntiAffinityTopology = "LimitPodHardAntiAffinityTopology",
        LimitRanger = "LimitRanger",
        MutatingAdmissionWebhook = "MutatingAdmissionWebhook",
        NamespaceAutoProvision = "NamespaceAutoProvision",
        NamespaceExists = "NamespaceExists",
        NamespaceLifecycle = "NamespaceLifecycle",
        NodeRestriction = "NodeRestriction",
        OwnerReferencesPermissionEnforcement = "OwnerReferencesPermissionEnforcement",
        PersistentVolumeClaimResize = "PersistentVolumeClaimResize",
        PersistentVolumeLabel = "PersistentVolumeLabel",
        PodNodeSelector = "PodNodeSelector",
        PodSecurity = "PodSecurity",
        PodSecurityPolicy = "PodSecurityPolicy",
        PodTolerationRestriction = "PodTolerationRestriction",
        Priority = "Priority",
        ResourceQuota = "ResourceQuota",
        RuntimeClass = "RuntimeClass",
        SecurityContextDeny = "SecurityContextDeny",
        ServiceAccount = "ServiceAccount",
        StorageObjectInUseProtection = "StorageObjectInUseProtection",
        TaintNodesByCondition = "TaintNodesByCondition",
        ValidatingAdmissionWebhook = "ValidatingAdmissionWebhook",
    }
}

fn admission_controllers() -> Vec<AdmissionController> {
    use AdmissionController as A;
    vec![
        A::CertificateApproval,
        A::CertificateSigning,
        A::CertificateSubjectRestriction,
        A::DefaultIngressClass,
        A::DefaultStorageClass,
        A::DefaultTolerationSeconds,
        A::LimitRanger,
        A::MutatingAdmissionWebhook,
        A::NamespaceLifecycle,
        A::PersistentVolumeClaimResize,
        A::Priority,
        A::ResourceQuota,
        A::RuntimeClass,
        A::ServiceAccount,
        A::StorageObjectInUseProtection,
        A::TaintNodesByCondition,
        A::ValidatingAdmissionWebhook,
    ]
}

fn preferred_address_types() -> Vec<AddressType> {
    vec![
        AddressType::InternalIp,
        AddressType::ExternalIp,
        AddressType::Hostname,
    ]
}
