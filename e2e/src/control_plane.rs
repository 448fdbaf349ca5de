//! Processes of the management cluster's control plane.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::audit::policy;
use crate::bed::Bed;
use crate::certs::Certs;
use crate::envtest::etcd_args;
use crate::kubeconfig::client;
use crate::node::Node;
use crate::wait::until;

/// The control plane of the management cluster, which runs on its only node.
#[derive(Debug)]
pub struct ControlPlane<'a> {
    bed: &'a Bed,
    node: &'a Node,
    certs: Certs,
}

impl<'a> ControlPlane<'a> {
    /// Control plane on this node.
    pub fn on(bed: &'a Bed, node: &'a Node) -> Self {
        Self {
            bed,
            node,
            certs: Certs::of(bed),
        }
    }

    /// Starts etcd and the API server and waits until it is ready.
    pub async fn start_api_server(&self) -> Result<()> {
        let data = self.bed.layout.dir("etcd");
        self.start(
            "etcd",
            etcd_args(&data, "http://127.0.0.1:2379", "http://127.0.0.1:2380"),
        )?;
        fs::write(self.bed.layout.dir("audit-policy.yaml"), policy())?;
        self.start("kube-apiserver", self.api_server_args())?;
        let client = client(&self.bed.layout.kubeconfig()).await?;
        until(
            "the management API server is ready",
            Duration::from_mins(1),
            || async {
                let ready = client
                    .request_text(http::Request::get("/readyz").body(Vec::new())?)
                    .await;
                ready.with_context(|| self.bed.processes.log_excerpt("kube-apiserver"))
            },
        )
        .await?;
        Ok(())
    }

    /// Starts the clients of the API server that need no node: controllers and scheduler.
    pub fn start_controllers(&self) -> Result<()> {
        self.start("kube-controller-manager", self.controller_manager_args())?;
        let scheduler = self.certs.kubeconfig("scheduler");
        self.start(
            "kube-scheduler",
            vec![
                flag("kubeconfig", &scheduler),
                "--leader-elect=false".into(),
            ],
        )
    }

    fn start(&self, binary: &str, args: Vec<String>) -> Result<()> {
        let mut command = self.node.command(self.bed.tools.path(binary)?)?;
        command.args(args);
        self.bed.processes.spawn(binary, command)?;
        Ok(())
    }

    fn api_server_args(&self) -> Vec<String> {
        let layout = &self.bed.layout;
        let file = |name: &str, path: &str| flag(name, &self.certs.file(path));
        vec![
            format!("--advertise-address={}", layout.management_ip()),
            format!("--secure-port={}", layout.api_port),
            format!("--service-cluster-ip-range={}", layout.service_cidr),
            "--etcd-servers=http://127.0.0.1:2379".into(),
            "--allow-privileged=true".into(),
            "--authorization-mode=Node,RBAC".into(),
            "--enable-admission-plugins=NodeRestriction".into(),
            "--enable-bootstrap-token-auth=true".into(),
            // No DNS server resolves the node's name for the API server.
            "--kubelet-preferred-address-types=InternalIP".into(),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
            "--requestheader-allowed-names=front-proxy-client".into(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
            "--requestheader-group-headers=X-Remote-Group".into(),
            "--requestheader-username-headers=X-Remote-User".into(),
            file("client-ca-file", "ca.crt"),
            file("tls-cert-file", "apiserver.crt"),
            file("tls-private-key-file", "apiserver.key"),
            file("kubelet-client-certificate", "apiserver-kubelet-client.crt"),
            file("kubelet-client-key", "apiserver-kubelet-client.key"),
            file("proxy-client-cert-file", "front-proxy-client.crt"),
            file("proxy-client-key-file", "front-proxy-client.key"),
            file("requestheader-client-ca-file", "front-proxy-ca.crt"),
            file("service-account-key-file", "sa.pub"),
            file("service-account-signing-key-file", "sa.key"),
            flag("audit-policy-file", &layout.dir("audit-policy.yaml")),
            flag("audit-log-path", &layout.audit_log()),
            // Marks are places in one file, so it must not be rotated.
            "--audit-log-maxsize=4096".into(),
        ]
    }

    fn controller_manager_args(&self) -> Vec<String> {
        let layout = &self.bed.layout;
        let file = |name: &str, path: &str| flag(name, &self.certs.file(path));
        let kubeconfig = self.certs.kubeconfig("controller-manager");
        vec![
            flag("kubeconfig", &kubeconfig),
            flag("authentication-kubeconfig", &kubeconfig),
            flag("authorization-kubeconfig", &kubeconfig),
            "--bind-address=127.0.0.1".into(),
            "--leader-elect=false".into(),
            "--use-service-account-credentials=true".into(),
            "--allocate-node-cidrs=true".into(),
            format!("--cluster-cidr={}", layout.pod_cidr),
            format!("--service-cluster-ip-range={}", layout.service_cidr),
            "--controllers=*,bootstrapsigner,tokencleaner".into(),
            file("client-ca-file", "ca.crt"),
            file("root-ca-file", "ca.crt"),
            file("cluster-signing-cert-file", "ca.crt"),
            file("cluster-signing-key-file", "ca.key"),
            file("requestheader-client-ca-file", "front-proxy-ca.crt"),
            file("service-account-private-key-file", "sa.key"),
        ]
    }

    /// Starts kube-proxy. The node has to exist with its addresses: kube-proxy waits for it for half a minute, goes on
    /// without, and ends once the node comes after all.
    pub fn start_kube_proxy(&self) -> Result<()> {
        let config = self.bed.layout.dir("kube-proxy.yaml");
        let text = format!(
            "apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: {pods}
hostnameOverride: {node}
clientConnection: {{kubeconfig: {access}}}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
# The kernel's table is the machine's; a network namespace can only read its size.
conntrack: {{maxPerCore: 0}}
",
            pods = self.bed.layout.pod_cidr,
            node = self.node.name(),
            access = self.certs.kubeconfig("super-admin").display(),
        );
        fs::write(&config, text)?;
        self.start("kube-proxy", vec![flag("config", &config)])
    }

    /// Starts the DNS of the cluster, on the management node's address.
    pub fn start_dns(&self) -> Result<()> {
        let corefile = self.bed.layout.dir("Corefile");
        let address = self.bed.layout.management_ip();
        let access = self.certs.kubeconfig("super-admin");
        // Names outside the cluster do not exist: the answer is immediate.
        let text = format!(
            "cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {{
  bind {address}
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {{
    kubeconfig {}
    ttl 1
  }}
}}
.:53 {{
  bind {address}
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
",
            access.display()
        );
        fs::write(&corefile, text)?;
        self.start(
            "coredns",
            vec!["-conf".into(), corefile.display().to_string()],
        )
    }

    /// Starts the kubelet; its Node appears by itself.
    pub fn start_kubelet(&self) -> Result<()> {
        let config = self.node.dir().join("kubelet.yaml");
        fs::write(
            &config,
            kubelet_config(self.bed, self.node, &self.certs.file("ca.crt")),
        )?;
        let mut kubelet = self.node.command(self.bed.tools.path("kubelet")?)?;
        kubelet.args([
            flag("config", &config),
            flag("kubeconfig", &self.certs.kubeconfig("kubelet")),
            format!("--hostname-override={}", self.node.name()),
            format!("--node-ip={}", self.bed.layout.management_ip()),
        ]);
        self.bed
            .processes
            .spawn(&self.node.process("kubelet"), kubelet)?;
        Ok(())
    }
}

fn flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// Settings that every kubelet of a testbed needs beside the rest of its configuration.
pub const KUBELET_ESSENTIALS: &str = "failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
enforceNodeAllocatable: []
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
";

fn kubelet_config(bed: &Bed, node: &Node, ca: &Path) -> String {
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
{KUBELET_ESSENTIALS}cgroupRoot: {cgroup}
containerRuntimeEndpoint: '{socket}'
clusterDNS: [{dns}]
clusterDomain: cluster.local
resolvConf: {resolv}
maxPods: 250
authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: true}}, x509: {{clientCAFile: {ca}}}}}
authorization: {{mode: Webhook}}
",
        cgroup = node.cgroup_root(),
        socket = crate::node::CRI_SOCKET,
        dns = bed.layout.dns_service,
        resolv = node.resolv_conf().display(),
        ca = ca.display(),
    )
}
