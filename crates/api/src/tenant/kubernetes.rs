//! Which Kubernetes does a tenant run, and how are its kubelets configured?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Kubernetes that a tenant runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesSpec {
    /// Admission plugins of the API server.
    #[serde(default = "admission_controllers")]
    pub admission_controllers: Vec<AdmissionController>,
    /// Configuration of the kubelets that join.
    pub kubelet: KubeletSpec,
    /// Version, which is also the tag of the images.
    pub version: String,
}

/// Configuration of the kubelets that join.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeletSpec {
    /// Deprecated: cgroup driver; a JSON patch says the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroupfs: Option<CgroupDriver>,
    /// Changes to the kubelet configuration that workers get, RFC 6902.
    #[serde(
        rename = "configurationJSONPatches",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub configuration_json_patches: Vec<JsonPatch>,
    /// Order of the addresses at which the API server tries kubelets.
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

/// One change to the kubelet configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JsonPatch {
    /// Source, for move and copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What to do.
    pub op: JsonPatchOperation,
    /// Where, as a JSON pointer.
    pub path: String,
    /// With what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// The word as users write it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    )*};
}

words! {
    /// What a JSON patch does.
    JsonPatchOperation {
        Add = "add", Remove = "remove", Replace = "replace", Move = "move", Copy = "copy",
        Test = "test",
    }

    /// How kubelets manage cgroups.
    CgroupDriver { Systemd = "systemd", Cgroupfs = "cgroupfs", }

    /// A kind of node address.
    AddressType {
        Hostname = "Hostname", InternalIp = "InternalIP", ExternalIp = "ExternalIP",
        InternalDns = "InternalDNS", ExternalDns = "ExternalDNS",
    }

    /// An admission plugin of kube-apiserver.
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
