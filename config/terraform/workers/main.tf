# Joins machines to a tenant, each by kubeadm with a token of its own, and resets those that are removed.
#
# Everything runs on this machine by sh. The token is made by `kamaji join` in a provisioner, whose output no state or
# plan keeps, and goes to the machine by standard input: no file has it.

locals {
  cri_socket = [for word in var.join_arguments : word if startswith(word, "--cri-socket=")]

  # What the scripts read, and what the state keeps of a machine for the day on which it leaves: no secret among it.
  settings = { for name, machine in var.machines : name => {
    KAMAJI_BINARY     = var.kamaji
    KAMAJI_KUBECONFIG = var.kubeconfig == null ? "" : pathexpand(var.kubeconfig)
    KAMAJI_CONTEXT    = var.context == null ? "" : var.context
    KAMAJI_TENANT     = "${var.tenant.namespace}/${var.tenant.name}"
    KAMAJI_KEY        = var.key
    KAMAJI_NODE       = name
    KAMAJI_COMMAND    = machine.command == null ? "" : machine.command
    KAMAJI_HOST       = machine.host == null ? "" : machine.host
    KAMAJI_PORT       = tostring(machine.port)
    KAMAJI_USER       = machine.user
    KAMAJI_HOST_KEY   = machine.host_key == null ? "" : trimspace(machine.host_key)
    KAMAJI_IDENTITY   = var.private_key_file == null ? "" : pathexpand(var.private_key_file)
    KAMAJI_RESET      = join(" ", local.cri_socket)
  } }
}

resource "terraform_data" "machine" {
  for_each = var.machines

  input = local.settings[each.key]
  # What makes a machine leave and join again: another tenant, or another machine by that name.
  triggers_replace = [var.tenant.namespace, var.tenant.name, each.value.host]

  provisioner "local-exec" {
    interpreter = ["sh"]
    command     = "${path.module}/join.sh"
    environment = merge(local.settings[each.key], {
      KAMAJI_TTL       = var.ttl
      KAMAJI_ARGUMENTS = join(" ", var.join_arguments)
    })
  }

  # A machine that no longer exists cannot be reset, and must not keep others from leaving: the script says what it
  # could not do, and the rest goes on.
  provisioner "local-exec" {
    when        = destroy
    on_failure  = continue
    interpreter = ["sh"]
    command     = "${path.module}/leave.sh"
    environment = self.output
  }
}
