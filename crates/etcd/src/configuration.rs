//! etcd's configuration file, as JSON, which is YAML.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::{Map, Value, json};

use crate::{error::Error, layout::Store, material::PEER_NAME, membership::Start};

/// Folder of the members' certificates in an etcd pod.
const PKI: &str = "/etc/etcd/pki";
/// Most settings that a release may add.
const MOST_SETTINGS: usize = 100;
/// Settings that are texts for etcd even where they look like numbers.
const TEXTS: [&str; 6] = [
    "auto-compaction-mode",
    "auto-compaction-retention",
    "listen-metrics-urls",
    "feature-gates",
    "cors",
    "host-whitelist",
];
/// Settings that are durations in flags, and numbers of nanoseconds in the file.
const DURATIONS: [&str; 11] = [
    "backend-batch-interval",
    "compact-hash-check-time",
    "compaction-sleep-interval",
    "corrupt-check-time",
    "downgrade-check-time",
    "grpc-keepalive-interval",
    "grpc-keepalive-min-time",
    "grpc-keepalive-timeout",
    "warning-apply-duration",
    "warning-unary-request-duration",
    "watch-progress-notify-interval",
];
/// Settings that decide who the member is and how it is reached.
const OWN: [&str; 5] = [
    "name",
    "data-dir",
    "wal-dir",
    "force-new-cluster",
    "enable-grpc-gateway",
];
/// Beginnings of further ones, and of those that decide whom it trusts.
const OWN_PREFIXES: [&str; 7] = [
    "initial-",
    "advertise-",
    "discovery",
    "listen-client",
    "listen-peer",
    "client-",
    "peer-",
];

/// Settings of the chart and of its user, by etcd's names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuning(BTreeMap<String, Value>);

impl Tuning {
    /// Reads flags of etcd such as `--snapshot-count=10000`; the last of a name wins. Refused are those that this
    /// program sets itself, and flags of another form.
    pub fn parse(flags: &[String]) -> Result<Self, Error> {
        let refuse = |setting: &str, cause: String| Error::Setting {
            setting: setting.to_owned(),
            cause,
        };
        if flags.len() > MOST_SETTINGS {
            let cause = format!("more than {MOST_SETTINGS} settings; leave some out");
            return Err(refuse("--set", cause));
        }
        let mut settings = BTreeMap::new();
        for flag in flags {
            let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
            let name = name.trim_start_matches("--");
            let wellformed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || !name.chars().all(wellformed) {
                return Err(refuse(flag, "is not of the form --name=value".to_owned()));
            }
            if is_own(name) {
                let cause = "is set by the chart from its other values; leave it out".to_owned();
                return Err(refuse(flag, cause));
            }
            let value = typed(name, value).ok_or_else(|| {
                let cause = "is not a duration such as 5s or 100ms".to_owned();
                refuse(flag, cause)
            })?;
            settings.insert(name.to_owned(), value);
        }
        Ok(Self(settings))
    }
}

/// True for a setting that the chart makes; those of TLS that are left end with `-file`.
fn is_own(name: &str) -> bool {
    let begins = OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    OWN.contains(&name) || begins || name.ends_with("-file")
}

fn typed(name: &str, value: &str) -> Option<Value> {
    if DURATIONS.contains(&name) {
        return nanoseconds(value).map(Value::from);
    }
    if TEXTS.contains(&name) {
        return Some(value.into());
    }
    Some(match (value, value.parse::<i64>()) {
        ("true", _) => true.into(),
        ("false", _) => false.into(),
        (_, Ok(number)) => number.into(),
        _ => value.into(),
    })
}

/// Duration of one number and one unit, or of zero.
fn nanoseconds(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor = match unit {
        "" if number == "0" => 1,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Member whose file is written.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Store that the member belongs to.
    pub store: &'a Store,
    /// Ordinal of the member's pod.
    pub ordinal: u32,
    /// Address of the pod; its family decides on which the member listens.
    pub pod_ip: IpAddr,
    /// Folder of the data.
    pub data_dir: &'a str,
    /// Port of metrics and probes, without TLS.
    pub metrics_port: u16,
}

/// Renders the file; `None` for a [`Start`] that is not one yet.
pub fn render(member: &Member, start: &Start, tuning: &Tuning) -> Option<String> {
    let store = member.store;
    let peer_url = store.peer_url(member.ordinal);
    let (state, cluster) = match start {
        Start::Run => (
            "existing",
            format!("{}={peer_url}", store.pod(member.ordinal)),
        ),
        Start::Bootstrap(cluster) => ("new", cluster.clone()),
        Start::Join(cluster) => ("existing", cluster.clone()),
        _ => return None,
    };
    let any = if member.pod_ip.is_ipv6() {
        "[::]"
    } else {
        "0.0.0.0"
    };
    let file = |name: &str| format!("{PKI}/{name}");
    let own = json!({
        "name": store.pod(member.ordinal),
        "data-dir": member.data_dir,
        "initial-cluster": cluster,
        "initial-cluster-state": state,
        "initial-cluster-token": store.name,
        "initial-advertise-peer-urls": peer_url,
        "advertise-client-urls": store.client_url(member.ordinal),
        "listen-peer-urls": format!("https://{any}:{}", store.peer_port),
        "listen-client-urls": format!("https://{any}:{}", store.client_port),
        // Its proxy would present the serving certificate to itself, and etcd takes no names from there.
        "enable-grpc-gateway": false,
        "client-transport-security": {
            "client-cert-auth": true,
            "trusted-ca-file": file("ca.crt"),
            "cert-file": file("server.pem"),
            "key-file": file("server-key.pem"),
        },
        "peer-transport-security": {
            "client-cert-auth": true,
            "trusted-ca-file": file("ca.crt"),
            "cert-file": file("peer.pem"),
            "key-file": file("peer-key.pem"),
            // Tenants' certificates are of the same CA.
            "allowed-cn": [PEER_NAME],
        },
    });
    let mut settings = Map::new();
    settings.insert(
        "listen-metrics-urls".to_owned(),
        format!("http://{any}:{}", member.metrics_port).into(),
    );
    settings.extend(tuning.0.clone());
    if let Value::Object(own) = own {
        settings.extend(own);
    }
    Some(Value::Object(settings).to_string())
}

#[cfg(test)]
mod tests;
