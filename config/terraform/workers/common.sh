# Read by join.sh and leave.sh; all settings are variables KAMAJI_*. No word of them is read as a command, but for
# KAMAJI_COMMAND.

folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

say() {
  echo "$*" >&2
}

# The command line with the flags by which this machine reaches the management cluster.
kamaji() {
  set -- "$@" --request-timeout 30s
  [ -z "$KAMAJI_KUBECONFIG" ] || set -- "$@" --kubeconfig "$KAMAJI_KUBECONFIG"
  [ -z "$KAMAJI_CONTEXT" ] || set -- "$@" --context "$KAMAJI_CONTEXT"
  command "$KAMAJI_BINARY" "$@"
}

# The arguments as words of a shell. printf is part of the shell: no list of processes shows them.
quoted() {
  for word; do
    printf "'%s' " "$(printf '%s\n' "$word" | sed "s/'/'\\\\''/g")"
  done
}

# Runs a script of machine/ on the machine, as root, with a command line as its arguments. Of what the machine prints,
# a part of bounded length and without control characters reaches the terminal.
on_machine() {
  text=$(cat "${0%/*}/machine/$1") || return 1
  shift
  echo 1 > "$folder/status"
  {
    printf 'node=%s\n' "$(quoted "$KAMAJI_NODE")"
    printf 'set -- %s\n' "$(quoted "$@")"
    printf '%s\n' "$text"
  } | {
    reach 2>&1 && echo 0 > "$folder/status"
  } | LC_ALL=C tr -cd '\11\12\40-\176' | head -c 200000
  return "$(cat "$folder/status")"
}

# Runs the script of standard input on the machine, for at most 15 minutes where there is the command timeout.
reach() {
  limit=
  ! command -v timeout > /dev/null || limit='timeout 900'
  if [ -n "$KAMAJI_COMMAND" ]; then
    NODE=$KAMAJI_NODE $limit sh -c "$KAMAJI_COMMAND"
    return
  fi
  printf 'machine %s\n' "$KAMAJI_HOST_KEY" > "$folder/known_hosts"
  set -- -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=10 -o ServerAliveCountMax=6
  set -- "$@" -o StrictHostKeyChecking=yes -o HostKeyAlias=machine -o CheckHostIP=no -o UpdateHostKeys=no
  set -- "$@" -o "UserKnownHostsFile=\"$folder/known_hosts\"" -o GlobalKnownHostsFile=/dev/null
  [ -z "$KAMAJI_IDENTITY" ] || set -- "$@" -o IdentitiesOnly=yes -i "$KAMAJI_IDENTITY"
  shell='sh -s'
  [ "$KAMAJI_USER" = root ] || shell='sudo -n sh -s'
  $limit ssh "$@" -p "$KAMAJI_PORT" -l "$KAMAJI_USER" -- "$KAMAJI_HOST" "$shell"
}
