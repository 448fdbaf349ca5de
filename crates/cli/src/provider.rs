//! `kamaji provider`: the Cluster API control-plane provider, with the flags of upstream and those
//! that every provider has.

use std::time::Duration;

use anyhow::{Context, bail};
use kamaji_core::{cluster_api, pki::webhook_certificate::WebhookService};
use kamaji_provider::settings::{Gates, Settings, kinds};

use crate::manager::{address, block_on, identity, json_log, log, minutes, seconds};

/// Flags that upstream has keep their names and defaults.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only control planes of this namespace; all of them without it
    #[arg(long, default_value = "")]
    namespace: String,
    /// Only control planes with this value of the label cluster.x-k8s.io/watch-filter
    #[arg(long, default_value = "")]
    watch_filter: String,
    /// Control planes that are looked at at the same time
    #[arg(long, default_value_t = 16)]
    max_concurrent_reconciles: usize,
    /// ExternalClusterReference, ExternalClusterReferenceCrossNamespace, SkipInfraClusterPatch and
    /// DynamicInfrastructureClusterPatch, each with =true or =false, separated by commas
    #[arg(long, default_value = "")]
    feature_gates: String,
    /// Further kinds of infrastructure clusters whose spec.controlPlaneEndpoint is written
    #[arg(long)]
    dynamic_infrastructure_clusters: Vec<String>,
    /// Agree with other replicas on the one that writes
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    leader_elect: bool,
    /// Address that /healthz and /readyz are served on
    #[arg(long, default_value = ":8081")]
    health_probe_bind_address: String,
    /// Serve /metrics over TLS, to bearer tokens whose user may get that URL (ClusterRole kamaji-metrics-reader)
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    metrics_secure: bool,
    /// Address that /metrics is served on; 0 switches it off
    #[arg(long, default_value = ":8080")]
    metrics_bind_address: String,
    /// Accepted for compatibility; the API server's own priority and fairness bounds requests
    #[arg(long, hide = true)]
    kube_api_qps: Option<f32>,
    /// Accepted for compatibility; see --kube-api-qps
    #[arg(long, hide = true)]
    kube_api_burst: Option<u32>,
    /// Accepted for compatibility; see --metrics-bind-address
    #[arg(long, default_value = "", hide = true)]
    diagnostics_address: String,
    /// Accepted for compatibility; see --metrics-bind-address
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    insecure_diagnostics: Option<bool>,
    /// Accepted for compatibility; nothing older than TLS 1.2 is spoken
    #[arg(long, default_value = "", hide = true)]
    tls_min_version: String,
    /// Accepted for compatibility; what is spoken is safe
    #[arg(long, default_value = "", hide = true)]
    tls_cipher_suites: String,
    /// Look at every control plane anew after this, although nothing has changed
    #[arg(long, default_value = "10h", value_parser = minutes)]
    sync_period: Duration,
    /// Longest time of one look
    #[arg(long, default_value = "30s", value_parser = seconds)]
    controller_reconcile_timeout: Duration,
    /// Namespace that the provider runs in
    #[arg(long, env = "POD_NAMESPACE")]
    pod_namespace: String,
    /// Address that versions are converted on; 0 switches it off
    #[arg(long, default_value = ":9443")]
    webhook_bind_address: String,
    /// Service that the API server reaches the conversion through
    #[arg(long, default_value = "capi-kamaji-webhook-service")]
    webhook_service_name: String,
    /// Accepted for compatibility: log lines are for people with true, JSON with false
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    zap_devel: bool,
    /// json or console; wins over --zap-devel
    #[arg(long)]
    zap_encoder: Option<String>,
    /// error, info, debug or a number
    #[arg(long, default_value = "info")]
    zap_log_level: String,
    /// Accepted for compatibility
    #[arg(long, hide = true)]
    zap_stacktrace_level: Option<String>,
    /// Accepted for compatibility
    #[arg(long, hide = true)]
    zap_time_encoding: Option<String>,
}

/// Runs the provider until it is told to stop or loses its lease.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let json = json_log(arguments.zap_encoder.as_deref(), arguments.zap_devel);
    log(&arguments.zap_log_level, json)?;
    let settings = settings(arguments)?;
    block_on(async {
        kamaji_provider::run(settings)
            .await
            .context("the provider ended")
    })
}

fn settings(arguments: Arguments) -> anyhow::Result<Settings> {
    let gates = Gates::parse(&arguments.feature_gates)
        .map_err(anyhow::Error::msg)
        .context("--feature-gates")?;
    let further_kinds = kinds(&arguments.dynamic_infrastructure_clusters);
    if !further_kinds.is_empty() && !gates.dynamic_infrastructure {
        bail!(
            "--dynamic-infrastructure-clusters needs --feature-gates=DynamicInfrastructureClusterPatch=true"
        );
    }
    for (flag, value) in [
        ("--pod-namespace", &arguments.pod_namespace),
        ("--webhook-service-name", &arguments.webhook_service_name),
    ] {
        if value.is_empty() {
            bail!("{flag} must not be empty");
        }
    }
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(Settings {
        core: cluster_api::Settings {
            skip_infrastructure: gates.skip_infrastructure,
            further_kinds,
            external: gates.external,
            external_across_namespaces: gates.external_cross_namespace,
        },
        namespace: given(arguments.namespace),
        watch_filter: given(arguments.watch_filter),
        metrics_secure: arguments.metrics_secure,
        metrics: address("--metrics-bind-address", &arguments.metrics_bind_address)?,
        health: address(
            "--health-probe-bind-address",
            &arguments.health_probe_bind_address,
        )?,
        webhooks: address("--webhook-bind-address", &arguments.webhook_bind_address)?,
        service: WebhookService {
            namespace: arguments.pod_namespace,
            name: arguments.webhook_service_name,
        },
        leader_elect: arguments.leader_elect,
        identity: identity(),
        concurrency: arguments.max_concurrent_reconciles.max(1),
        time_limit: arguments.controller_reconcile_timeout,
        resync: arguments.sync_period,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn read(flags: &[&str]) -> anyhow::Result<Settings> {
        let line = ["provider", "--pod-namespace=kamaji-system"];
        settings(Line::parse_from(line.iter().chain(flags)).arguments)
    }

    #[test]
    fn the_manifests_own_line_is_read() {
        let settings = read(&[
            "--leader-elect",
            "--feature-gates=ExternalClusterReference=false,SkipInfraClusterPatch=false",
            "--dynamic-infrastructure-clusters= ",
            "--kube-api-qps=20",
            "--kube-api-burst=30",
        ])
        .unwrap();
        assert!(settings.leader_elect);
        assert!(settings.core.further_kinds.is_empty());
        assert_eq!(
            settings.service.secret_name(),
            "capi-kamaji-webhook-server-cert"
        );
    }

    #[test]
    fn kinds_without_their_gate_are_refused() {
        let Err(error) = read(&["--dynamic-infrastructure-clusters=A"]) else {
            panic!("taken")
        };
        assert!(
            error
                .to_string()
                .contains("DynamicInfrastructureClusterPatch")
        );
    }
}
