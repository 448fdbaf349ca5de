//! Keys of the labels, annotations and finalizers that Kamaji reads and writes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Label of every object that Kamaji writes; its value is `kamaji`.
pub const PROJECT: &str = "kamaji.clastix.io/project";
/// Label with the name of the tenant that an object belongs to.
pub const NAME: &str = "kamaji.clastix.io/name";
/// Label with the step of the reconcile that wrote the object, for example `deployment`.
pub const COMPONENT: &str = "kamaji.clastix.io/component";
/// Label of Secrets whose content expires: `x509` for certificates, `kubeconfig` for kubeconfigs.
pub const LIFECYCLE: &str = "kamaji.clastix.io/certificate_lifecycle_controller";
/// Label with the KubeconfigGenerator that a kubeconfig belongs to.
pub const MANAGED_BY: &str = "kamaji.clastix.io/managed-by";
/// Label with the tenant that a generated kubeconfig is for.
pub const MANAGED_FOR: &str = "kamaji.clastix.io/managed-for";
/// Annotation of a generated kubeconfig with the uid of its KubeconfigGenerator.
pub const GENERATOR_UID: &str = "kamaji.clastix.io/kubeconfig-generator-uid";
/// Label of a migration Job with the name of its tenant.
pub const MIGRATION_TENANT_NAME: &str = "tcp.kamaji.clastix.io/name";
/// Label of a migration Job with the namespace of its tenant.
pub const MIGRATION_TENANT_NAMESPACE: &str = "tcp.kamaji.clastix.io/namespace";
/// Prefix of the pod template's labels with checksums: a changed checksum replaces the pods.
pub const COMPONENT_CHECKSUM: &str = "component.kamaji.clastix.io/";

/// Annotation of a Secret or ConfigMap with the checksum of its data.
pub const CHECKSUM: &str = "kamaji.clastix.io/checksum";
/// Annotation of a Secret: empty requests new keys; otherwise it is the time of the last rotation.
pub const ROTATE: &str = "certs.kamaji.clastix.io/rotate";
/// Annotation of a tenant that names the lost authorities to replace, each with what identifies the
/// loss.
pub const REPLACE_AUTHORITY: &str = "kamaji.clastix.io/replace-authority";
/// Annotation that pauses the reconciliation of an object, whatever its value.
pub const PAUSED: &str = "kamaji.clastix.io/paused";
/// Annotation of an object that Kamaji did not create: the name of the tenant that may take it
/// over.
pub const ADOPT: &str = "kamaji.clastix.io/adopt";
/// Annotation of a tenant with the key of the admin Secret whose kubeconfig the operator uses.
pub const KUBECONFIG_SECRET_KEY: &str = "kamaji.clastix.io/kubeconfig-secret-key";
/// Annotation of a tenant, known from upstream: empty the target of a migration first.
pub const CLEANUP_PRIOR_MIGRATION: &str = "kamaji.clastix.io/cleanup-prior-migration";
/// Annotation of a tenant, known from upstream: time limit of a migration.
pub const MIGRATION_TIMEOUT: &str = "kamaji.clastix.io/migration-timeout";
/// Annotation of a tenant that names a DataStore which held its data before a migration: what is left there
/// is deleted.
pub const RELEASE_MIGRATION_SOURCE: &str = "kamaji.clastix.io/release-migration-source";
/// Annotation of a tenant with the uid of the former owner whose data in the datastore it takes
/// over.
pub const ADOPT_OWNER: &str = "kamaji.clastix.io/adopt-datastore-owner";
/// Annotation of a DataStore with the uids of management clusters that no longer exist, separated
/// by commas: restored tenants may take over the data of their tenants.
pub const ADOPT_CLUSTERS: &str = "kamaji.clastix.io/adopt-management-clusters";
/// Annotation of a DataStore: `true` permits an etcd without access control.
pub const WITHOUT_ACCESS_CONTROL: &str = "kamaji.clastix.io/allow-without-access-control";
/// Annotation by which upstream reports that it could not manage a tenant cluster.
pub const SOOT: &str = "kamaji.clastix.io/soot";
/// Annotation of a Deployment with the checksum of the API server's further arguments.
pub const API_SERVER_ARGS: &str = "kube-apiserver.kamaji.clastix.io/args";
/// Annotation of the pod template with the checksum of the datastore configuration.
pub const STORAGE_CONFIG: &str = "storage.kamaji.clastix.io/config";
/// Annotation of the pod template with the checksum of the datastore certificate.
pub const STORAGE_CERTIFICATE: &str = "storage.kamaji.clastix.io/certificate";
/// Annotation of a tenant whose data `kamaji snapshot restore` writes: no pod of its control plane runs. The
/// value identifies the snapshot.
pub const RESTORING: &str = "kamaji.clastix.io/restoring";
/// Annotation of a clone until it is released: its API server runs without admission webhooks, scheduler and
/// controller manager, whatever the value.
pub const FENCED: &str = "kamaji.clastix.io/fenced";

/// Annotation with the number of the pod template renderer: of a tenant, the one to use; of a
/// Deployment, the one that wrote it.
pub const RENDERER: &str = "kamaji.clastix.io/renderer";

/// Annotation of the service account Secret with the issuer of the tokens that its key signs, where
/// that is not the usual one.
pub const ISSUER: &str = "kamaji.clastix.io/service-account-issuer";

/// Finalizer of a tenant that has data in a datastore.
pub const FINALIZER: &str = "finalizer.kamaji.clastix.io";
/// Finalizer that upstream keeps while it manages a tenant cluster.
pub const SOOT_FINALIZER: &str = "finalizer.kamaji.clastix.io/soot";
/// Finalizer of the Secret with the tenant's connection data, without which the data could not be
/// found again.
pub const DATASTORE_SECRET_FINALIZER: &str = "finalizer.kamaji.clastix.io/datastore-secret";
/// Finalizer of a DataStore that tenants use.
pub const DATASTORE_FINALIZER: &str = "kamaji.clastix.io/TenantControlPlane";

/// True if the object has the annotation [`PAUSED`]: reconciles leave it alone.
pub fn is_paused(metadata: &ObjectMeta) -> bool {
    metadata
        .annotations
        .as_ref()
        .is_some_and(|annotations| annotations.contains_key(PAUSED))
}
