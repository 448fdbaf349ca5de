#!/bin/sh
# Resets a machine that is removed, and deletes its Node from the tenant. One of the two that fails does not stop the other.
set -uf
. "${0%/*}/common.sh"
failed=

# Without quotes: no word, or one.
on_machine reset.sh kubeadm reset --force $KAMAJI_RESET || {
  say "The machine of the node $KAMAJI_NODE was not reset, see above. It may hold a certificate of $KAMAJI_TENANT and run its pods: run kubeadm reset -f there, or delete the machine."
  failed=yes
}
if kamaji kubeconfig "$KAMAJI_TENANT" --key "$KAMAJI_KEY" > "$folder/tenant.conf"; then
  kubectl --kubeconfig "$folder/tenant.conf" delete node "$KAMAJI_NODE" --ignore-not-found --request-timeout=30s --timeout=30s || failed=node
else
  failed=node
fi
[ "$failed" != node ] || say "The Node $KAMAJI_NODE may still be in $KAMAJI_TENANT, see above: delete it with kubectl, unless the tenant is gone."
[ -z "$failed" ]
