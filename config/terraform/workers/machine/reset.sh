# Runs on the machine, as root, from standard input: resets it by the command line in "$@", if it is in the cluster that
# it joined by machine/join.sh.
reset() {
  set -eu
  PATH=$PATH:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin
  if [ ! -e /etc/kubernetes/kubelet.conf ]; then
    rm -f /etc/kubernetes/kamaji-joined
    echo "The machine of the node $node is in no cluster: nothing to reset."
    return
  fi
  if ! sha256sum -c /etc/kubernetes/kamaji-joined > /dev/null 2>&1; then
    echo "The machine of the node $node is in another cluster than the one that it joined by this module: nothing was reset there." >&2
    exit 1
  fi
  "$@"
  rm -f /etc/kubernetes/kamaji-joined
  if [ -e /etc/kubernetes/kubelet.conf ]; then
    echo "The machine of the node $node still has /etc/kubernetes/kubelet.conf after the reset: see what kubeadm said above." >&2
    exit 1
  fi
}
reset "$@" < /dev/null
