//! `kamaji kubeconfig-generator`: runs the controller of KubeconfigGenerators, with the flags of upstream.

use std::time::Duration;

use anyhow::{Context, bail};
use kamaji_core::{kubeconfig_generator, pki::key::KeyAlgorithm};
use kamaji_generator::settings::Settings;

use crate::{
    duration::{duration, minutes, seconds},
    log::LogFlags,
    process::{address, block_on, identity, require_filled},
};

/// Flags of `kamaji kubeconfig-generator`. Those that upstream has keep its names and defaults; further ones come
/// last.
#[derive(clap::Args)]
pub struct Arguments {
    /// Address that /metrics is served on; 0 switches it off
    #[arg(long, default_value = ":8090")]
    metrics_bind_address: String,
    /// Address that /healthz and /readyz are served on
    #[arg(long, default_value = ":8091")]
    health_probe_bind_address: String,
    /// Elect a leader among the replicas, which alone writes
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    leader_elect: bool,
    /// Longest time of one reconcile; at least 1s
    #[arg(long, default_value = "30s", value_parser = seconds)]
    controller_reconcile_timeout: Duration,
    /// Time after which every kubeconfig is reconciled even if nothing has changed; at least 1m
    #[arg(long, default_value = "10h", value_parser = minutes)]
    cache_resync_period: Duration,
    /// Namespace that the pods of this process run in
    #[arg(long, env = "POD_NAMESPACE")]
    pod_namespace: String,
    /// Remaining life below which client certificates are renewed; at least 24h
    #[arg(long, default_value = "24h", value_parser = duration)]
    certificate_expiration_deadline: Duration,
    #[command(flatten)]
    log: LogFlags,

    /// Algorithm of new keys: ECDSA-P256 or RSA-2048; keys that exist are kept
    #[arg(long, default_value = "ECDSA-P256")]
    key_algorithm: KeyAlgorithm,
    /// Kubeconfigs that are reconciled at the same time
    #[arg(long, default_value_t = 16)]
    max_concurrent_reconciles: usize,
}

/// Runs the controller until a signal stops it or it loses its lease.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    arguments.log.start()?;
    let settings = settings(arguments)?;
    block_on(async {
        kamaji_generator::run(settings)
            .await
            .context("the kubeconfig generator ended")
    })
}

fn settings(arguments: Arguments) -> anyhow::Result<Settings> {
    if arguments.certificate_expiration_deadline < Duration::from_hours(24) {
        bail!("--certificate-expiration-deadline must be at least 24h");
    }
    require_filled(&[("--pod-namespace", &arguments.pod_namespace)])?;
    let health = &arguments.health_probe_bind_address;
    Ok(Settings {
        core: kubeconfig_generator::Settings {
            key_algorithm: arguments.key_algorithm,
            expiration_deadline: arguments.certificate_expiration_deadline,
        },
        metrics: address("--metrics-bind-address", &arguments.metrics_bind_address)?,
        health: address("--health-probe-bind-address", health)?,
        leader_elect: arguments.leader_elect,
        namespace: arguments.pod_namespace,
        identity: identity(),
        concurrency: arguments.max_concurrent_reconciles.max(1),
        time_limit: arguments.controller_reconcile_timeout,
        resync: arguments.cache_resync_period,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses the command line with further flags.
    fn given(flags: &[&str]) -> Result<Settings, String> {
        #[derive(clap::Parser)]
        struct Command {
            #[command(flatten)]
            arguments: Arguments,
        }
        let words = ["kubeconfig-generator", "--pod-namespace=kamaji-system"];
        let command = <Command as clap::Parser>::try_parse_from(words.iter().chain(flags));
        let arguments = command.map_err(|error| error.to_string())?.arguments;
        settings(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn command_line_of_upstreams_chart_is_read_with_upstreams_defaults() {
        let settings = given(&[
            "--health-probe-bind-address=:8081",
            "--leader-elect",
            "--zap-devel=true",
        ])
        .unwrap();
        let port = |address: Option<std::net::SocketAddr>| address.map(|address| address.port());
        assert_eq!(
            (port(settings.metrics), port(settings.health)),
            (Some(8090), Some(8081))
        );
        assert_eq!(settings.resync, Duration::from_hours(10));
        assert!(settings.leader_elect);
    }

    #[test]
    fn periods_below_their_least_are_refused() {
        for flag in [
            "--certificate-expiration-deadline=23h",
            "--cache-resync-period=59s",
            "--controller-reconcile-timeout=0",
            "--pod-namespace=",
        ] {
            assert!(given(&[flag]).is_err(), "{flag}");
        }
    }
}
