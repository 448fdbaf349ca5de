//! Reasons of conditions and events of TenantControlPlanes, KamajiControlPlanes and DataStores, with their
//! severity. `docs/conditions.md` lists them for users.

use std::fmt;

/// Urgency of a reason; decides the type of the event about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The state is a desired one.
    Normal,
    /// The object waits for another object. Its event is a warning on the object that waits, and normal
    /// on an object that copies the condition.
    Waiting,
    /// A user or an administrator has to act.
    Warning,
}

/// Declares [`Reason`] as one table: severity, then the reasons that have it.
macro_rules! reasons {
    ($($severity:ident: { $($(#[doc = $doc:literal])+ $reason:ident,)+ })+) => {
        /// Reason of a condition or an event. Its text there is the variant's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($($(#[doc = $doc])+ $reason,)+)+
        }

        impl Reason {
            /// Every reason, by severity.
            pub const ALL: &'static [Self] = &[$($(Self::$reason,)+)+];

            /// The reason as it is written in a status.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$reason => stringify!($reason),)+)+
                }
            }

            /// The meaning of this reason, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $($(Self::$reason => concat!($($doc),+).trim_ascii_start(),)+)+
                }
            }

            /// The severity of this reason.
            pub const fn severity(self) -> Severity {
                match self {
                    $($(Self::$reason)|+ => Severity::$severity,)+
                }
            }
        }
    };
}

reasons! {
    Normal: {
        /// The objects that the condition covers are as planned.
        AsPlanned,
        /// At least one replica is ready.
        ReplicasReady,
        /// The tenant asks for no replicas.
        Sleeping,
        /// The tenant's data is being restored from a snapshot.
        Restoring,
        /// The control plane or its certificates can be used.
        Available,
        /// Pods of an older template are being replaced.
        RollingOut,
        /// Every pod is of the newest template.
        NotRollingOut,
        /// Fewer replicas exist than the spec asks for.
        ScalingUp,
        /// No further replica is needed.
        NotScalingUp,
        /// More replicas exist than the spec asks for.
        ScalingDown,
        /// No replica has to go.
        NotScalingDown,
        /// The step of the reconcile succeeded.
        Succeeded,
        /// The step is switched off by a setting.
        Skipped,
        /// The step does not apply to this object.
        NotNeeded,
        /// Reconciling is suspended by the Cluster or an annotation.
        Paused,
        /// Reconciling is not suspended.
        NotPaused,
        /// The object is being deleted.
        Deleting,
        /// The object is not being deleted.
        NotDeleting,
        /// The deletion waits for the TenantControlPlane to be deleted.
        TenantControlPlaneDeleting,
        /// The deletion waits for the garbage collector, since the TenantControlPlane is to stay.
        TenantControlPlaneOrphaned,
        /// The references of the DataStore resolve.
        DataStoreIsValid,
        /// No tenant uses the DataStore.
        DataStoreUnused,
        /// The tenant's data is being moved to another DataStore.
        MigrationRunning,
        /// The tenant's data was moved to another DataStore.
        Migrated,
        /// A migration was aborted, and the copy at its target is removed.
        MigrationAborted,
        /// The data that a migration had left in a former DataStore was deleted.
        MigrationSourceReleased,
        /// The datastore answered the last check.
        Answers,
        /// The datastore enforces access control.
        Enforced,
    }
    Waiting: {
        /// The control plane's Service has no usable address yet.
        ServicePending,
        /// The name of the control plane's Service is taken by a foreign object.
        ServiceForeign,
        /// The Service of type LoadBalancer has no address yet.
        LoadBalancerPending,
        /// The load balancer has a host name and no address.
        LoadBalancerHostnameOnly,
        /// A Service of type NodePort needs an address in the spec.
        AddressMissing,
        /// The address families of the Service and of the spec differ.
        FamiliesDiffer,
        /// The TenantControlPlane has no address yet.
        AddressPending,
        /// The TenantControlPlane is being created.
        TenantControlPlanePending,
        /// The TenantControlPlane is not available.
        NotAvailable,
        /// No owner reference names a Cluster yet.
        OwnerMissing,
        /// The infrastructure cluster does not exist yet.
        InfrastructureMissing,
        /// The published endpoint is not the present one.
        EndpointOutdated,
        /// A Secret of the tenant does not exist yet.
        SecretPending,
        /// The published Secrets do not exist yet.
        SecretsPending,
        /// The certificates do not exist yet.
        CertificatesPending,
        /// The API server was not probed yet.
        ProbePending,
        /// The deletion of the DataStore waits for the tenants that use it.
        DataStoreStillUsed,
    }
    Warning: {
        /// The Deployment does not exist yet.
        DeploymentPending,
        /// No replica of the Deployment is ready.
        NoReplicaReady,
        /// The tenant cluster was not reconciled yet.
        NotReconciledYet,
        /// The datastore binding was not made yet.
        NotBound,
        /// The spec cannot be parsed.
        SpecInvalid,
        /// The object has a value that this build does not know.
        ObjectUnreadable,
        /// An object with a planned name exists and does not belong to the tenant.
        ObjectForeign,
        /// An annotation of the tenant cannot be parsed.
        AnnotationUnreadable,
        /// Secrets under the tenant's names belong to a former owner.
        SecretsOfAnotherOwner,
        /// The recorded renderer is not part of this build.
        RendererUnknown,
        /// The spec asks for routes and the API server serves none.
        GatewayApiMissing,
        /// A CA or key that was issued is gone.
        AuthorityLost,
        /// A CA or key cannot be parsed.
        AuthorityDamaged,
        /// A CA ends soon and is not renewed by itself.
        AuthorityExpiring,
        /// Requested new keys wait for the rest of the plan.
        RenewalWaits,
        /// The requested version is older than the installed one.
        DowngradeRefused,
        /// The requested version is more than one minor away.
        MinorSkipped,
        /// The rollout takes longer than its deadline.
        ProgressDeadlineExceeded,
        /// A pod of the rollout fits on no node.
        Unschedulable,
        /// An image of the rollout cannot be pulled.
        ImagePullBackOff,
        /// A container of the rollout exits again and again.
        CrashLoopBackOff,
        /// A container of the rollout cannot be started.
        ContainerFailed,
        /// The spec names no datastore and there is no default.
        DataStoreUnnamed,
        /// The DataStore does not exist.
        DataStoreMissing,
        /// The DataStore is not valid yet.
        DataStoreNotReady,
        /// The DataStore is being deleted.
        DataStoreLeaving,
        /// The datastore does not accept the schema or user name.
        DataStoreNameRefused,
        /// The DataStore's CA cannot sign client certificates.
        DataStoreCertificateAuthorityUnusable,
        /// The datastore cannot be reached or returned an error.
        DataStoreFailed,
        /// Another tenant has the schema or user.
        DataStoreShared,
        /// The schema or user was not created by this cluster.
        DataStoreForeign,
        /// A restored Secret names a schema that neither status nor spec names.
        DataStoreUnrecorded,
        /// Data of a tenant that was deleted, or was to be released, was left in the datastore.
        DataStoreLeft,
        /// The datastore does not enforce access control.
        AccessControlOff,
        /// The tenant holds more data than the soft limit of its DataStore.
        SoftLimitExceeded,
        /// The tenant's data cannot be moved to the requested DataStore.
        MigrationUnavailable,
        /// An attempt to move the tenant's data failed, and the tenant runs on where it was.
        MigrationFailed,
        /// The attempts to move the tenant's data failed, and no other is due.
        MigrationGivenUp,
        /// The overrides of a tenant with data differ from the recorded ones.
        OverridesChanged,
        /// An override's DataStore has another CA.
        OverrideAuthorityDiffers,
        /// An override's DataStore, or the DataStore that the overrides stand beside, is not etcd.
        OverrideDriverNotEtcd,
        /// The tenant's API server cannot be reached or returned an error.
        TenantApiUnreachable,
        /// The content of the tenant cluster cannot be rendered.
        TenantClusterInvalid,
        /// The spec limits writes and the operator has no webhook CA.
        WriteLimitUnavailable,
        /// The administrator's kubeconfig has not the expected key.
        KubeconfigMissing,
        /// The administrator's kubeconfig cannot be parsed.
        KubeconfigUnreadable,
        /// The administrator's kubeconfig makes no client.
        KubeconfigUnusable,
        /// A read from the management cluster failed.
        ReadFailed,
        /// A write met another version of the object.
        WriteConflict,
        /// A write failed for another reason than the ones below.
        WriteFailed,
        /// A write needs a permission that is missing.
        WriteForbidden,
        /// The API server or a webhook refused the content.
        WriteRefused,
        /// An object was written over and over, and is left to rest.
        WriteStorm,
        /// The replica is not the leader.
        NotLeading,
        /// A reconcile exceeded its time limit.
        ReconcileTimedOut,
        /// A reconcile ended by a panic.
        InternalError,
        /// The Cluster that owns the control plane does not exist.
        ClusterMissing,
        /// The Cluster's `spec.controlPlaneRef` does not name the control plane that has it as its owner.
        ControlPlaneRefMismatch,
        /// The Cluster names another endpoint.
        EndpointMismatch,
        /// The remote management cluster cannot be reached.
        ExternalClusterUnreachable,
        /// The reference to a remote management cluster cannot be used.
        ExternalReferenceInvalid,
        /// The infrastructure cluster cannot be read.
        InfrastructureUnreadable,
        /// The infrastructure cluster's kind is not supported.
        InfrastructureUnsupported,
        /// The probe of the API server failed.
        ProbeFailed,
        /// A Secret with the name of one to publish exists and does not belong to the control plane.
        SecretForeign,
        /// A Secret of the tenant lacks an expected key.
        SecretKeyMissing,
        /// A Secret to publish exists with another type.
        SecretTypeWrong,
        /// The TenantControlPlane exists and does not belong to the control plane.
        TenantControlPlaneForeign,
        /// An endpoint of the DataStore is not `host:port`.
        EndpointsValidationFailed,
        /// The user or the password of the DataStore is missing or cannot be read.
        BasicAuthValidationFailed,
        /// The CA or the client certificate of the DataStore is missing or cannot be used.
        TLSConfigurationValidationFailed,
        /// The name of the DataStore is longer than a label's value.
        NameTooLong,
        /// A certificate of the DataStore ends soon.
        CertificateExpiring,
        /// The last check of the datastore failed.
        CheckFailed,
        /// The datastore does not enforce access control, so that tenants wait.
        Off,
        /// The datastore does not enforce access control, which an administrator accepts.
        Accepted,
        /// An operator of another namespace leads, and this one waits.
        AnotherOperatorLeads,
    }
}

impl Reason {
    /// The reason of this text; `None` for one that no variant has.
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|reason| reason.as_str() == text)
    }

    /// True if a tenant that is not ready for this reason stays so until a person changes an object: its
    /// spec, a Secret, a DataStore, an image, or a right. False for what ends by itself or is tried again,
    /// and for a tenant that is not meant to run.
    pub const fn needs_person(self) -> bool {
        matches!(
            self,
            Self::ServiceForeign
                | Self::LoadBalancerHostnameOnly
                | Self::AddressMissing
                | Self::FamiliesDiffer
                | Self::SpecInvalid
                | Self::ObjectUnreadable
                | Self::ObjectForeign
                | Self::RendererUnknown
                | Self::GatewayApiMissing
                | Self::AuthorityLost
                | Self::AuthorityDamaged
                | Self::DowngradeRefused
                | Self::MinorSkipped
                | Self::ProgressDeadlineExceeded
                | Self::ImagePullBackOff
                | Self::CrashLoopBackOff
                | Self::ContainerFailed
                | Self::DataStoreUnnamed
                | Self::DataStoreMissing
                | Self::DataStoreNotReady
                | Self::DataStoreLeaving
                | Self::DataStoreNameRefused
                | Self::DataStoreCertificateAuthorityUnusable
                | Self::DataStoreShared
                | Self::DataStoreForeign
                | Self::DataStoreUnrecorded
                | Self::AccessControlOff
                | Self::MigrationUnavailable
                | Self::MigrationGivenUp
                | Self::OverridesChanged
                | Self::OverrideAuthorityDiffers
                | Self::OverrideDriverNotEtcd
                | Self::TenantClusterInvalid
                | Self::WriteLimitUnavailable
                | Self::KubeconfigMissing
                | Self::KubeconfigUnreadable
                | Self::KubeconfigUnusable
                | Self::WriteForbidden
                | Self::WriteRefused
                | Self::WriteStorm
        )
    }

    /// True if every new tenant passes through this reason, or its owner chose it: worth an event only
    /// when it replaces a condition that was True.
    pub const fn is_startup(self) -> bool {
        matches!(
            self,
            Self::ServicePending
                | Self::DeploymentPending
                | Self::NotReconciledYet
                | Self::NoReplicaReady
                | Self::Sleeping
                | Self::Restoring
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Compares with the reason of a condition.
impl PartialEq<Reason> for String {
    fn eq(&self, reason: &Reason) -> bool {
        self == reason.as_str()
    }
}

/// Compares with the public text.
impl PartialEq<&str> for Reason {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == *text
    }
}

#[cfg(test)]
mod tests;
