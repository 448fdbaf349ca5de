//! Flags and start of a long-running process: what `kamaji manager`, `kamaji provider` and
//! `kamaji kubeconfig-generator` have in common.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};

use crate::{duration::seconds, log::LogFlags};

/// Flags that `kamaji manager` and `kamaji provider` share, with upstream's names and defaults.
#[derive(clap::Args)]
pub struct ProcessFlags {
    /// Address that /metrics is served on; 0 switches it off
    #[arg(long, default_value = ":8080")]
    metrics_bind_address: String,
    /// Serve /metrics over TLS, to bearer tokens whose user may get that URL (ClusterRole kamaji-metrics-reader)
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub metrics_secure: bool,
    /// Address that /healthz and /readyz are served on
    #[arg(long, default_value = ":8081")]
    health_probe_bind_address: String,
    /// Address that the webhooks are served on; 0 switches them off
    #[arg(long, default_value = ":9443")]
    webhook_bind_address: String,
    /// Longest time of one reconcile; at least 1s
    #[arg(long, default_value = "30s", value_parser = seconds)]
    pub controller_reconcile_timeout: Duration,
    /// Namespace that the pods of this process run in
    #[arg(long, env = "POD_NAMESPACE")]
    pub pod_namespace: String,
    #[command(flatten)]
    log: LogFlags,
}

/// Addresses that a process listens on; `None` switches a server off.
pub struct Listeners {
    /// Address that /metrics is served on; `None` switches it off.
    pub metrics: Option<SocketAddr>,
    /// Address of /healthz and /readyz.
    pub health: Option<SocketAddr>,
    /// Address of the webhooks.
    pub webhooks: Option<SocketAddr>,
}

impl ProcessFlags {
    /// Reads the addresses to listen on.
    pub fn listeners(&self) -> anyhow::Result<Listeners> {
        let health = &self.health_probe_bind_address;
        Ok(Listeners {
            metrics: address("--metrics-bind-address", &self.metrics_bind_address)?,
            health: address("--health-probe-bind-address", health)?,
            webhooks: address("--webhook-bind-address", &self.webhook_bind_address)?,
        })
    }

    /// Starts the log of this process.
    pub fn start_log(&self) -> anyhow::Result<()> {
        self.log.start()
    }
}

/// Refuses the first flag whose value is empty. `flags` are names and values.
pub fn require_filled(flags: &[(&str, &str)]) -> anyhow::Result<()> {
    for (flag, value) in flags {
        if value.is_empty() {
            bail!("{flag} must not be empty");
        }
    }
    Ok(())
}

/// Runs `work` to its end on a runtime with a thread per core.
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

/// Identity of this process in leader election: host name (the pod's name in a cluster) and process id, so that
/// two replicas on one host differ.
pub fn identity() -> String {
    let host = std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .unwrap_or_default();
    format!("{}_{}", host.trim(), std::process::id())
}

/// Reads an address to listen on. `:8080` is that port of every interface; `0` or an empty text is none.
pub fn address(flag: &str, text: &str) -> anyhow::Result<Option<SocketAddr>> {
    match text {
        "" | "0" => Ok(None),
        port if port.starts_with(':') => format!("[::]{port}").parse().map(Some),
        other => other.parse().map(Some),
    }
    .with_context(|| format!("{flag} {text:?} is not an address such as :8080 or 10.0.0.1:8080"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_every_interface_and_zero_is_none() {
        let all = address("--x", ":8080").unwrap();
        assert_eq!(all.map(|a| a.port()), Some(8080));
        assert_eq!(address("--x", "0").unwrap(), None);
        assert!(address("--x", "nonsense").is_err());
    }
}
