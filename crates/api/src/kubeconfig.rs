//! `KubeconfigGenerator`: kubeconfigs for all tenants that selectors match, written by the process
//! `kamaji kubeconfig-generator`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Key of the kubeconfig in a tenant's admin kubeconfig Secret that reaches the tenant cluster at its
/// Service in the management cluster.
pub const ADMIN_SERVICE: &str = "admin.svc";

/// Tenants that are selected, and the user of their kubeconfigs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "kamaji.clastix.io",
    version = "v1alpha1",
    kind = "KubeconfigGenerator",
    doc = "Selection of tenants and the user of a kubeconfig for each, which is written into the Secret TENANT-GENERATOR beside the tenant.",
    plural = "kubeconfiggenerators",
    shortname = "kc",
    category = "kamaji",
    status = "KubeconfigGeneratorStatus",
    derive = "Default",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Age","type":"date","description":"Time since the object was created","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigGeneratorSpec {
    /// Key of the tenant's admin kubeconfig Secret that gives the server: admin.svc, the Service in the
    /// management cluster, or admin.conf, the public address. Default: admin.svc.
    #[serde(default = "template")]
    pub control_plane_endpoint_from: String,
    /// Groups of the kubeconfigs' user, at most 256, each of at most 256 bytes. Empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<CompoundValue>,
    /// Selector of the namespaces whose tenants are selected. Empty: all namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Selector of the TenantControlPlanes by their labels. Empty: all tenants of the selected
    /// namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_control_plane_selector: Option<LabelSelector>,
    /// Name of the kubeconfigs' user, at most 256 bytes.
    pub user: CompoundValue,
}

fn template() -> String {
    ADMIN_SERVICE.to_owned()
}

/// Text given in place or taken from the TenantControlPlane; exactly one of the two is required.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.stringValue) || has(self.fromDefinition)) && !(has(self.stringValue) && has(self.fromDefinition))").message("give exactly one of stringValue and fromDefinition"))]
pub struct CompoundValue {
    /// Path of a field of the TenantControlPlane that gives the text, for example metadata.name.
    /// Whoever may write the tenant chooses the text; names that begin with system: or kubeadm: are
    /// refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_definition: Option<String>,
    /// Text that is the same for all tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
}

/// Observed state of a KubeconfigGenerator, once every selected tenant was reconciled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigGeneratorStatus {
    /// Number of kubeconfigs that exist. Default: 0.
    #[schemars(with = "Count")]
    pub available_resources: i64,
    /// Tenants without a kubeconfig, or with one that is not renewed, and the cause for each, at
    /// most 256; a last entry of the generator's own name counts the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<GeneratorError>,
    /// Generation of the spec that was processed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Number of tenants that are selected. Default: 0.
    #[schemars(with = "Count")]
    pub resources: i64,
}

/// An integer of no particular size, as upstream's schema has it.
#[derive(Default, Serialize)]
struct Count;

impl JsonSchema for Count {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Count".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "integer", "default": 0})
    }
}

/// Tenant without a kubeconfig and the cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorError {
    /// Cause for which the tenant has no kubeconfig.
    pub message: String,
    /// Tenant without a kubeconfig, as NAMESPACE/NAME; the generator's name for an error of its own.
    pub resource: String,
}
