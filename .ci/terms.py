"""Spelling of Kubernetes terms in the prose of pages."""
import re

# What is wrong, and how it is written. A capital at the start of a sentence is allowed where the pattern says so.
MID = r"(?<=[a-z,;:)] )"
TERMS = [
    (r"\bkubernetes\b(?![./])", "Kubernetes"),
    (r"\b(?:KubeConfig|kubeConfig|kube-config|kube config)s?\b|" + MID + r"Kubeconfigs?\b", "kubeconfig"),
    (MID + r"Kubelets?\b", "kubelet"),
    (r"\b(?:kube-api-server|kube-api server|kubeapi-?server|kube apiserver|Kube-apiserver|KubeAPIServer|(?<!kube-)apiserver)\b", "kube-apiserver, or API server"),
    (r"\b(?:Configmap|configmap|configMap|config map|Config Map)s?\b", "ConfigMap"),
    (r"\b(?:Statefulset|statefulset|statefulSet|stateful set)s?\b", "StatefulSet"),
    (r"\b(?:Daemonset|daemonset|daemon set)s?\b", "DaemonSet"),
    (r"\b(?:controlplane|Controlplane|Control Plane|control-planes)s?\b", "control plane"),
    (r"\b(?:ETCD|Etcd)\b", "etcd"),
    (r"\b(?:Postgres|postgres|Postgresql|postgresql|postgreSQL)\b", "PostgreSQL"),
    (r"\b(?:Mysql|mysql|MySql|mySQL)\b", "MySQL"),
    (MID + r"Konnectivity\b", "konnectivity"),
    (r"\b(?:Coredns|CoreDns|coreDNS|coredns)\b", "CoreDNS"),
    (r"\b(?:Kube-proxy|KubeProxy|kube proxy|kubeproxy)\b", "kube-proxy"),
    (MID + r"(?:Kubectl|Kubeadm|Containerd)\b|\bKubeCtl\b", "kubectl, kubeadm, containerd"),
    (r"\b(?:Cert-[Mm]anager|Cert Manager|cert manager)\b", "cert-manager"),
    (r"\b(?:Clusterclass|Cluster Class|cluster class)(?:es)?\b", "ClusterClass"),
    (r"\bCluster[- ]?API\b(?<!Cluster API)|\bcluster api\b", "Cluster API"),
    (r"\b(?:Nodeport|nodeport|Node Port)\b", "NodePort, or node port"),
    (r"\b(?:Loadbalancer|loadbalancer|load-balancer|(?<!Network )Load Balancer(?! Controller))s?\b", "LoadBalancer, or load balancer"),
    (r"\b(?:data store|Data Store|data-store)s?\b|" + MID + r"Datastores?\b", "datastore, or DataStore for the kind"),
    (r"\b(?:tenantcontrolplane|Tenant Control Plane|Tenantcontrolplane)s?\b", "TenantControlPlane, or tenant control plane"),
    (r"\b(?:Name space|name space|NameSpace)s?\b", "namespace"),
    (r"\b(?:Github|github)\b", "GitHub"),
]
PATTERNS = [(re.compile(pattern), right) for pattern, right in TERMS]


def plain(text):
    """Prose without code, targets of links and comments."""
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"``[^`]*``|`[^`]*`", "`code`", text)
    return re.sub(r"\]\([^)]*\)", "]", text)


def spelling(text):
    """Findings about terms that are written in another way than Kubernetes does. Generated pages name fields in their prose."""
    if "\nGenerated from the types by `make crds`" in text:
        return
    for line in plain(text).split("\n"):
        for pattern, right in PATTERNS:
            for match in pattern.finditer(line):
                yield f"{match.group(0)!r} is written {right}: {line.strip()[:80]!r}"
