//! Input of the modules that is wrong or hostile: a plan refuses it in a sentence, and nothing is made of it.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::super::manifest;
use super::workspace::Workspace;
use super::{NAMESPACE, TENANT};

/// A wrong value of a variable, and words of its refusal.
type Wrong = (Value, &'static str);

/// Plans with one wrong value at a time: OpenTofu says what the first check of a variable says, and no more.
pub async fn run(workspace: &Workspace, variables: &Value) -> Result<()> {
    let tenants = tenants(&variables["tenants"][TENANT]);
    let all = [
        ("tenants", tenants),
        ("values", values()),
        ("kubeconfig", vec![(json!(""), "The kubeconfig is no file")]),
        ("workers", workers()),
    ];
    for (name, wrong) in all {
        for (value, expected) in wrong {
            let mut wrong = variables.clone();
            wrong[name] = value;
            workspace.set(&wrong)?;
            let said = workspace.refusal("plan").await?;
            ensure!(
                said.contains(expected),
                "{expected:?} is not said of {name}: {said}"
            );
        }
    }
    workspace.has_made_nothing()
}

fn values() -> Vec<Wrong> {
    vec![
        (json!([""]), "Each of the values is a YAML document"),
        (
            json!(["image: docker.io/clastix/kamaji"]),
            "The value image of the chart has repository",
        ),
    ]
}

fn tenants(right: &Value) -> Vec<Wrong> {
    let with = |key: &str, value: Value| {
        let mut tenant = right.clone();
        tenant[key] = value;
        json!({TENANT: right, "other": tenant})
    };
    vec![
        (json!("blue"), "The tenants are a map by name"),
        (
            json!({TENANT: right, "Upper": right}),
            "The name of a tenant has 1 to 46 lower-case letters",
        ),
        (
            with("spec", json!({"kubernetes": {"version": ""}})),
            "Each tenant needs spec.kubernetes.version",
        ),
        (
            with("namespace", json!("")),
            "The namespace of a tenant has 1 to 63 lower-case letters",
        ),
        (
            with(
                "namespace",
                json!(format!("{NAMESPACE}\nkind: ClusterRole")),
            ),
            "The namespace of a tenant has 1 to 63 lower-case letters",
        ),
        (
            with("version", json!(manifest::version())),
            "A tenant has the keys namespace, spec, labels and annotations",
        ),
        (
            with("labels", json!({"team": ["platform"]})),
            "Labels and annotations of a tenant are texts by name",
        ),
    ]
}

fn workers() -> Vec<Wrong> {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0";
    let address = "192.0.2.1";
    let machine = |name: &str, machine: Value| json!({TENANT: {"machines": {name: machine}}});
    let one = |value: Value| machine("worker", value);
    let argument = |argument: &str| json!({TENANT: {"machines": {"worker": {"command": "true"}}, "join_arguments": [argument]}});
    vec![
        (
            machine("w1; touch made-by-a-name", json!({"command": "true"})),
            "The name of a machine is that of its Node",
        ),
        (
            one(json!({"command": "true", "host": address, "host_key": key})),
            "A machine has either a host or a command",
        ),
        (one(json!({})), "A machine has either a host or a command"),
        (
            one(json!({"command": " "})),
            "The command of a machine is a line of sh",
        ),
        (
            one(json!({"host": "-oProxyCommand=touch made-by-a-host", "host_key": key})),
            "The host of a machine is an IP address or a DNS name",
        ),
        (
            one(json!({"host": address, "host_key": key, "port": 65536})),
            "The port of a machine is 1 to 65535",
        ),
        (
            one(json!({"host": address, "host_key": key, "user": "-oUser"})),
            "The user of a machine is a login name",
        ),
        (
            one(json!({"host": address})),
            "A machine with a host needs its host_key",
        ),
        (
            one(json!({"host": address, "host_key": format!("{key}\n* {key}")})),
            "A machine with a host needs its host_key",
        ),
        (
            argument("$(touch made-by-an-argument)"),
            "An argument of kubeadm join has letters, digits",
        ),
        (
            argument("--discovery-token-unsafe-skip-ca-verification"),
            "joins workers only",
        ),
        (
            one(json!({"command": "true", "port": "ssh"})),
            "a number is required",
        ),
    ]
}
