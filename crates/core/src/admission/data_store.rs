//! Rules about a DataStore beyond its schema. Missing Secrets are no reason to refuse it, since they may be created
//! later: they are reported by the DataStore's conditions.

use std::collections::BTreeSet;

use kamaji_api::datastore::{ContentRef, DataStore, Driver};

use super::types::Warning;
use crate::{data_store::LONGEST_NAME, endpoint::host_port::HostPort};

/// A reason to refuse a DataStore. The message names the field, the mistake and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataStoreRefusal {
    /// An endpoint is not `host:port`.
    #[error(
        "spec.endpoints has {text:?}, which is not host:port: write it without a scheme, for example etcd-0.etcd.svc:2379 or [2001:db8::5]:2379"
    )]
    Endpoint {
        /// The endpoint as it was written.
        text: String,
    },
    /// The name, of this many characters, is longer than a label of pods may be.
    #[error(
        "metadata.name has {0} characters, and a label of tenants' pods carries it, which takes 63: choose a shorter name"
    )]
    Name(usize),
    /// A DataStore of NATS lacks `spec.basicAuth`, the only way to log in.
    #[error(
        "spec.basicAuth is missing, and the driver NATS logs in with it: give username and password"
    )]
    NoBasicAuth,
    /// A value has neither content nor a complete reference to a Secret.
    #[error("{field} has neither content nor a secretReference with name and namespace: give one")]
    Nothing {
        /// Path of the field in the object.
        field: &'static str,
    },
}

/// Checks a DataStore: returns warnings if it may be stored, else every refusal.
///
/// DataStores that are being deleted pass, and so do updates that leave the spec alone.
pub fn validate_data_store(
    new: &DataStore,
    old: Option<&DataStore>,
) -> Result<Vec<Warning>, Vec<DataStoreRefusal>> {
    if new.metadata.deletion_timestamp.is_some() || old.is_some_and(|old| old.spec == new.spec) {
        return Ok(Vec::new());
    }
    let before: Vec<_> = old.map(refusals).unwrap_or_default();
    let (known, fresh): (Vec<_>, Vec<_>) = refusals(new)
        .into_iter()
        .partition(|refusal| before.contains(refusal));
    if !fresh.is_empty() {
        return Err(fresh);
    }
    let mut warnings: Vec<Warning> = known
        .iter()
        .map(|refusal| format!("was so before: {refusal}"))
        .collect();
    warnings.extend(warn(new));
    Ok(warnings)
}

fn refusals(store: &DataStore) -> Vec<DataStoreRefusal> {
    let spec = &store.spec;
    let mut found: Vec<_> = spec
        .endpoints
        .iter()
        .filter(|text| text.parse::<HostPort>().is_err())
        .map(|text| DataStoreRefusal::Endpoint { text: text.clone() })
        .collect();
    let length = store.metadata.name.as_ref().map_or(0, String::len);
    if length > LONGEST_NAME {
        found.push(DataStoreRefusal::Name(length));
    }
    if spec.driver == Driver::Nats && spec.basic_auth.is_none() {
        found.push(DataStoreRefusal::NoBasicAuth);
    }
    found.extend(
        references(store)
            .into_iter()
            .filter(|(_, reference)| !has_value(reference))
            .map(|(field, _)| DataStoreRefusal::Nothing { field }),
    );
    found
}

fn references(store: &DataStore) -> Vec<(&'static str, &ContentRef)> {
    let mut found = Vec::new();
    if let Some(auth) = &store.spec.basic_auth {
        found.push(("spec.basicAuth.username", &auth.username));
        found.push(("spec.basicAuth.password", &auth.password));
    }
    if let Some(tls) = &store.spec.tls_config {
        let authority = &tls.certificate_authority;
        found.push((
            "spec.tlsConfig.certificateAuthority.certificate",
            &authority.certificate,
        ));
        let key = authority.private_key.as_ref();
        found.extend(key.map(|key| ("spec.tlsConfig.certificateAuthority.privateKey", key)));
        if let Some(client) = &tls.client_certificate {
            found.push((
                "spec.tlsConfig.clientCertificate.certificate",
                &client.certificate,
            ));
            found.push((
                "spec.tlsConfig.clientCertificate.privateKey",
                &client.private_key,
            ));
        }
    }
    found
}

fn has_value(reference: &ContentRef) -> bool {
    let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    reference
        .content
        .as_ref()
        .is_some_and(|bytes| !bytes.0.is_empty())
        || reference.secret_reference.as_ref().is_some_and(|secret| {
            filled(&secret.name) && filled(&secret.namespace) && !secret.key_path.is_empty()
        })
}

fn warn(store: &DataStore) -> Vec<Warning> {
    let spec = &store.spec;
    let mut found = Vec::new();
    let distinct: BTreeSet<&String> = spec.endpoints.iter().collect();
    if distinct.len() < spec.endpoints.len() {
        found.push("spec.endpoints has the same endpoint twice: remove one".to_owned());
    }
    if spec.driver != Driver::Etcd && distinct.len() > 1 {
        found.push(format!(
            "spec.endpoints: with the driver {} only the first endpoint is dialled: put a load balancer before the others",
            spec.driver.as_str()
        ));
    }
    found
}

#[cfg(test)]
mod tests;
