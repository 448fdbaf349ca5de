//! Views of the Gateway API's kinds: only the fields that the operator reads or writes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gateway that a route attaches to, and the listener of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// API group of the parent. Default: gateway.networking.k8s.io.
    #[serde(default = "gateway_group", skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind of the parent. Default: Gateway.
    #[serde(default = "gateway_kind", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name of the parent, for example of the Gateway.
    pub name: String,
    /// Namespace of the parent. Empty: that of the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Port of the listener that the route attaches to, 1 to 65535. Empty: listeners of every port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Name of the listener that the route attaches to. Empty: all listeners that accept the route.
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

/// Status of a route for one parent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// Conditions of the route at this parent, for example Accepted.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Name of the Gateway controller that wrote this status.
    pub controller_name: String,
    /// Parent that this status is about.
    pub parent_ref: ParentReference,
}

/// A `TLSRoute`, as far as the operator writes it.
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
    /// Gateways that the route attaches to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ParentReference>,
    /// Server names (SNI) that the route takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// Services that connections are forwarded to.
    #[serde(default)]
    pub rules: Vec<TlsRouteRule>,
}

/// Forwarding rule of a `TLSRoute`: connections are forwarded as they are, without ending TLS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsRouteRule {
    /// Services of the route's namespace that connections are forwarded to.
    #[serde(default)]
    pub backend_refs: Vec<BackendReference>,
}

/// A Service of the route's namespace and one of its ports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendReference {
    /// Name of the Service.
    pub name: String,
    /// Port of the Service, 1 to 65535.
    pub port: i32,
}

/// Status of a `TLSRoute` for each of its parents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TlsRouteStatus {
    /// Status entries, one for each Gateway and controller.
    #[serde(default)]
    pub parents: Vec<RouteParentStatus>,
}

/// A `Gateway`, as far as the operator reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gateway {
    /// Name and namespace identify the Gateway.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Listeners of the Gateway.
    #[serde(default)]
    pub spec: GatewaySpecView,
    /// Conditions of the Gateway; `Programmed` says that it serves.
    #[serde(default)]
    pub status: GatewayStatusView,
}

/// Spec of a `Gateway`, as far as the operator reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewaySpecView {
    /// Listeners of the Gateway.
    #[serde(default)]
    pub listeners: Vec<Listener>,
}

/// Listener of a `Gateway`: a port with a protocol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Name of the listener, which routes refer to as `sectionName`.
    pub name: String,
    /// Port of the listener, 1 to 65535.
    pub port: i32,
    /// Protocol of the listener; `TLS` passes connections through.
    pub protocol: String,
}

/// Status of a `Gateway`, as far as the operator reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewayStatusView {
    /// Conditions of the Gateway.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
