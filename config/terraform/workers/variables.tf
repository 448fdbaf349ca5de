variable "tenant" {
  description = "The tenant that the machines join: an entry of the output tenants of the module kamaji."
  type = object({
    name      = string
    namespace = string
  })
  nullable = false

  validation {
    condition = alltrue([for name in [var.tenant.name, var.tenant.namespace] :
    can(regex("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", name))])
    error_message = "The tenant has a name and a namespace, each of 1 to 63 lower-case letters, digits and dashes: pass an entry of the output tenants of the module kamaji."
  }
}

variable "machines" {
  description = <<-EOT
    Machines by the name of their Node. Each has a host that ssh reaches, or a command of this machine.
    host: address or name; user is root, or may call sudo without a password. host_key: the machine's public key, which
    is checked.
    command: line of sh on this machine, for joining and for leaving, that runs the script of its standard input by sh
    on the machine, as root; NODE is the name of the Node.
  EOT
  type = map(object({
    host     = optional(string)
    port     = optional(number, 22)
    user     = optional(string, "root")
    host_key = optional(string)
    command  = optional(string)
  }))
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.machines) : can(regex("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", name))])
    error_message = "The name of a machine is that of its Node, of 1 to 63 lower-case letters, digits and dashes: rename those that differ."
  }

  validation {
    condition     = alltrue([for machine in values(var.machines) : (machine.host == null) != (machine.command == null)])
    error_message = "A machine has either a host or a command: remove one of the two, or add one."
  }

  validation {
    condition     = alltrue([for machine in values(var.machines) : machine.command == null || can(regex("[^[:space:]]", machine.command))])
    error_message = "The command of a machine is a line of sh, for example \"incus exec $NODE -- sh -s\": write one, or give the machine a host."
  }

  validation {
    condition     = alltrue([for machine in values(var.machines) : machine.host == null || can(regex("^[A-Za-z0-9:]([-A-Za-z0-9.:%]{0,252})$", machine.host))])
    error_message = "The host of a machine is an IP address or a DNS name, without a port or a user: write it that way."
  }

  validation {
    condition     = alltrue([for machine in values(var.machines) : machine.port >= 1 && machine.port <= 65535 && floor(machine.port) == machine.port])
    error_message = "The port of a machine is 1 to 65535: choose one of them."
  }

  validation {
    condition     = alltrue([for machine in values(var.machines) : can(regex("^[a-z_][-a-z0-9_]{0,31}$", machine.user))])
    error_message = "The user of a machine is a login name of at most 32 lower-case letters, digits, dashes and underscores: write one."
  }

  validation {
    condition = alltrue([for machine in values(var.machines) : machine.host == null ||
    can(regex("^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,3}( [^\\n]*)?$", trimspace(machine.host_key)))])
    error_message = "A machine with a host needs its host_key, a line like that of /etc/ssh/ssh_host_ed25519_key.pub there: without it the token could go to another machine."
  }
}

variable "private_key_file" {
  description = "File with the private key for SSH, which neither plan nor state has; null: the keys that ssh finds, its agent's among them."
  type        = string
  default     = null

  validation {
    condition     = var.private_key_file != ""
    error_message = "The private_key_file is empty: name a file, or leave it out for the SSH agent."
  }
}

variable "kamaji" {
  description = "The command line kamaji on this machine, which makes the tokens: a name in the PATH, or a path."
  type        = string
  default     = "kamaji"
  nullable    = false

  validation {
    condition     = can(regex("^[^-[:space:]]", var.kamaji))
    error_message = "The variable kamaji names the command line kamaji on this machine: write kamaji, or its path."
  }
}

variable "kubeconfig" {
  description = "Kubeconfig of the management cluster on this machine; null: KUBECONFIG or ~/.kube/config."
  type        = string
  default     = null

  validation {
    condition     = var.kubeconfig != ""
    error_message = "The kubeconfig is empty: name a file, or leave it out for KUBECONFIG."
  }
}

variable "context" {
  description = "Context of the kubeconfig; null: its current one."
  type        = string
  default     = null

  validation {
    condition     = var.context != ""
    error_message = "The context is empty: name one, or leave it out for the current one."
  }
}

variable "key" {
  description = "Kubeconfig by which this machine reaches the tenant: admin.conf, or admin.svc within the management cluster."
  type        = string
  default     = "admin.conf"
  nullable    = false

  validation {
    condition     = contains(["admin.conf", "admin.svc"], var.key)
    error_message = "The key is admin.conf or admin.svc: choose one."
  }
}

variable "ttl" {
  description = "Time for which a machine's token can be used, 1m to 24h."
  type        = string
  default     = "15m"
  nullable    = false

  validation {
    condition     = can(regex("^(([1-9][0-9]{0,2}|1[0-3][0-9]{2}|14[0-3][0-9]|1440)m|([1-9]|1[0-9]|2[0-4])h)$", var.ttl))
    error_message = "The ttl of a token is 1m to 24h: write a time like 15m or 1h."
  }
}

variable "join_arguments" {
  description = "Further arguments of kubeadm join, for example --cri-socket=unix:///run/containerd/containerd.sock, which kubeadm reset is given as well."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for word in var.join_arguments : can(regex("^[-A-Za-z0-9_=,.:/]+$", word))])
    error_message = "An argument of kubeadm join has letters, digits and -_=,.:/ only: remove others, or set them in a file on the machine."
  }

  validation {
    condition     = alltrue([for word in var.join_arguments : !can(regex("^--(token|discovery|tls-bootstrap|node-name|control-plane)", word))])
    error_message = "The module sets token, discovery and name of a Node itself, and joins workers only: remove these arguments of kubeadm join."
  }
}
