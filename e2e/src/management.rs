//! Start of the management cluster: control plane, node, images, DNS.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::bed::Bed;
use crate::catalogue;
use crate::certs::Certs;
use crate::control_plane::ControlPlane;
use crate::image::Image;
use crate::kubectl::Kubectl;
use crate::layout::cache_dir;
use crate::network::connect_management;
use crate::node::Node;
use crate::step::step;
use crate::wait::until;

/// Admission policy for clusters that run control planes: pods use images that the node has, since
/// there is no registry to pull from.
pub const AT_HAND: &str = r#"apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: testbed-pull-if-not-present}
spec:
  failurePolicy: Ignore
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: >-
        Object{spec: Object.spec{
          containers: object.spec.containers.map(c,
            Object.spec.containers{name: c.name, imagePullPolicy: "IfNotPresent"}),
          initContainers: (has(object.spec.initContainers) ? object.spec.initContainers : []).map(c,
            Object.spec.initContainers{name: c.name, imagePullPolicy: "IfNotPresent"})}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: testbed-pull-if-not-present}
spec: {policyName: testbed-pull-if-not-present}
"#;

/// Name of the management cluster's only node.
pub const NODE: &str = "mgmt";

/// Brings the management cluster up, its images loaded and its node Ready.
pub async fn start(bed: &Bed) -> Result<()> {
    let node = Node::named(bed, NODE)?;
    step(
        "network, folders and certificates of the management cluster",
        async {
            node.announce()?;
            connect_management(&bed.layout).await?;
            node.open().await?;
            Certs::of(bed).make(bed).await
        },
    )
    .await?;
    let control_plane = ControlPlane::on(bed, &node);
    let kubectl = Kubectl::new(&bed.tools, &bed.layout.kubeconfig())?;
    step(
        "etcd and kube-apiserver, containerd and its images",
        async {
            let images = async {
                node.start_containerd().await?;
                node.import(&archives(catalogue::management(&bed.tools)?).await?)
                    .await
            };
            let api_server = async {
                control_plane.start_api_server().await?;
                control_plane.start_controllers()?;
                kubectl.apply(&objects(bed)).await?;
                control_plane.start_dns()
            };
            futures::try_join!(images, api_server).map(|_| ())
        },
    )
    .await?;
    step("kubelet, until its node is Ready", async {
        control_plane.start_kubelet()?;
        let cidr = pod_range(bed, &kubectl).await;
        let cidr = cidr.with_context(|| bed.processes.log_excerpt(&node.process("kubelet")))?;
        node.write_cni(&cidr)?;
        wait_node_ready(&kubectl, NODE).await?;
        control_plane.start_kube_proxy()
    })
    .await
}

/// Waits until the node has a range for pods, and returns it.
async fn pod_range(bed: &Bed, kubectl: &Kubectl) -> Result<String> {
    until(
        "the node has addresses for pods",
        Duration::from_mins(1),
        || async {
            let cidr = kubectl
                .run("get node mgmt -o jsonpath={.spec.podCIDR}")
                .await?;
            if cidr.is_empty() {
                bail!(
                    "spec.podCIDR is empty: {}",
                    bed.processes.log_excerpt("kube-controller-manager")
                );
            }
            Ok(cidr)
        },
    )
    .await
}

/// Waits until the condition Ready of a node is true.
pub async fn wait_node_ready(kubectl: &Kubectl, node: &str) -> Result<()> {
    let line = format!("wait --for=condition=Ready node/{node} --timeout=90s");
    kubectl.run(&line).await.map(|_| ())
}

/// Archives of the images in the cache; missing ones are written.
pub async fn archives(images: Vec<Image>) -> Result<Vec<PathBuf>> {
    let dir = cache_dir()?.join("images");
    let write = move || {
        images
            .iter()
            .map(|image| Ok(image.archive(&dir)?.0))
            .collect()
    };
    tokio::task::spawn_blocking(write).await?
}

/// Objects that kubeadm would have put into the cluster, its DNS, and [`AT_HAND`].
fn objects(bed: &Bed) -> String {
    let (dns, address) = (bed.layout.dns_service, bed.layout.management_ip());
    format!(
        r"apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: 'kubeadm:apiserver-kubelet-client'}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'system:kubelet-api-admin'}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: kube-apiserver-kubelet-client}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: 'kubeadm:cluster-admins'}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'kubeadm:cluster-admins'}}]
---
apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: kube-system}}
spec:
  clusterIP: {dns}
  ports:
  - {{name: dns, port: 53, protocol: UDP}}
  - {{name: dns-tcp, port: 53, protocol: TCP}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: kube-dns, namespace: kube-system, labels: {{kubernetes.io/service-name: kube-dns}}}}
addressType: IPv4
ports:
- {{name: dns, port: 53, protocol: UDP}}
- {{name: dns-tcp, port: 53, protocol: TCP}}
endpoints: [{{addresses: [{address}]}}]
---
{AT_HAND}"
    )
}
