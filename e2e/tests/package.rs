//! What is installed: `make release`, the Deployments of `config/` and the charts.
#![expect(clippy::unwrap_used, reason = "tests, their helpers included")]

mod package {
    mod capi_chart;
    mod charts;
    mod from_upstream;
    mod helm;
    mod monitors;
    mod release;
    mod terraform;
}

use std::{fs, process::Command};

use kamaji_e2e::layout::checkout;
use serde_json::Value;

/// clusterctl installs no release whose series the metadata lack.
#[test]
fn a_release_of_an_unknown_series_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["Makefile", "clusterctl-metadata.yaml"] {
        fs::copy(checkout().join(name), folder.path().join(name)).unwrap();
    }
    for (version, words) in [
        ("VERSION=v99.1.0", "has no series 99.1"),
        ("VERSION=0.21.0", "is missing"),
    ] {
        let mut make = Command::new("make");
        make.args(["release", version]);
        let made = make.current_dir(folder.path()).output().unwrap();
        let text = String::from_utf8_lossy(&made.stdout);
        assert!(!made.status.success() && text.contains(words), "{made:?}");
        assert!(!folder.path().join("out").exists());
    }
}

/// Management clusters of control-plane nodes only have no others.
#[test]
fn deployments_tolerate_control_plane_nodes() {
    for file in ["config/manager/manager.yaml", "config/capi/manager.yaml"] {
        let text = fs::read_to_string(checkout().join(file)).unwrap();
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let mut deployments = objects
            .iter()
            .filter(|object| object["kind"] == "Deployment");
        let pods = &deployments.next().unwrap()["spec"]["template"]["spec"];
        let mut tolerations = pods["tolerations"].as_array().unwrap().iter();
        let tolerated = tolerations.any(|toleration| {
            toleration["key"] == "node-role.kubernetes.io/control-plane"
                && toleration["operator"] == "Exists"
                && toleration["effect"] == "NoSchedule"
        });
        assert!(tolerated, "{file}");
    }
}
