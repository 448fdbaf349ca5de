//! Log of the long-running processes, on standard error.

use anyhow::Context;
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// Target of the client of PostgreSQL. At info it logs notices, whose text is a tenant's; at debug the statements, those
/// that set passwords included. It is heard only where `RUST_LOG` names it.
const POSTGRES: &str = "tokio_postgres";

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
        let named = std::env::var(EnvFilter::DEFAULT_ENV).ok();
        let filter = filter(level, named.as_deref()).context("reading the log filter")?;
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

/// Filter of the log by `level`, or by `named`, the value of `RUST_LOG`, if that is a filter.
fn filter(level: &str, named: Option<&str>) -> Result<EnvFilter, ParseError> {
    let quiet = format!("{POSTGRES}=warn");
    if let Some(named) = named
        && let Ok(filter) = EnvFilter::try_new(named)
    {
        return if named.contains(POSTGRES) {
            Ok(filter)
        } else {
            Ok(filter.add_directive(quiet.parse()?))
        };
    }
    EnvFilter::try_new(format!(
        "{level},hyper=warn,tower=warn,kube=warn,h2=warn,rustls=warn,tonic=warn,{quiet}"
    ))
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Targets that a filter lets through: notices of a tenant's, and the operator's own lines at info and at trace.
    fn heard(level: &str, named: Option<&str>) -> [bool; 3] {
        let filter = filter(level, named).unwrap();
        with_default(tracing_subscriber::registry().with(filter), || {
            [
                tracing::enabled!(target: "tokio_postgres::connection", Level::INFO),
                tracing::enabled!(target: "kamaji_operator::tenant", Level::INFO),
                tracing::enabled!(target: "kamaji_operator::tenant", Level::TRACE),
            ]
        })
    }

    #[test]
    fn the_client_of_postgresql_is_heard_only_where_it_is_named() {
        assert_eq!(heard("info", None), [false, true, false]);
        assert_eq!(heard("debug", None), [false, true, false]);
        assert_eq!(heard("info", Some("trace")), [false, true, true]);
        assert_eq!(
            heard("info", Some("error,kamaji_operator=info")),
            [false, true, false]
        );
        assert_eq!(
            heard("info", Some("off,tokio_postgres=info")),
            [true, false, false]
        );
    }
}
