//! Condition types of a KamajiControlPlane. Each condition has a reason of its own, and a message with the object,
//! the cause and the next action.

/// True if the other management cluster can be used; absent if the tenant is in the provider's own.
pub const EXTERNAL_CLIENT: &str = "FoundExternalReferenceClient";
/// True if the TenantControlPlane is as the control plane asks.
pub const TENANT_CREATED: &str = "TenantControlPlaneCreated";
/// True if the TenantControlPlane has an address.
pub const ADDRESS_READY: &str = "TenantControlPlaneAddressReady";
/// True if the address is in `spec.controlPlaneEndpoint` of the control plane.
pub const ENDPOINT_PATCHED: &str = "ControlPlaneEndpointPatched";
/// True if the infrastructure cluster has the address, or needs none.
pub const INFRASTRUCTURE_PATCHED: &str = "InfrastructureClusterPatched";
/// True once the API server has answered a request with the published kubeconfig; never false again.
pub const INITIALIZED: &str = "KamajiControlPlaneIsInitialized";
/// True if kubeconfig and CA are published.
pub const SECRETS_CREATED: &str = "KubeadmResourcesCreated";
/// True if the control plane is initialised and serves; upstream's name of [`AVAILABLE`].
pub const READY: &str = "KamajiControlPlaneIsReady";
/// The contract's condition: true if the control plane is initialised and serves.
pub const AVAILABLE: &str = "Available";
/// True if CAs and certificates exist and are valid.
pub const CERTIFICATES: &str = "CertificatesAvailable";
/// True while reconciling is paused.
pub const PAUSED: &str = "Paused";
/// True while the control plane is being deleted.
pub const DELETING: &str = "Deleting";
