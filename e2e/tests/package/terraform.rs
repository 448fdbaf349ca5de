//! The modules of `config/terraform` without Terraform: what they say of themselves, and their scripts, run beside
//! programs that stand in for kamaji, kubeadm, kubectl and ssh.

mod machine;

use std::fs;

use hcl_edit::structure::{Block, Body};
use kamaji_e2e::layout::checkout;

use super::helm::rendered;
use machine::{Machine, TOKEN};
use serde_json::json;

/// Variables that a secret would need.
const SECRETS: [&str; 4] = ["private_key", "token", "password", "secret"];

/// Contents of a module's files.
fn module(name: &str) -> Vec<Body> {
    let folder = checkout().join("config/terraform").join(name);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "tf") {
            let text = fs::read_to_string(&path).unwrap();
            let body = text.parse::<Body>();
            let body = body.map_err(|error| format!("{}: {error}", path.display()));
            files.push(body.unwrap());
        }
    }
    assert!(!files.is_empty(), "{name}");
    files
}

/// Blocks of this kind in a module, with their names.
fn blocks(module: &str, kind: &str) -> Vec<(String, Block)> {
    let mut found = Vec::new();
    for body in self::module(module) {
        for block in body.get_blocks(kind) {
            let name = block.labels.first().map(|label| label.as_str().to_owned());
            found.push((name.unwrap_or_default(), block.clone()));
        }
    }
    found
}

#[test]
fn every_variable_and_output_of_a_terraform_module_is_described() {
    let page = fs::read_to_string(checkout().join("docs/guides/terraform.md")).unwrap();
    for module in ["kamaji", "workers", "example"] {
        for (name, variable) in blocks(module, "variable") {
            for attribute in ["description", "type"] {
                assert!(
                    variable.body.has_attribute(attribute),
                    "{module}: {name} has no {attribute}"
                );
            }
            let is_secret = SECRETS.contains(&name.as_str());
            assert!(
                !is_secret || variable.body.has_attribute("sensitive"),
                "{module}: {name}"
            );
            let on_page = page.contains(&format!("`{name}`"));
            assert!(
                module == "example" || on_page,
                "{name} of {module} is not on the page"
            );
        }
        for (name, output) in blocks(module, "output") {
            assert!(output.body.has_attribute("description"), "{module}: {name}");
        }
    }
}

#[test]
fn every_check_of_a_terraform_variable_says_what_to_do_in_a_sentence() {
    for module in ["kamaji", "workers", "example"] {
        for (name, variable) in blocks(module, "variable") {
            for check in variable.body.get_blocks("validation") {
                let said = check.body.get_attribute("error_message").unwrap();
                let said = said.value.as_str().unwrap();
                let sentence = said.ends_with('.') && said.contains(": ");
                assert!(sentence && !said.contains('\n'), "{module}: {name}: {said}");
            }
        }
    }
}

#[tokio::test]
async fn what_waits_for_a_tenant_may_read_that_tenant_only() {
    let hostile = "blue, other]\nkind: {ClusterRole: '\"";
    let values = json!({
        "tenant": {"name": hostile, "namespace": "team: [x]\n", "version": "v1.37.2 --timeout=9h"},
        "image": "registry.example.com/kamaji:v1 # x", "timeout": 600, "pods": {},
    });
    let chart = "../terraform/kamaji/charts/ready";
    let objects = rendered(chart, &values.to_string()).await;
    let kinds: Vec<&str> = objects
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["ServiceAccount", "Role", "RoleBinding", "Job"]);
    let role = &objects[1];
    assert_eq!(
        role["rules"],
        json!([{"apiGroups": ["kamaji.clastix.io"], "resources": ["tenantcontrolplanes"],
                "resourceNames": [hostile], "verbs": ["get"]}])
    );
    assert_eq!(role["metadata"]["namespace"], "team: [x]\n");
    let container = &objects[3]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.com/kamaji:v1 # x");
    assert_eq!(
        container["args"],
        json!([
            "wait",
            format!("team: [x]\n/{hostile}"),
            "--for=version=v1.37.2 --timeout=9h",
            "--timeout=600s"
        ])
    );
}

#[test]
fn a_machine_joins_by_a_token_that_no_file_keeps() {
    let machine = Machine::new();
    let (joined, said) = machine.run("join.sh", &[]);
    assert!(joined, "{said}");
    let words = machine.calls("kubeadm");
    let (join, hash) = (
        format!("join 192.0.2.1:6443 --token {TOKEN}"),
        "--discovery-token-ca-cert-hash sha256:00",
    );
    assert_eq!(
        words,
        [format!(
            "{join} {hash} --node-name w1 --cri-socket=unix:///run/x.sock -v=5"
        )]
    );
    assert_eq!(
        machine.calls("kamaji"),
        ["join team/blue --ttl 15m --key admin.conf --request-timeout 30s --kubeconfig /k8s.conf"]
    );
    assert!(machine.has("etc/kamaji-joined"));
    machine.keeps_no_token();
}

#[test]
fn words_of_settings_and_of_a_token_are_no_commands() {
    let machine = Machine::new();
    let hostile = "x';touch made;'$(touch made)`touch made`;touch${IFS}made\n";
    let line = "kubeadm join $(touch made);touch made 'x * \"";
    let (_, said) = machine.run(
        "join.sh",
        &[
            ("KAMAJI_NODE", hostile),
            ("KAMAJI_ARGUMENTS", "$(touch made) * ;touch made"),
            ("KAMAJI_TENANT", hostile),
            ("KAMAJI_KUBECONFIG", hostile),
            ("KAMAJI_CONTEXT", hostile),
            ("LINE", line),
        ],
    );
    assert!(!machine.has("made"), "{said}");
    let words = machine.calls("kubeadm").join("\n");
    assert!(
        words.contains("join $(touch made);touch made 'x * \" --node-name x';touch made;'"),
        "{words}: {said}"
    );
    let (_, said) = machine.run(
        "leave.sh",
        &[("KAMAJI_NODE", hostile), ("KAMAJI_RESET", "$(touch made)")],
    );
    assert!(!machine.has("made"), "{said}");
}

#[test]
fn a_machine_that_is_in_a_cluster_gets_no_token() {
    let machine = Machine::new();
    machine.write("etc/kubelet.conf", "of another cluster");
    let (joined, said) = machine.run("join.sh", &[]);
    assert!(
        !joined && said.contains("is in a cluster already: run kubeadm reset -f there"),
        "{said}"
    );
    assert!(said.contains("no token was made"), "{said}");
    assert!(machine.calls("kamaji").is_empty() && machine.calls("kubeadm").is_empty());
}

#[test]
fn a_command_line_without_a_token_leaves_the_machine_alone() {
    let machine = Machine::new();
    for line in ["", "rm -rf /"] {
        let (joined, said) = machine.run("join.sh", &[("LINE", line)]);
        assert!(
            !joined && said.contains("No token for the node w1"),
            "{said}"
        );
    }
    let (joined, said) = machine.run("join.sh", &[("KAMAJI_BINARY", "not-there")]);
    assert!(
        !joined && said.contains("`kamaji join team/blue` failed, see above"),
        "{said}"
    );
    assert!(machine.calls("kubeadm").is_empty());
}

#[test]
fn a_machine_is_reset_only_in_the_cluster_that_it_joined() {
    let machine = Machine::new();
    assert!(machine.run("join.sh", &[]).0);
    let ca = machine.read("etc/pki/ca.crt");
    machine.write("etc/pki/ca.crt", "of another cluster");
    let (left, said) = machine.run("leave.sh", &[]);
    assert!(
        !left && said.contains("is in another cluster than the one that it joined"),
        "{said}"
    );
    assert!(machine.has("etc/kubelet.conf"));
    assert_eq!(
        machine.calls("kubectl").len(),
        1,
        "the Node is deleted all the same"
    );

    machine.write("etc/pki/ca.crt", &ca);
    let (left, said) = machine.run("leave.sh", &[]);
    assert!(left, "{said}");
    assert_eq!(
        machine.calls("kubeadm")[1..],
        ["reset --force --cri-socket=unix:///run/x.sock"]
    );
    assert!(!machine.has("etc/kubelet.conf") && !machine.has("etc/kamaji-joined"));
    let (left, said) = machine.run("leave.sh", &[]);
    assert!(left && said.contains("nothing to reset"), "{said}");
    machine.keeps_no_token();
}

#[test]
fn a_host_is_reached_by_its_own_key_only_and_its_output_is_no_control_sequence() {
    let machine = Machine::new();
    let key = "ssh-ed25519 AAAA";
    let host = [
        ("KAMAJI_COMMAND", ""),
        ("KAMAJI_HOST", "192.0.2.7"),
        ("KAMAJI_HOST_KEY", key),
        ("KAMAJI_USER", "core"),
    ];
    let (joined, said) = machine.run("join.sh", &host);
    assert!(joined, "{said}");
    assert!(
        said.contains("[31mssh") && !said.contains('\x1b'),
        "{said:?}"
    );
    assert_eq!(machine.read("known"), format!("machine {key}\n").repeat(2));
    let calls = machine.calls("ssh");
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert!(
            call.contains("-o StrictHostKeyChecking=yes -o HostKeyAlias=machine "),
            "{call}"
        );
        assert!(
            call.ends_with("-p 22 -l core -- 192.0.2.7 sudo -n sh -s"),
            "{call}"
        );
        assert!(!call.contains(TOKEN), "{call}");
    }
}
