#!/bin/sh
# Makes a token for one machine, and has the machine join with it.
set -euf
. "${0%/*}/common.sh"

# First, so that a machine that cannot join gets no token.
on_machine check.sh || {
  say "The machine of the node $KAMAJI_NODE cannot join, see above: nothing was changed there, and no token was made."
  exit 1
}
line=$(kamaji join "$KAMAJI_TENANT" --ttl "$KAMAJI_TTL" --key "$KAMAJI_KEY") || {
  say "No token for the node $KAMAJI_NODE: \`kamaji join $KAMAJI_TENANT\` failed, see above. Nothing was changed on the machine."
  exit 1
}
case $line in
"kubeadm join "*) ;;
*)
  say "No token for the node $KAMAJI_NODE: $KAMAJI_BINARY printed no line of kubeadm join. Set the variable kamaji to the command line of this release."
  exit 1
  ;;
esac
# Without quotes: one word for each argument.
on_machine join.sh $line --node-name "$KAMAJI_NODE" $KAMAJI_ARGUMENTS || {
  say "The node $KAMAJI_NODE has not joined $KAMAJI_TENANT, see above. What kubeadm left on the machine goes by kubeadm reset -f there; the next apply tries again."
  exit 1
}
