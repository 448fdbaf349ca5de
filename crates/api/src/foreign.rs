//! Which fields of other projects' objects do we touch? (management-cluster specification, section 10)

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A parent of a route: a Gateway, and which of its listeners.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// Group of the parent.
    #[serde(default = "gateway_group", skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind of the parent.
    #[serde(default = "gateway_kind", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its name.
    pub name: String,
    /// Its namespace; by default the route's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Port of its listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Name of its listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn gateway_group() -> Option<String> {
    Some("gateway.networking.k8s.io".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn gateway_kind() -> Option<String> {
    Some("Gateway".to_owned())
}

/// What one gateway says of a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// What it says.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Who says so.
    pub controller_name: String,
    /// Of which parent.
    pub parent_ref: ParentReference,
}

/// A `TLSRoute` as far as we write it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "TLSRoute",
    root = "TlsRoute",
    plural = "tlsroutes",
    namespaced,
    status = "TlsRouteStatus",
    derive = "PartialEq",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct TlsRouteSpec {
    /// Gateways.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ParentReference>,
    /// Server names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// Where they lead.
    #[serde(default)]
    pub rules: Vec<TlsRouteRule>,
}

/// Where a route leads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsRouteRule {
    /// Services.
    #[serde(default)]
    pub backend_refs: Vec<BackendReference>,
}

/// A Service and its port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendReference {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: i32,
}

/// What gateways say of a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TlsRouteStatus {
    /// One entry a gateway.
    #[serde(default)]
    pub parents: Vec<RouteParentStatus>,
}

/// A `Gateway` as far as we read it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gateway {
    /// Name and namespace.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Its listeners.
    #[serde(default)]
    pub spec: GatewaySpecView,
    /// Whether it runs.
    #[serde(default)]
    pub status: GatewayStatusView,
}

/// Listeners of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewaySpecView {
    /// Its listeners.
    #[serde(default)]
    pub listeners: Vec<Listener>,
}

/// One listener of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: i32,
    /// Its protocol.
    pub protocol: String,
}

/// Whether a gateway runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewayStatusView {
    /// Its conditions.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
