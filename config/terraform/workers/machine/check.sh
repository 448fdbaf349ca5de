# Runs on the machine, as root, from standard input: fails unless the machine can join a cluster.
check() {
  set -eu
  PATH=$PATH:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin
  if [ "$(id -u)" != 0 ]; then
    echo "The script for the node $node does not run as root on its machine: use the user root, or one that may call sudo without a password." >&2
    exit 1
  fi
  if [ -e /etc/kubernetes/kubelet.conf ]; then
    echo "The machine of the node $node has /etc/kubernetes/kubelet.conf, so that it is in a cluster already: run kubeadm reset -f there if it is to join this one." >&2
    exit 1
  fi
  command -v kubeadm > /dev/null || {
    echo "The machine of the node $node has no kubeadm: install container runtime, kubelet and kubeadm of the tenant's version." >&2
    exit 1
  }
}
check < /dev/null
