//! Binaries and the Go modules below `tools/` that they are built from.

/// One binary: its name, its Go package and the arguments that print its version, if any.
pub(super) type Binary = (&'static str, &'static str, Option<&'static str>);

/// One upstream: a Go module of ours that requires it, and what is built from it.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) dir: &'static str,
    pub(super) module: &'static str,
    pub(super) binaries: &'static [Binary],
}

const VERSION_FLAG: Option<&str> = Some("--version");

pub(super) const ETCD: Tool = Tool {
    dir: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    binaries: &[("etcd", "go.etcd.io/etcd/server/v3", VERSION_FLAG)],
};

/// Restores snapshots of etcd; of the same version.
pub(super) const ETCDUTL: Tool = Tool {
    dir: "etcdutl",
    module: "go.etcd.io/etcd/etcdutl/v3",
    binaries: &[("etcdutl", "go.etcd.io/etcd/etcdutl/v3", Some("version"))],
};

/// Copies the keys of one etcd into another, with which `make bench` compares; of the same version.
pub(super) const ETCDCTL: Tool = Tool {
    dir: "etcdctl",
    module: "go.etcd.io/etcd/etcdctl/v3",
    binaries: &[("etcdctl", "go.etcd.io/etcd/etcdctl/v3", Some("version"))],
};

pub(super) const API_SERVER: Binary = (
    "kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    VERSION_FLAG,
);
const CONTROLLER_MANAGER: Binary = (
    "kube-controller-manager",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    VERSION_FLAG,
);
const SCHEDULER: Binary = (
    "kube-scheduler",
    "k8s.io/kubernetes/cmd/kube-scheduler",
    VERSION_FLAG,
);
const KUBEADM: Binary = ("kubeadm", "k8s.io/kubernetes/cmd/kubeadm", Some("version"));
const KUBELET: Binary = ("kubelet", "k8s.io/kubernetes/cmd/kubelet", VERSION_FLAG);

pub(super) const KUBERNETES: Tool = Tool {
    dir: "kubernetes",
    module: "k8s.io/kubernetes",
    binaries: &[
        API_SERVER,
        KUBEADM,
        (
            "kubectl",
            "k8s.io/kubernetes/cmd/kubectl",
            Some("version --client"),
        ),
        CONTROLLER_MANAGER,
        SCHEDULER,
        (
            "kube-proxy",
            "k8s.io/kubernetes/cmd/kube-proxy",
            VERSION_FLAG,
        ),
        KUBELET,
    ],
};

/// Binaries that an upgrade starts from: the control plane of a tenant, and a worker.
pub(super) const PREVIOUS: Tool = Tool {
    dir: "kubernetes-previous",
    module: "k8s.io/kubernetes",
    binaries: &[API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KUBEADM, KUBELET],
};

/// Kubernetes' own tests and what they run, of the testbed's version.
pub(super) const CONFORMANCE: Tool = Tool {
    dir: "conformance",
    module: "k8s.io/kubernetes",
    binaries: &[
        ("e2e.test", "k8s.io/kubernetes/test/e2e", VERSION_FLAG),
        ("ginkgo", "github.com/onsi/ginkgo/v2/ginkgo", None),
        ("agnhost", "k8s.io/kubernetes/test/images/agnhost", None),
    ],
};

const CONTAINERD: Tool = Tool {
    dir: "containerd",
    module: "github.com/containerd/containerd/v2",
    binaries: &[
        (
            "containerd",
            "github.com/containerd/containerd/v2/cmd/containerd",
            VERSION_FLAG,
        ),
        (
            "containerd-shim-runc-v2",
            "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            Some("-v"),
        ),
        (
            "ctr",
            "github.com/containerd/containerd/v2/cmd/ctr",
            VERSION_FLAG,
        ),
    ],
};

pub(super) const KONNECTIVITY: Tool = Tool {
    dir: "konnectivity",
    module: "sigs.k8s.io/apiserver-network-proxy",
    binaries: &[
        (
            "proxy-server",
            "sigs.k8s.io/apiserver-network-proxy/cmd/server",
            None,
        ),
        (
            "proxy-agent",
            "sigs.k8s.io/apiserver-network-proxy/cmd/agent",
            None,
        ),
    ],
};

pub(super) const COREDNS: Tool = Tool {
    dir: "coredns",
    module: "github.com/coredns/coredns",
    binaries: &[("coredns", "github.com/coredns/coredns", Some("-version"))],
};

pub(super) const KINE: Tool = Tool {
    dir: "kine",
    module: "github.com/k3s-io/kine",
    binaries: &[("kine", "github.com/k3s-io/kine", VERSION_FLAG)],
};

/// Server of the tests of the NATS driver.
const NATS: Tool = Tool {
    dir: "nats",
    module: "github.com/nats-io/nats-server/v2",
    binaries: &[(
        "nats-server",
        "github.com/nats-io/nats-server/v2",
        VERSION_FLAG,
    )],
};

/// S3-compatible server of the tests of snapshots.
const VERSITYGW: Tool = Tool {
    dir: "versitygw",
    module: "github.com/versity/versitygw",
    binaries: &[(
        "versitygw",
        "github.com/versity/versitygw/cmd/versitygw",
        None,
    )],
};

pub(super) const CLUSTER_API: Tool = Tool {
    dir: "cluster-api",
    module: "sigs.k8s.io/cluster-api",
    binaries: &[
        (
            "clusterctl",
            "sigs.k8s.io/cluster-api/cmd/clusterctl",
            Some("version -o short"),
        ),
        ("cluster-api-manager", "sigs.k8s.io/cluster-api/core", None),
        (
            "kubeadm-bootstrap-manager",
            "sigs.k8s.io/cluster-api/bootstrap/kubeadm",
            None,
        ),
    ],
};

/// Package manager that installs the charts of `config/charts`.
pub(super) const HELM: Tool = Tool {
    dir: "helm",
    module: "helm.sh/helm/v3",
    binaries: &[("helm", "helm.sh/helm/v3/cmd/helm", Some("version --short"))],
};

/// Program of ours that prints what kstatus makes of objects.
pub(super) const KSTATUS: Tool = Tool {
    dir: "kstatus",
    module: "github.com/fluxcd/cli-utils",
    binaries: &[("kstatus", ".", None)],
};

/// Terraform's free sibling, which runs `config/terraform`.
pub(super) const OPENTOFU: Tool = Tool {
    dir: "opentofu",
    module: "github.com/opentofu/opentofu",
    binaries: &[(
        "tofu",
        "github.com/opentofu/opentofu/cmd/tofu",
        Some("version"),
    )],
};

/// Provider `helm`. Its tags are no versions of a Go module, so that a commit is pinned.
pub(super) const PROVIDER_HELM: Tool = Tool {
    dir: "terraform-helm",
    module: "github.com/hashicorp/terraform-provider-helm",
    binaries: &[(
        "terraform-provider-helm",
        "github.com/hashicorp/terraform-provider-helm",
        None,
    )],
};

/// Provider `kubernetes`, pinned as the provider `helm` is.
pub(super) const PROVIDER_KUBERNETES: Tool = Tool {
    dir: "terraform-kubernetes",
    module: "github.com/hashicorp/terraform-provider-kubernetes",
    binaries: &[(
        "terraform-provider-kubernetes",
        "github.com/hashicorp/terraform-provider-kubernetes",
        None,
    )],
};

/// Backups of objects: client and server in one binary.
pub(super) const VELERO: Tool = Tool {
    dir: "velero",
    module: "github.com/vmware-tanzu/velero",
    binaries: &[(
        "velero",
        "github.com/vmware-tanzu/velero/cmd/velero",
        Some("version --client-only"),
    )],
};

/// Velero's plugin for object stores with the API of S3, and what copies it out of its image.
pub(super) const VELERO_PLUGIN: Tool = Tool {
    dir: "velero-plugin-for-aws",
    module: "github.com/vmware-tanzu/velero-plugin-for-aws",
    binaries: &[
        (
            "velero-plugin-for-aws",
            "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws",
            None,
        ),
        (
            "cp-plugin",
            "github.com/vmware-tanzu/velero-plugin-for-aws/hack/cp-plugin",
            None,
        ),
    ],
};

/// Binaries of a testbed without Cluster API.
pub(super) const ALL: [&Tool; 9] = [
    &ETCD,
    &ETCDUTL,
    &KUBERNETES,
    &CONTAINERD,
    &KONNECTIVITY,
    &COREDNS,
    &KINE,
    &NATS,
    &VERSITYGW,
];
