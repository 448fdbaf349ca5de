//! Requests, the facts they are checked against, and findings: the types that all rules share.

use std::collections::BTreeMap;

use kamaji_api::{datastore::Driver, tenant::TenantControlPlane};

use super::refusal::Refusal;
use crate::binding::data_stores;

/// Facts about the management cluster that the rules need beside the object itself.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Drivers of all DataStores, by name.
    pub data_stores: BTreeMap<String, Driver>,
    /// Name of the DataStore for tenants that name none; `None` if the operator has no default.
    pub default_data_store: Option<String>,
    /// True if the management cluster serves gateway.networking.k8s.io/v1 TLSRoute.
    pub tls_routes: bool,
    /// Schemas and users that tenants have in the datastores, the requested one's included.
    pub claims: Vec<Claim>,
}

/// The schema and user that a tenant has in its datastore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Namespace of the tenant.
    pub namespace: String,
    /// Name of the tenant.
    pub name: String,
    /// Prefix, database or bucket of the tenant's data.
    pub schema: String,
    /// Role or user that the tenant logs in with.
    pub user: String,
    /// Name of the DataStore that holds its data, or will; `None` if neither spec nor operator names one.
    pub data_store: Option<String>,
}

impl Claim {
    /// Returns the claim of a stored tenant, with the operator's `default` DataStore; `None` for one that the API
    /// server has not stored yet. Cheap, since it is computed for every tenant.
    pub fn of(object: &TenantControlPlane, default: Option<&str>) -> Option<Self> {
        let meta = &object.metadata;
        let names = data_stores::claimed(object)?;
        Some(Self {
            namespace: meta.namespace.clone()?,
            name: meta.name.clone()?,
            schema: names.schema.to_owned(),
            user: names.user.to_owned(),
            data_store: data_stores::effective(object, default).map(str::to_owned),
        })
    }
}

/// A request to create or update a tenant.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The tenant as requested.
    pub new: &'a TenantControlPlane,
    /// The tenant as stored; `None` if it is created.
    pub old: Option<&'a TenantControlPlane>,
    /// Facts about the management cluster.
    pub facts: &'a Facts,
}

/// A sentence for the author of an object that is stored, but may not work as expected.
pub type Warning = String;

/// Refusals and warnings for one object.
#[derive(Default)]
pub(super) struct Findings {
    pub refusals: Vec<Refusal>,
    pub warnings: Vec<Warning>,
}

impl Findings {
    pub fn refuse(&mut self, refusal: impl Into<Refusal>) {
        self.refusals.push(refusal.into());
    }

    pub fn warn(&mut self, warning: impl Into<Warning>) {
        self.warnings.push(warning.into());
    }
}
