//! CPU of a process by stage, from the samples of `perf`. Without `perf`, or the right to use it, there are no such
//! figures.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use kamaji_e2e::command::{command, output};

use crate::figures::Figures;

/// Stages with words of the functions that belong to them. The first one that has a word of a function counts.
const STAGES: [(&str, &[&str]); 7] = [
    (
        "keys",
        &[
            "p256",
            "p384",
            "primeorder",
            "primefield",
            "ecdsa",
            "elliptic_curve",
            "crypto_bigint",
            "rsa::",
            "num_bigint",
            "rfc6979",
        ],
    ),
    (
        "serialise",
        &[
            "serde", "saphyr", "sha2", "md5", "base64", "pem::", "itoa", "ryu",
        ],
    ),
    (
        "index",
        &[
            "kamaji_shell::index",
            "kamaji_shell::watch",
            "kamaji_shell::live",
        ],
    ),
    (
        "plan",
        &[
            "kamaji_core",
            "kamaji_operator",
            "x509_parser",
            "asn1_rs",
            "der_parser",
            "nom::",
        ],
    ),
    (
        "tls_and_http",
        &[
            "rustls",
            "ring",
            "aes",
            "gcm",
            "x25519",
            "hyper",
            "h2::",
            "http",
            "tower",
            "kube_client",
            "tokio",
            "mio",
            "tonic",
        ],
    ),
    (
        "memory",
        &[
            "malloc", "calloc", "free", "je_", "alloc", "memcpy", "memmove", "memset", "arena_",
            "tcache_",
        ],
    ),
    ("other", &[""]),
];

/// Stage of functions of the kernel: sockets, mostly.
const KERNEL: &str = "kernel";

/// A running `perf` that samples one process.
pub struct Profile {
    recorder: Option<Child>,
    data: PathBuf,
}

impl Profile {
    /// Starts to sample the process `pid`; the samples go to `dir`.
    pub fn start(pid: &str, dir: &Path) -> Self {
        let data = dir.join("perf.data");
        let mut perf = command("perf", ["record", "-q", "-F", "199", "-e", "cpu-clock"]);
        perf.args(["-p", pid, "-o"]).arg(&data);
        let perf = perf.stdout(Stdio::null()).stderr(Stdio::null());
        Self {
            recorder: perf.spawn().ok(),
            data,
        }
    }

    /// Ends the samples and records the share of each stage, between 0 and 1, for `number` tenants.
    pub async fn finish(mut self, number: usize, figures: &mut Figures) {
        let Some(recorder) = &mut self.recorder else {
            println!("no CPU by stage: perf cannot be started");
            return;
        };
        // On this signal it writes its file.
        let _ = output(command("kill", ["-INT", &recorder.id().to_string()])).await;
        let _ = recorder.wait();
        let mut report = command("perf", ["report", "-q", "--no-children", "-g", "none"]);
        report
            .args(["--stdio", "--sort", "symbol", "-i"])
            .arg(&self.data);
        match output(report).await {
            Ok(text) => {
                for (stage, share) in shares(&text) {
                    figures.set(format!("cpu_share_{stage}_n{number}"), share);
                }
            }
            Err(error) => println!("no CPU by stage: {error:#}"),
        }
    }
}

/// Shares of the stages in a report of `perf`, whose lines are `12.34%  [.] function`.
fn shares(report: &str) -> Vec<(&'static str, f64)> {
    let mut shares: Vec<_> = STAGES.iter().map(|(stage, _)| (*stage, 0.0)).collect();
    shares.push((KERNEL, 0.0));
    for line in report.lines() {
        let mut words = line.split_whitespace();
        let percent = words.next().and_then(|word| word.strip_suffix('%'));
        let Some(percent) = percent.and_then(|word| word.parse::<f64>().ok()) else {
            continue;
        };
        let stage = if words.next() == Some("[k]") {
            KERNEL
        } else {
            stage(&words.collect::<Vec<_>>().join(" "))
        };
        if let Some((_, share)) = shares.iter_mut().find(|(name, _)| *name == stage) {
            *share += percent / 100.0;
        }
    }
    shares
}

fn stage(function: &str) -> &'static str {
    let found = STAGES.iter().find(|(_, words)| {
        let mut words = words.iter();
        words.any(|word| function.contains(word))
    });
    found.map_or("other", |(stage, _)| stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_added_up_by_stage() {
        let report = "
    30.00%  [.] primeorder::projective::double  -  -
    10.00%  [.] <serde_json::ser::Serializer as serde::Serializer>::serialize_str
     5.00%  [k] tcp_sendmsg
     4.00%  [.] 0x00000000000047ba
# a comment
     1.00%  [.] <p256::Scalar as core::ops::Mul>::mul
";
        let shares = shares(report);
        let of = |stage: &str| shares.iter().find(|(name, _)| *name == stage).unwrap().1;
        assert!((of("keys") - 0.31).abs() < 1e-9);
        assert!((of("serialise") - 0.1).abs() < 1e-9);
        assert!((of("kernel") - 0.05).abs() < 1e-9);
        assert!((of("other") - 0.04).abs() < 1e-9);
        assert!(of("plan").abs() < 1e-9);
    }
}
