//! Condition types of a KamajiControlPlane. Each condition has a reason of its own, and a message with the object,
//! the cause and the next action.

/// True if the other management cluster can be used; absent if the tenant is in the provider's own.
pub(super) const EXTERNAL_CLIENT: &str = "FoundExternalReferenceClient";
/// True if the TenantControlPlane is as the control plane asks.
pub(super) const TENANT_CREATED: &str = "TenantControlPlaneCreated";
/// True if the TenantControlPlane has an address.
pub(super) const ADDRESS_READY: &str = "TenantControlPlaneAddressReady";
/// True if the address is in `spec.controlPlaneEndpoint` of the control plane.
pub(super) const ENDPOINT_PATCHED: &str = "ControlPlaneEndpointPatched";
/// True if the infrastructure cluster has the address, or needs none.
pub(super) const INFRASTRUCTURE_PATCHED: &str = "InfrastructureClusterPatched";
/// True once the API server has answered a request with the published kubeconfig; never false again.
pub(super) const INITIALIZED: &str = "KamajiControlPlaneIsInitialized";
/// True if kubeconfig and CA are published.
pub(super) const SECRETS_CREATED: &str = "KubeadmResourcesCreated";
/// True if the control plane is initialised and serves; upstream's name of [`AVAILABLE`].
pub(super) const READY: &str = "KamajiControlPlaneIsReady";
/// The contract's condition: true if the control plane is initialised and serves.
pub(super) const AVAILABLE: &str = "Available";
/// True if CAs and certificates exist and are valid.
pub(super) const CERTIFICATES: &str = "CertificatesAvailable";
/// True while reconciling is paused.
pub(super) const PAUSED: &str = "Paused";
/// True while the control plane is being deleted.
pub(super) const DELETING: &str = "Deleting";
