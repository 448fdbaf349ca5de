//! Which kubeconfigs shall be made for which tenants?

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which tenants get a kubeconfig, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "kamaji.clastix.io",
    version = "v1alpha1",
    kind = "KubeconfigGenerator",
    doc = "Makes a kubeconfig for every tenant that it selects.",
    plural = "kubeconfiggenerators",
    shortname = "kc",
    category = "kamaji",
    status = "KubeconfigGeneratorStatus",
    derive = "Default",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Age","type":"date","description":"Age","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigGeneratorSpec {
    /// Key of the admin Secret that serves as template: CA, server, cluster name.
    #[serde(default = "template")]
    pub control_plane_endpoint_from: String,
    /// Groups of the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<CompoundValue>,
    /// Namespaces whose tenants count; empty for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Tenants that count; empty for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_control_plane_selector: Option<LabelSelector>,
    /// The user.
    pub user: CompoundValue,
}

fn template() -> String {
    "admin.svc".to_owned()
}

/// A text, as it is or from the tenant's definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.stringValue) || has(self.fromDefinition)) && !(has(self.stringValue) && has(self.fromDefinition))").message("give exactly one of stringValue and fromDefinition"))]
pub struct CompoundValue {
    /// Path into the TenantControlPlane, for example metadata.name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_definition: Option<String>,
    /// The text itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
}

/// What has become of a generator's kubeconfigs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigGeneratorStatus {
    /// Kubeconfigs that are there.
    #[schemars(with = "Count")]
    pub available_resources: i64,
    /// Tenants without one, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<GeneratorError>,
    /// Generation that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Tenants that count.
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

/// Why a tenant has no kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorError {
    /// Why.
    pub message: String,
    /// The tenant, as namespace/name.
    pub resource: String,
}
