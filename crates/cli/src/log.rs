//! Log of the long-running processes, on standard error.

use anyhow::Context;

/// Flags of the log, with upstream's names and defaults. The environment variable `RUST_LOG` wins over the level.
#[derive(clap::Args)]
pub struct LogFlags {
    /// Accepted for compatibility: log lines are for people with true, JSON with false
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    zap_devel: bool,
    /// Format of the log, json or console; wins over --zap-devel
    #[arg(long)]
    zap_encoder: Option<String>,
    /// Level of the log: error, info, debug or a number
    #[arg(long, default_value = "info")]
    zap_log_level: String,
    /// Accepted for compatibility; stack traces are not logged
    #[arg(long, hide = true)]
    zap_stacktrace_level: Option<String>,
    /// Accepted for compatibility; times are RFC 3339
    #[arg(long, hide = true)]
    zap_time_encoding: Option<String>,
}

impl LogFlags {
    /// Starts the log of this process. Fails if `RUST_LOG` is no filter.
    pub fn start(&self) -> anyhow::Result<()> {
        let level = match self.zap_log_level.as_str() {
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
        if self.is_json() {
            subscriber.json().init();
        } else {
            subscriber.with_ansi(false).init();
        }
        Ok(())
    }

    fn is_json(&self) -> bool {
        let encoder = self.zap_encoder.as_deref();
        encoder.map_or(!self.zap_devel, |encoder| encoder == "json")
    }
}
