//! `kamaji manager`: runs the operator, with the flags of upstream.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use kamaji_core::{pki::key::KeyAlgorithm, settings::KINE_IMAGE};
use kamaji_operator::settings::Settings;

use crate::{
    duration::{duration, minutes, seconds},
    process::{ProcessFlags, block_on, identity, require_filled},
};

/// Flags of `kamaji manager`. Those that upstream has keep its names and defaults; further ones come last.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    process: ProcessFlags,
    /// Accepted for compatibility; there is no pprof endpoint
    #[arg(long, default_value = "", hide = true)]
    pprof_bind_address: String,
    /// Elect a leader among the replicas, which alone writes
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    leader_elect: bool,
    /// Accepted for compatibility; nothing is written to disk
    #[arg(long, default_value = "/tmp/kamaji", hide = true)]
    tmp_directory: PathBuf,
    /// Image of the kine container of new tenants, and of running ones from their next upgrade on
    #[arg(long, default_value = KINE_IMAGE)]
    kine_image: String,
    /// DataStore of tenants that name none
    #[arg(long, default_value = "")]
    datastore: String,
    /// Accepted for compatibility until migrations are built
    #[arg(long, default_value = "docker.io/clastix/kamaji:dev", hide = true)]
    migrate_image: String,
    /// Tenants that are reconciled at the same time
    #[arg(long, default_value_t = 64)]
    max_concurrent_tcp_reconciles: usize,
    /// Service that the API server reaches the webhooks through
    #[arg(long, default_value = "kamaji-webhook-service")]
    webhook_service_name: String,
    /// Accepted for compatibility until migrations are built
    #[arg(long, env = "SERVICE_ACCOUNT", default_value = "", hide = true)]
    serviceaccount_name: String,
    /// CA of a mounted serving certificate, with tls.crt and tls.key in the same folder; without such a file the
    /// operator issues and rotates certificates of its own
    #[arg(long, default_value = "/tmp/k8s-webhook-server/serving-certs/ca.crt")]
    webhook_ca_path: PathBuf,
    /// Time after which every tenant is reconciled even if nothing has changed; at least 1m
    #[arg(long, default_value = "10h", value_parser = minutes)]
    cache_resync_period: Duration,
    /// Accepted for compatibility; there is no telemetry
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    disable_telemetry: Option<bool>,
    /// Remaining life below which leaf certificates are renewed; at least 24h
    #[arg(long, default_value = "24h", value_parser = duration)]
    certificate_expiration_deadline: Duration,

    /// Algorithm of new keys: ECDSA-P256 or RSA-2048; keys that exist are kept
    #[arg(long, default_value = "ECDSA-P256")]
    key_algorithm: KeyAlgorithm,
    /// Tenant clusters that are reconciled at the same time
    #[arg(long, default_value_t = 32)]
    tenant_cluster_concurrency: usize,
    /// Time after which a tenant cluster is reconciled even if nothing has changed, plus up to half as much again;
    /// at least 1s
    #[arg(long, default_value = "10m", value_parser = seconds)]
    tenant_cluster_resync_period: Duration,
    /// Dial tenants' API servers at the cluster IP of their Service instead of its DNS name, for an operator that
    /// runs outside of the management cluster
    #[arg(long)]
    dial_cluster_ip: bool,
}

/// Runs the operator until a signal stops it or it loses its lease.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    arguments.process.start_log()?;
    let settings = settings(arguments)?;
    block_on(async {
        kamaji_operator::run(settings)
            .await
            .context("the operator ended")
    })
}

fn settings(arguments: Arguments) -> anyhow::Result<Settings> {
    if arguments.certificate_expiration_deadline < Duration::from_hours(24) {
        bail!("--certificate-expiration-deadline must be at least 24h");
    }
    let process = arguments.process;
    require_filled(&[
        ("--kine-image", &arguments.kine_image),
        ("--pod-namespace", &process.pod_namespace),
        ("--webhook-service-name", &arguments.webhook_service_name),
    ])?;
    let listeners = process.listeners()?;
    let mounted = arguments.webhook_ca_path.exists();
    let certificates = arguments.webhook_ca_path.parent().map(PathBuf::from);
    let (service, namespace) = (&arguments.webhook_service_name, &process.pod_namespace);
    Ok(Settings {
        core: kamaji_core::settings::Settings {
            default_data_store: Some(arguments.datastore).filter(|name| !name.is_empty()),
            kine_image: arguments.kine_image,
            key_algorithm: arguments.key_algorithm,
            expiration_deadline: arguments.certificate_expiration_deadline,
            webhook_url: format!("https://{service}.{namespace}.svc:443"),
            webhook_ca: Vec::new(),
        },
        metrics_secure: process.metrics_secure,
        metrics: listeners.metrics,
        health: listeners.health,
        webhooks: listeners.webhooks,
        leader_elect: arguments.leader_elect,
        identity: identity(),
        webhook_service: arguments.webhook_service_name,
        namespace: process.pod_namespace,
        webhook_certificates: certificates.filter(|_| mounted),
        concurrency: arguments.max_concurrent_tcp_reconciles.max(1),
        tenant_cluster_concurrency: arguments.tenant_cluster_concurrency.max(1),
        time_limit: process.controller_reconcile_timeout,
        resync: arguments.cache_resync_period,
        data_store_check: kamaji_operator::settings::DATA_STORE_CHECK,
        tenant_usage: kamaji_operator::settings::TENANT_USAGE,
        handover: kamaji_operator::settings::HANDOVER,
        tenant_cluster_resync: arguments.tenant_cluster_resync_period,
        dial_cluster_ip: arguments.dial_cluster_ip,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses the command line of `kamaji manager` with one further flag.
    fn given(flag: &str) -> Result<Settings, String> {
        #[derive(clap::Parser)]
        struct Command {
            #[command(flatten)]
            arguments: Arguments,
        }
        let words = ["manager", "--pod-namespace=kamaji-system", flag];
        let command = <Command as clap::Parser>::try_parse_from(words);
        let arguments = command.map_err(|error| error.to_string())?.arguments;
        settings(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn periods_below_their_least_are_refused() {
        for flag in [
            "--cache-resync-period=",
            "--cache-resync-period=0",
            "--cache-resync-period=59s",
            "--tenant-cluster-resync-period=0",
            "--tenant-cluster-resync-period=10ms",
            "--tenant-cluster-resync-period=",
            "--controller-reconcile-timeout=0",
            "--controller-reconcile-timeout=1ms",
            "--controller-reconcile-timeout=",
            "--certificate-expiration-deadline=",
            "--certificate-expiration-deadline=23h",
        ] {
            assert!(given(flag).is_err(), "{flag}");
        }
        let settings = given("--cache-resync-period=1m").unwrap();
        assert_eq!(settings.resync, Duration::from_mins(1));
    }
}
