//! How is the provider started?

use std::{net::SocketAddr, time::Duration};

use kamaji_core::{cluster_api, pki::webhook_certificate::WebhookService};

/// Everything that `kamaji provider` is told on its command line.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What plans look at.
    pub core: cluster_api::Settings,
    /// Only control planes of this namespace; `None` for all.
    pub namespace: Option<String>,
    /// Only objects whose watch-filter label has this value.
    pub watch_filter: Option<String>,
    /// Where `/metrics` is served; `None` for nowhere.
    pub metrics: Option<SocketAddr>,
    /// True if `/metrics` is served over TLS, to whoever may read it.
    pub metrics_secure: bool,
    /// Where `/healthz` and `/readyz` are served.
    pub health: Option<SocketAddr>,
    /// Where versions are converted; `None` for nowhere.
    pub webhooks: Option<SocketAddr>,
    /// Service that the API server reaches the conversion through, in our own namespace.
    pub service: WebhookService,
    /// True if several replicas must agree on one that writes.
    pub leader_elect: bool,
    /// Name of this replica in the lease.
    pub identity: String,
    /// Control planes that are looked at at the same time.
    pub concurrency: usize,
    /// Longest time of one look.
    pub time_limit: Duration,
    /// A control plane is looked at anew after this, although nothing has changed.
    pub resync: Duration,
}

/// Features of upstream that are off unless somebody asks for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// TenantControlPlanes in other management clusters.
    pub external: bool,
    /// Kubeconfigs of those in other namespaces than the control plane's.
    pub external_cross_namespace: bool,
    /// Infrastructure clusters are left alone.
    pub skip_infrastructure: bool,
    /// Further kinds of infrastructure clusters are patched.
    pub dynamic_infrastructure: bool,
}

impl Gates {
    /// Reads `Name=true,Name=false`.
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

/// Kinds as people write them: blanks and empty items do not count.
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
    fn gates_are_off_unless_somebody_asks() {
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
    fn a_gate_that_is_not_known_or_has_no_value_is_refused() {
        assert!(
            Gates::parse("SkipInfra=true")
                .unwrap_err()
                .contains("SkipInfraClusterPatch")
        );
        assert!(Gates::parse("SkipInfraClusterPatch").is_err());
    }

    #[test]
    fn one_blank_is_no_kind() {
        assert!(kinds(&[" ".to_owned()]).is_empty());
        let text = |s: &str| s.to_owned();
        assert_eq!(kinds(&[text("B, A,"), text("A")]), ["A", "B"]);
    }
}
