# Operator, tenants and workers in one apply.

terraform {
  required_providers {
    helm = {
      source = "hashicorp/helm"
    }
    kubernetes = {
      source = "hashicorp/kubernetes"
    }
  }
}

variable "kubeconfig" {
  description = "Kubeconfig of the management cluster."
  type        = string

  validation {
    condition     = try(fileexists(pathexpand(var.kubeconfig)), false)
    error_message = "The kubeconfig is no file: name that of the management cluster."
  }
}

variable "values" {
  description = "Values of the chart kamaji, as YAML documents."
  type        = list(string)
  default     = []
}

variable "tenants" {
  description = "Tenants by name, as the module kamaji takes them."
  type        = any
  default     = {}
}

variable "workers" {
  description = "Workers by tenant: machines, join_arguments and kamaji as the module workers takes them."
  type = map(object({
    machines = map(object({
      host     = optional(string)
      port     = optional(number)
      user     = optional(string)
      host_key = optional(string)
      command  = optional(string)
    }))
    join_arguments = optional(list(string), [])
    kamaji         = optional(string, "kamaji")
  }))
  default = {}
}

variable "private_key_file" {
  description = "File with the private key for SSH to the machines; null: the keys that ssh finds."
  type        = string
  default     = null
}

provider "helm" {
  kubernetes = {
    config_path = var.kubeconfig
  }
}

provider "kubernetes" {
  config_path = var.kubeconfig
}

module "kamaji" {
  source = "../kamaji"

  values  = var.values
  tenants = var.tenants
}

module "workers" {
  source   = "../workers"
  for_each = var.workers

  tenant           = module.kamaji.tenants[each.key]
  machines         = each.value.machines
  join_arguments   = each.value.join_arguments
  kamaji           = each.value.kamaji
  private_key_file = var.private_key_file
  kubeconfig       = var.kubeconfig
}

output "tenants" {
  description = "Tenants by name: namespace, endpoint, version, and where the administrator's kubeconfig is."
  value       = module.kamaji.tenants
}

output "nodes" {
  description = "Names of the Nodes, by tenant."
  value       = { for tenant, workers in module.workers : tenant => workers.nodes }
}
