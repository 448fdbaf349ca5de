//! `kamaji provider`: runs the Cluster API control-plane provider, with the flags of upstream and those that every
//! provider has.

use std::time::Duration;

use anyhow::{Context, bail};
use kamaji_core::{cluster_api, pki::webhook_certificate::WebhookService};
use kamaji_provider::settings::{Gates, Settings, kinds};

use crate::{
    duration::minutes,
    process::{ProcessFlags, block_on, identity, require_filled},
};

/// Flags of `kamaji provider`. Those that upstream has keep its names and defaults.
#[derive(clap::Args)]
pub struct Arguments {
    /// Namespace of the control planes to reconcile; empty for all namespaces
    #[arg(long, default_value = "")]
    namespace: String,
    /// Value of the label cluster.x-k8s.io/watch-filter of the control planes to reconcile; empty for all of them
    #[arg(long, default_value = "")]
    watch_filter: String,
    /// Control planes that are reconciled at the same time
    #[arg(long, default_value_t = 16)]
    max_concurrent_reconciles: usize,
    /// ExternalClusterReference, ExternalClusterReferenceCrossNamespace, SkipInfraClusterPatch and
    /// DynamicInfrastructureClusterPatch, each with =true or =false, separated by commas
    #[arg(long, default_value = "")]
    feature_gates: String,
    /// Further kinds of infrastructure clusters whose spec.controlPlaneEndpoint is written
    #[arg(long)]
    dynamic_infrastructure_clusters: Vec<String>,
    /// Elect a leader among the replicas, which alone writes
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    leader_elect: bool,
    #[command(flatten)]
    process: ProcessFlags,
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
    /// Accepted for compatibility; only safe cipher suites are spoken
    #[arg(long, default_value = "", hide = true)]
    tls_cipher_suites: String,
    /// Time after which every control plane is reconciled even if nothing has changed; at least 1m
    #[arg(long, default_value = "10h", value_parser = minutes)]
    sync_period: Duration,
    /// Service that the API server reaches the conversion webhook through
    #[arg(long, default_value = "capi-kamaji-webhook-service")]
    webhook_service_name: String,
}

/// Runs the provider until a signal stops it or it loses its lease.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    arguments.process.start_log()?;
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
    let process = arguments.process;
    require_filled(&[
        ("--pod-namespace", &process.pod_namespace),
        ("--webhook-service-name", &arguments.webhook_service_name),
    ])?;
    let listeners = process.listeners()?;
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(Settings {
        core: cluster_api::Settings {
            skip_infrastructure: gates.skip_infrastructure,
            further_kinds,
            external: gates.external,
            external_across_namespaces: gates.external_cross_namespace,
        },
        namespace: filled(arguments.namespace),
        watch_filter: filled(arguments.watch_filter),
        metrics_secure: process.metrics_secure,
        metrics: listeners.metrics,
        health: listeners.health,
        webhooks: listeners.webhooks,
        service: WebhookService {
            namespace: process.pod_namespace,
            name: arguments.webhook_service_name,
        },
        leader_elect: arguments.leader_elect,
        identity: identity(),
        concurrency: arguments.max_concurrent_reconciles.max(1),
        time_limit: process.controller_reconcile_timeout,
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
    fn the_command_line_of_the_manifest_is_read() {
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
            panic!("accepted")
        };
        assert!(
            error
                .to_string()
                .contains("DynamicInfrastructureClusterPatch")
        );
    }
}
