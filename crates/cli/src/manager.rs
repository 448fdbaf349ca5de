//! `kamaji manager`: the operator, with the flags of upstream.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use kamaji_core::pki::key::KeyAlgorithm;
use kamaji_operator::settings::Settings;

/// Flags that upstream has keep their names and defaults; the ones of our own come last.
#[derive(clap::Args)]
pub struct Arguments {
    /// Address that /metrics is served on; 0 switches it off
    #[arg(long, default_value = ":8080")]
    metrics_bind_address: String,
    /// Serve /metrics over TLS, to bearer tokens whose user may get that URL (ClusterRole kamaji-metrics-reader)
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    metrics_secure: bool,
    /// Address that /healthz and /readyz are served on
    #[arg(long, default_value = ":8081")]
    health_probe_bind_address: String,
    /// Accepted for compatibility; there is no pprof endpoint
    #[arg(long, default_value = "", hide = true)]
    pprof_bind_address: String,
    /// Agree with other replicas on the one that writes
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    leader_elect: bool,
    /// Accepted for compatibility; nothing is written to disk
    #[arg(long, default_value = "/tmp/kamaji", hide = true)]
    tmp_directory: PathBuf,
    /// Image of the kine container
    #[arg(long, default_value = "rancher/kine:v0.11.10-amd64")]
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
    /// Namespace that the operator runs in
    #[arg(long, env = "POD_NAMESPACE")]
    pod_namespace: String,
    /// Service that the API server reaches the webhooks through
    #[arg(long, default_value = "kamaji-webhook-service")]
    webhook_service_name: String,
    /// Accepted for compatibility until migrations are built
    #[arg(long, env = "SERVICE_ACCOUNT", default_value = "", hide = true)]
    serviceaccount_name: String,
    /// CA of a mounted serving certificate (tls.crt and tls.key beside it); without such a file the
    /// operator makes and rotates certificates of its own
    #[arg(long, default_value = "/tmp/k8s-webhook-server/serving-certs/ca.crt")]
    webhook_ca_path: PathBuf,
    /// Longest time of one reconcile
    #[arg(long, default_value = "30s", value_parser = seconds)]
    controller_reconcile_timeout: Duration,
    /// Look at every tenant anew after this, although nothing has changed; at least 1m
    #[arg(long, default_value = "10h", value_parser = minutes)]
    cache_resync_period: Duration,
    /// Accepted for compatibility; there is no telemetry
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    disable_telemetry: Option<bool>,
    /// Leaf certificates that end within this are issued anew; at least 24h
    #[arg(long, default_value = "24h", value_parser = duration)]
    certificate_expiration_deadline: Duration,
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

    /// What new keys are: ECDSA-P256 or RSA-2048; keys that exist are kept
    #[arg(long, default_value = "ECDSA-P256")]
    key_algorithm: KeyAlgorithm,
    /// Address that the admission webhooks are served on; 0 switches them off
    #[arg(long, default_value = ":9443")]
    webhook_bind_address: String,
    /// Tenants whose inside is visited at the same time
    #[arg(long, default_value_t = 32)]
    tenant_cluster_concurrency: usize,
    /// Compare a tenant's inside anew after this, and up to half as much again
    #[arg(long, default_value = "10m", value_parser = seconds)]
    tenant_cluster_resync_period: Duration,
    /// Dial tenants at the cluster IP of their Service instead of its DNS name, for an operator
    /// that runs outside of the management cluster
    #[arg(long)]
    dial_cluster_ip: bool,
}

/// Runs the operator until it is told to stop or loses its lease.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let json = json_log(arguments.zap_encoder.as_deref(), arguments.zap_devel);
    log(&arguments.zap_log_level, json)?;
    let settings = settings(arguments)?;
    block_on(async {
        kamaji_operator::run(settings)
            .await
            .context("the operator ended")
    })
}

/// Runs `work` on a runtime of all threads.
pub fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a second crypto provider is linked in"))?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(work)
}

fn settings(arguments: Arguments) -> anyhow::Result<Settings> {
    if arguments.certificate_expiration_deadline < Duration::from_hours(24) {
        bail!("--certificate-expiration-deadline must be at least 24h");
    }
    for (flag, value) in [
        ("--kine-image", &arguments.kine_image),
        ("--pod-namespace", &arguments.pod_namespace),
        ("--webhook-service-name", &arguments.webhook_service_name),
    ] {
        if value.is_empty() {
            bail!("{flag} must not be empty");
        }
    }
    let mounted = arguments.webhook_ca_path.exists();
    let certificates = arguments.webhook_ca_path.parent().map(PathBuf::from);
    let (service, namespace) = (&arguments.webhook_service_name, &arguments.pod_namespace);
    Ok(Settings {
        core: kamaji_core::settings::Settings {
            default_data_store: Some(arguments.datastore).filter(|name| !name.is_empty()),
            kine_image: arguments.kine_image,
            key_algorithm: arguments.key_algorithm,
            expiration_deadline: arguments.certificate_expiration_deadline,
            webhook_url: format!("https://{service}.{namespace}.svc:443"),
            webhook_ca: Vec::new(),
        },
        metrics_secure: arguments.metrics_secure,
        metrics: address("--metrics-bind-address", &arguments.metrics_bind_address)?,
        health: address(
            "--health-probe-bind-address",
            &arguments.health_probe_bind_address,
        )?,
        webhooks: address("--webhook-bind-address", &arguments.webhook_bind_address)?,
        leader_elect: arguments.leader_elect,
        identity: identity(),
        webhook_service: arguments.webhook_service_name,
        namespace: arguments.pod_namespace,
        webhook_certificates: certificates.filter(|_| mounted),
        concurrency: arguments.max_concurrent_tcp_reconciles.max(1),
        tenant_cluster_concurrency: arguments.tenant_cluster_concurrency.max(1),
        time_limit: arguments.controller_reconcile_timeout,
        resync: arguments.cache_resync_period,
        data_store_check: kamaji_operator::settings::DATA_STORE_CHECK,
        tenant_cluster_resync: arguments.tenant_cluster_resync_period,
        dial_cluster_ip: arguments.dial_cluster_ip,
    })
}

/// Host name (the pod's name in a cluster) and process id: two replicas on one host differ.
pub fn identity() -> String {
    let host = std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .unwrap_or_default();
    format!("{}_{}", host.trim(), std::process::id())
}

/// `:8080` is every interface; `0` or nothing is none.
pub fn address(flag: &str, text: &str) -> anyhow::Result<Option<SocketAddr>> {
    match text {
        "" | "0" => Ok(None),
        port if port.starts_with(':') => format!("[::]{port}").parse().map(Some),
        other => other.parse().map(Some),
    }
    .with_context(|| format!("{flag} {text:?} is not an address such as :8080 or 10.0.0.1:8080"))
}

/// Longest duration that a flag takes: beyond it, clocks overflow.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 100);

/// A period of which less than a minute would be work without end.
pub fn minutes(text: &str) -> Result<Duration, String> {
    at_least(Duration::from_mins(1), text)
}

/// A time limit or period of which less than a second could never do.
pub fn seconds(text: &str) -> Result<Duration, String> {
    at_least(Duration::from_secs(1), text)
}

fn at_least(least: Duration, text: &str) -> Result<Duration, String> {
    let read = duration(text)?;
    if read < least {
        return Err(format!("{text:?} is less than {least:?}: choose more"));
    }
    Ok(read)
}

/// Go's duration syntax: `1h30m`, `250ms`, `10s`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 30s, 10m or 1h30m");
    if text.is_empty() {
        return Err(wrong());
    }
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = &rest[digits..];
        let end = unit
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(unit.len());
        total += number
            * match &unit[..end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return Err(wrong()),
            };
        rest = &unit[end..];
    }
    Duration::try_from_secs_f64(total)
        .ok()
        .filter(|read| *read <= LONGEST)
        .ok_or_else(wrong)
}

/// Whether the log is JSON.
pub fn json_log(encoder: Option<&str>, devel: bool) -> bool {
    encoder.map_or(!devel, |encoder| encoder == "json")
}

/// Starts the log.
pub fn log(level: &str, json: bool) -> anyhow::Result<()> {
    let level = match level {
        "error" => "error",
        "info" | "0" => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .or_else(|_| {
            tracing_subscriber::EnvFilter::try_new(format!(
                "{level},hyper=warn,tower=warn,kube=warn,h2=warn,rustls=warn,tonic=warn"
            ))
        })
        .context("reading the log filter")?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if json {
        subscriber.json().init();
    } else {
        subscriber.with_ansi(false).init();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "5", "1d", "h", "-1s", "1..2s", "99999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    /// The parsed arguments of `kamaji manager` with one flag more.
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
    fn periods_that_would_be_work_without_end_are_refused() {
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

    #[test]
    fn a_port_alone_is_every_interface_and_zero_is_none() {
        let all = address("--x", ":8080").unwrap();
        assert_eq!(all.map(|a| a.port()), Some(8080));
        assert_eq!(address("--x", "0").unwrap(), None);
        assert!(address("--x", "nonsense").is_err());
    }
}
