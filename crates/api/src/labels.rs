//! Which labels, annotations and finalizers do we read and write?
//! (management-cluster specification 0.2 to 0.4)

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Label of every object of ours; its value is `kamaji`.
pub const PROJECT: &str = "kamaji.clastix.io/project";
/// Label with the name of the tenant.
pub const NAME: &str = "kamaji.clastix.io/name";
/// Label with the step that made the object.
pub const COMPONENT: &str = "kamaji.clastix.io/component";
/// Label of Secrets with something that ends: `x509` or `kubeconfig`.
pub const LIFECYCLE: &str = "kamaji.clastix.io/certificate_lifecycle_controller";
/// Label with the generator of a kubeconfig.
pub const MANAGED_BY: &str = "kamaji.clastix.io/managed-by";
/// Label with the tenant of a generated kubeconfig.
pub const MANAGED_FOR: &str = "kamaji.clastix.io/managed-for";
/// Label of a migration Job with the name of its tenant.
pub const MIGRATION_TENANT_NAME: &str = "tcp.kamaji.clastix.io/name";
/// Label of a migration Job with the namespace of its tenant.
pub const MIGRATION_TENANT_NAMESPACE: &str = "tcp.kamaji.clastix.io/namespace";
/// Prefix of the pod template's labels with checksums.
pub const COMPONENT_CHECKSUM: &str = "component.kamaji.clastix.io/";

/// Annotation with the checksum of a Secret's or ConfigMap's data.
pub const CHECKSUM: &str = "kamaji.clastix.io/checksum";
/// Annotation that asks for new keys, if empty; else the time of the last rotation.
pub const ROTATE: &str = "certs.kamaji.clastix.io/rotate";
/// Annotation of a tenant that names the lost authorities to be made anew, each with what identifies the loss.
pub const REPLACE_AUTHORITY: &str = "kamaji.clastix.io/replace-authority";
/// Annotation that pauses an object, whatever its value.
pub const PAUSED: &str = "kamaji.clastix.io/paused";
/// Annotation of an object that others made: the name of the tenant whose object it is to become.
pub const ADOPT: &str = "kamaji.clastix.io/adopt";
/// Annotation with the key of the admin Secret that the operator itself uses.
pub const KUBECONFIG_SECRET_KEY: &str = "kamaji.clastix.io/kubeconfig-secret-key";
/// Annotation of a tenant: whether the target of a migration is emptied first.
pub const CLEANUP_PRIOR_MIGRATION: &str = "kamaji.clastix.io/cleanup-prior-migration";
/// Annotation of a tenant: how long a migration may take.
pub const MIGRATION_TIMEOUT: &str = "kamaji.clastix.io/migration-timeout";
/// Annotation of a tenant with the uid of the former owner whose place in the datastore it takes.
pub const ADOPT_OWNER: &str = "kamaji.clastix.io/adopt-datastore-owner";
/// Annotation of a DataStore with the uids of management clusters that exist no more, separated by
/// commas: their tenants' places may pass to restored ones.
pub const ADOPT_CLUSTERS: &str = "kamaji.clastix.io/adopt-management-clusters";
/// Annotation of a DataStore: an etcd without access control may be used if it says `true`.
pub const WITHOUT_ACCESS_CONTROL: &str = "kamaji.clastix.io/allow-without-access-control";
/// Annotation by which upstream says that it could not manage a tenant's inside.
pub const SOOT: &str = "kamaji.clastix.io/soot";
/// Annotation of a Deployment with the checksum of the API server's further arguments.
pub const API_SERVER_ARGS: &str = "kube-apiserver.kamaji.clastix.io/args";
/// Pod template annotation with the checksum of the datastore configuration.
pub const STORAGE_CONFIG: &str = "storage.kamaji.clastix.io/config";
/// Pod template annotation with the checksum of the datastore certificate.
pub const STORAGE_CERTIFICATE: &str = "storage.kamaji.clastix.io/certificate";

/// Annotation of a tenant that names the renderer of its pods, and of the Deployment that it made.
pub const RENDERER: &str = "kamaji.clastix.io/renderer";

/// Annotation of the service-account Secret with the issuer of the tokens that its key signs, where that is
/// not the usual one.
pub const ISSUER: &str = "kamaji.clastix.io/service-account-issuer";

/// Finalizer of a tenant that has data in a datastore.
pub const FINALIZER: &str = "finalizer.kamaji.clastix.io";
/// Finalizer that upstream keeps while it manages a tenant's inside.
pub const SOOT_FINALIZER: &str = "finalizer.kamaji.clastix.io/soot";
/// Finalizer of the Secret that says where a tenant's data is.
pub const DATASTORE_SECRET_FINALIZER: &str = "finalizer.kamaji.clastix.io/datastore-secret";
/// Finalizer of a DataStore.
pub const DATASTORE_FINALIZER: &str = "kamaji.clastix.io/TenantControlPlane";

/// True if a person asked to leave the object alone.
pub fn is_paused(metadata: &ObjectMeta) -> bool {
    metadata
        .annotations
        .as_ref()
        .is_some_and(|annotations| annotations.contains_key(PAUSED))
}
