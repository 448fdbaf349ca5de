//! Fields and notes that no definition requires, and without which a template does not work.

use std::fs;

use serde_json::Value;

use crate::{Clusterctl, folder, templates, word};

#[tokio::test(flavor = "multi_thread")]
async fn templates_have_fields_that_no_definition_requires() {
    let clusterctl = Clusterctl::new().await;
    let file = |name: &str| folder().join(name);
    let of = |objects: &[Value], kind: &str| {
        let found = objects.iter().find(|object| object["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}")).clone()
    };
    // Its controller reads the reference on deletion without asking whether there is one.
    let metal = clusterctl
        .objects(&file("metal-stack/cluster-template.yaml"))
        .await;
    let firewall = &of(&metal, "MetalStackCluster")["spec"]["firewallDeploymentRef"]["name"];
    let deployment = of(&metal, "MetalStackFirewallDeployment");
    assert_eq!(*firewall, deployment["metadata"]["name"]);
    // Its controller deletes a network that is named here, whoever made it.
    assert!(of(&metal, "MetalStackCluster")["spec"]["nodeNetworkID"].is_null());
    let template = &deployment["spec"]["firewallTemplateRef"]["name"];
    assert_eq!(
        *template,
        of(&metal, "MetalStackFirewallTemplate")["metadata"]["name"]
    );
    // A Node that does not exist yet must offer what the machine will have.
    let file = file("proxmox/cluster-template-autoscaler.yaml");
    let proxmox = clusterctl.objects(&file).await;
    let machine = &of(&proxmox, "ProxmoxMachineTemplate")["spec"]["template"]["spec"];
    let cpus = machine["numSockets"].as_i64().unwrap() * machine["numCores"].as_i64().unwrap();
    let capacity = "capacity.cluster-autoscaler.kubernetes.io/cpu";
    let workers = of(&proxmox, "MachineDeployment");
    assert_eq!(
        workers["metadata"]["annotations"][capacity],
        cpus.to_string()
    );
}

/// The cloud's controller finds a Node by the name of its virtual machine.
#[tokio::test(flavor = "multi_thread")]
async fn nutanix_workers_set_the_host_name_before_they_join() {
    let clusterctl = Clusterctl::new().await;
    for name in ["cluster-template.yaml", "clusterclass-kamaji-nutanix.yaml"] {
        let file = folder().join("nutanix").join(name);
        let objects = clusterctl.objects(&file).await;
        let mut configs = objects
            .iter()
            .filter(|object| object["kind"] == "KubeadmConfigTemplate");
        let spec = &configs.next().unwrap()["spec"]["template"]["spec"];
        let command = word(spec, "/preKubeadmCommands/0");
        assert!(command.starts_with("hostnamectl set-hostname"), "{name}");
    }
}

#[test]
fn classes_without_a_list_of_versions_are_documented() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut classes = templates().into_iter().filter(|template| {
        let name = template.file_name().unwrap().to_str().unwrap();
        name.starts_with("clusterclass-")
    });
    let lacking = classes.any(|class| {
        let text = fs::read_to_string(class).unwrap();
        !text.contains("kubernetesVersions:")
    });
    assert_eq!(
        lacking,
        readme.contains("The classes have no `spec.kubernetesVersions`")
    );
}

#[test]
fn a_bootstrap_format_behind_a_gate_is_documented() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let gated = templates().into_iter().any(|template| {
        let text = fs::read_to_string(template).unwrap();
        text.contains("format: ignition")
    });
    assert_eq!(
        gated,
        readme.contains("EXP_KUBEADM_BOOTSTRAP_FORMAT_IGNITION=true")
    );
}
