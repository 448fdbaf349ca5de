//! The parsed tenant and the values that follow from it.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kamaji_api::{
    datastore::Driver,
    tenant::{
        DEFAULT_REPLICAS, StorageSetupStatus, TenantControlPlane, TenantControlPlaneSpec,
        TenantControlPlaneStatus,
    },
};

use super::{
    error::ParseError,
    hold::Hold,
    network::{Network, network},
    version::Version,
};
use crate::{
    binding::names::{schema_and_user, user_at},
    dns,
    names::Names,
};

/// A `TenantControlPlane` whose text has been parsed and checked.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Name of the `TenantControlPlane`: a DNS label that begins with a letter.
    pub name: String,
    /// Namespace of the `TenantControlPlane`.
    pub namespace: String,
    /// Uid of the `TenantControlPlane`: the default schema and user in the datastore.
    pub uid: String,
    /// The object's `metadata.generation`; 0 if it has none.
    pub generation: i64,
    /// Parts of the control plane that may run.
    pub hold: Hold,
    /// Names of the tenant's objects in the management cluster.
    pub names: Names,
    /// Kubernetes version of the control plane.
    pub version: Version,
    /// Parsed addresses, ranges, port and names.
    pub network: Network,
    /// The spec as it was written.
    pub spec: TenantControlPlaneSpec,
    /// The last published status; empty for a new tenant.
    pub status: TenantControlPlaneStatus,
}

impl Tenant {
    /// Parses an object as the API server serves it. The first mistake is returned.
    pub fn parse(object: &TenantControlPlane) -> Result<Self, ParseError> {
        let meta = &object.metadata;
        let name = meta.name.clone().ok_or(ParseError::Metadata("name"))?;
        if !(dns::is_label(&name, dns::LONGEST_LABEL)
            && name.starts_with(|c: char| c.is_ascii_lowercase()))
        {
            return Err(ParseError::Name { name });
        }
        Ok(Self {
            names: Names::of(&name),
            name,
            namespace: meta
                .namespace
                .clone()
                .ok_or(ParseError::Metadata("namespace"))?,
            uid: meta.uid.clone().ok_or(ParseError::Metadata("uid"))?,
            generation: meta.generation.unwrap_or_default(),
            hold: Hold::of(meta),
            version: Version::parse(&object.spec.kubernetes.version)?,
            network: network(&object.spec)?,
            spec: object.spec.clone(),
            status: object.status.clone().unwrap_or_default(),
        })
    }

    /// Returns the controller reference that every object of the tenant carries.
    pub fn owner(&self) -> OwnerReference {
        owner_reference(&self.name, &self.uid)
    }

    /// Kubernetes version that runs, from the published status; `None` until the first pods were ready.
    pub fn installed_version(&self) -> Option<Version> {
        Version::installed(&self.status)
    }

    /// Returns the desired replicas, 2 by default; 0 means that the control plane sleeps, or that its data is being
    /// restored.
    pub fn replicas(&self) -> i32 {
        if self.hold == Hold::Restoring {
            return 0;
        }
        let replicas = self.spec.control_plane.deployment.replicas;
        replicas.unwrap_or(DEFAULT_REPLICAS)
    }

    /// Returns `name.namespace.svc`, the host of the tenant's Service within the management cluster.
    pub fn service_host(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }

    /// Returns the schema in the datastore: the one that was set up, else the spec's, else the uid.
    pub fn schema(&self) -> &str {
        schema_and_user(self.setup(), &self.spec, &self.uid).schema
    }

    /// Returns the user in a datastore of `driver`: the one that was set up, else the spec's, else the uid, on
    /// MySQL without hyphens.
    pub fn data_store_user(&self, driver: Driver) -> Cow<'_, str> {
        user_at(self.setup(), &self.spec, &self.uid, driver)
    }

    fn setup(&self) -> Option<&StorageSetupStatus> {
        self.status.storage.as_ref()?.setup.as_ref()
    }
}

/// Returns the controller reference to the TenantControlPlane of that name and uid.
pub fn owner_reference(name: &str, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "kamaji.clastix.io/v1alpha1".to_owned(),
        kind: "TenantControlPlane".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
