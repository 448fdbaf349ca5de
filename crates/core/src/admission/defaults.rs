//! Defaults of a tenant's spec, filled in at admission.
//!
//! Schema and user in the datastore stay unset: their default is the tenant's uid, which is not known yet at
//! admission, and which plans fall back to.

use json_patch::{Patch, diff};
use kamaji_api::tenant::TenantControlPlane;
use serde_json::{Map, Value};

use crate::{settings::Settings, tenant::default_dns};

/// Paths of all fields that get a default.
const FIELDS: [&[&str]; 5] = [
    &["spec", "dataStore"],
    &["spec", "controlPlane", "deployment", "replicas"],
    &["spec", "networkProfile", "serviceCidrs"],
    &["spec", "networkProfile", "podCidrs"],
    &["spec", "networkProfile", "dnsServiceIPs"],
];

/// Returns the tenant with its defaults. Text that cannot be parsed is left to [`super::validate`].
#[must_use]
pub fn default(object: &TenantControlPlane, settings: &Settings) -> TenantControlPlane {
    let mut object = object.clone();
    let spec = &mut object.spec;
    if spec.data_store.as_deref().unwrap_or_default().is_empty()
        && settings.default_data_store.is_some()
    {
        spec.data_store.clone_from(&settings.default_data_store);
    }
    spec.control_plane.deployment.replicas.get_or_insert(2);
    let network = &mut spec.network_profile;
    adopt(&mut network.service_cidrs, network.service_cidr.as_deref());
    adopt(&mut network.pod_cidrs, network.pod_cidr.as_deref());
    if network.dns_service_ips.is_empty() {
        network.dns_service_ips = network
            .service_cidrs
            .iter()
            .filter_map(|range| default_dns(&range.parse().ok()?))
            .map(|address| address.to_string())
            .collect();
    }
    object
}

/// Fills an empty list of ranges with the deprecated single one.
fn adopt(list: &mut Vec<String>, single: Option<&str>) {
    if list.is_empty() {
        list.extend(single.filter(|text| !text.is_empty()).map(str::to_owned));
    }
}

/// Returns the patch that gives `raw`, the object as it was sent, the defaults of `defaulted`. Other fields are never
/// touched, unknown ones included.
pub fn patch(raw: &Value, defaulted: &TenantControlPlane) -> Patch {
    let full = serde_json::to_value(defaulted).unwrap_or_default();
    let mut desired = raw.clone();
    for path in FIELDS {
        let pointer = format!("/{}", path.join("/"));
        if let Some(value) = full.pointer(&pointer).filter(|value| !value.is_null()) {
            set(&mut desired, path, value);
        }
    }
    diff(raw, &desired)
}

fn set(into: &mut Value, path: &[&str], value: &Value) {
    match path {
        [] => into.clone_from(value),
        [key, rest @ ..] => {
            if into.is_null() {
                *into = Value::Object(Map::new());
            }
            // A list where there should be a map has been refused by the schema already.
            if let Value::Object(map) = into {
                set(map.entry(*key).or_insert(Value::Null), rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
