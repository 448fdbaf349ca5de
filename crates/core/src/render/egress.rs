//! ConfigMap with the egress selector, by which kube-apiserver reaches nodes through konnectivity.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::metadata::{metadata, with_checksum};
use crate::tenant::Tenant;

const SELECTOR: &str = "\
apiVersion: apiserver.k8s.io/v1beta1
egressSelections:
- connection:
    proxyProtocol: GRPC
    transport:
      uds:
        udsName: /run/konnectivity/konnectivity-server.socket
  name: cluster
kind: EgressSelectorConfiguration
";

/// Renders the `ConfigMap`, which is needed while the addon is on.
pub fn config_map(tenant: &Tenant) -> ConfigMap {
    let data = BTreeMap::from([(
        "egress-selector-configuration.yaml".to_owned(),
        SELECTOR.to_owned(),
    )]);
    let component = "konnectivity-egress-selector-configuration";
    let metadata = metadata(tenant, tenant.names.konnectivity_egress(), component);
    with_checksum(metadata, data)
}

#[cfg(test)]
mod tests;
