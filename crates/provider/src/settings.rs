//! Options of the command `kamaji provider`.

use std::{net::SocketAddr, time::Duration};

use kamaji_core::{cluster_api, pki::webhook_certificate::WebhookService};

/// Options of the command line, parsed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Options that plans depend on.
    pub core: cluster_api::Settings,
    /// Only namespace whose control planes are reconciled; `None` for all.
    pub namespace: Option<String>,
    /// Value of the label `cluster.x-k8s.io/watch-filter` of control planes to reconcile; `None` for all.
    pub watch_filter: Option<String>,
    /// Address of `/metrics`; `None` to serve none.
    pub metrics: Option<SocketAddr>,
    /// True if `/metrics` is served over TLS and requests are authorised by the API server.
    pub metrics_secure: bool,
    /// Address of `/healthz` and `/readyz`; `None` to serve none.
    pub health: Option<SocketAddr>,
    /// Address of the conversion webhook; `None` to serve none.
    pub webhooks: Option<SocketAddr>,
    /// Service of the conversion webhook, in the provider's own namespace.
    pub service: WebhookService,
    /// True if replicas elect a leader by a lease; only the leader writes.
    pub leader_elect: bool,
    /// Holder identity of this replica in the lease.
    pub identity: String,
    /// Largest number of concurrent reconciles.
    pub concurrency: usize,
    /// Limit for one reconcile.
    pub time_limit: Duration,
    /// Period after which an unchanged control plane is reconciled again, shortened by up to a tenth.
    pub resync: Duration,
}

/// Feature gates of upstream, all off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// `ExternalClusterReference`: TenantControlPlanes may be in other management clusters.
    pub external: bool,
    /// `ExternalClusterReferenceCrossNamespace`: their kubeconfigs may be in any namespace.
    pub external_cross_namespace: bool,
    /// `SkipInfraClusterPatch`: infrastructure clusters are not patched.
    pub skip_infrastructure: bool,
    /// `DynamicInfrastructureClusterPatch`: further kinds of infrastructure clusters are patched.
    pub dynamic_infrastructure: bool,
}

impl Gates {
    /// Parses `Name=true,Name=false`. The error names the part that is wrong and the known gates.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut gates = Self::default();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = match value.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "t" => true,
                "false" | "0" | "f" => false,
                _ => return Err(format!("{part:?} is neither NAME=true nor NAME=false")),
            };
            let gate = match name.trim() {
                "ExternalClusterReference" => &mut gates.external,
                "ExternalClusterReferenceCrossNamespace" => &mut gates.external_cross_namespace,
                "SkipInfraClusterPatch" => &mut gates.skip_infrastructure,
                "DynamicInfrastructureClusterPatch" => &mut gates.dynamic_infrastructure,
                other => {
                    return Err(format!(
                        "there is no feature gate {other:?}: it is one of ExternalClusterReference, ExternalClusterReferenceCrossNamespace, SkipInfraClusterPatch, DynamicInfrastructureClusterPatch"
                    ));
                }
            };
            *gate = value;
        }
        Ok(gates)
    }
}

/// Kinds from lists separated by commas, sorted and without blanks, empty items and duplicates.
pub fn kinds(items: &[String]) -> Vec<String> {
    let mut kinds: Vec<_> = items
        .iter()
        .flat_map(|item| item.split(','))
        .map(|kind| kind.trim().to_owned())
        .filter(|kind| !kind.is_empty())
        .collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_off_by_default() {
        assert_eq!(Gates::parse(""), Ok(Gates::default()));
        let gates = Gates::parse("ExternalClusterReference=true, SkipInfraClusterPatch=false");
        assert_eq!(
            gates,
            Ok(Gates {
                external: true,
                ..Gates::default()
            })
        );
    }

    #[test]
    fn an_unknown_gate_or_one_without_a_value_is_refused() {
        assert!(
            Gates::parse("SkipInfra=true")
                .unwrap_err()
                .contains("SkipInfraClusterPatch")
        );
        assert!(Gates::parse("SkipInfraClusterPatch").is_err());
    }

    #[test]
    fn blank_items_are_no_kinds() {
        assert!(kinds(&[" ".to_owned()]).is_empty());
        let text = |s: &str| s.to_owned();
        assert_eq!(kinds(&[text("B, A,"), text("A")]), ["A", "B"]);
    }
}
