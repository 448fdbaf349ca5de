variable "namespace" {
  description = "Namespace of the operator; it is created if it does not exist, and stays when the rest is destroyed."
  type        = string
  default     = "kamaji-system"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "The namespace has 1 to 63 lower-case letters, digits and dashes: rename it."
  }
}

variable "charts" {
  description = "Folder with the charts kamaji and kamaji-crds; null: those of this checkout."
  type        = string
  default     = null

  validation {
    condition     = var.charts == null || try(fileexists("${var.charts}/kamaji/Chart.yaml") && fileexists("${var.charts}/kamaji-crds/Chart.yaml"), false)
    error_message = "The folder charts lacks kamaji/Chart.yaml or kamaji-crds/Chart.yaml: name the folder in which both charts are, unpacked."
  }
}

variable "values" {
  description = "Values of the chart kamaji, as YAML documents; of two that set the same value the last one counts."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for text in var.values : can(keys(yamldecode(text)))])
    error_message = "Each of the values is a YAML document with the chart's values by name: mend or remove those that are not."
  }

  validation {
    condition     = alltrue([for text in var.values : can(merge({ tag = "" }, try(yamldecode(text).image, {})))])
    error_message = "The value image of the chart has repository, tag and pullPolicy by name: write it that way."
  }
}

variable "timeout" {
  description = "Seconds for which each release, and each tenant, is waited for."
  type        = number
  default     = 600
  nullable    = false

  validation {
    condition     = var.timeout >= 30 && var.timeout <= 3600 && floor(var.timeout) == var.timeout
    error_message = "The timeout is 30 to 3600 seconds: choose one of them."
  }
}

variable "tenants" {
  description = <<-EOT
    Tenants by name: { NAME = { namespace = "default", spec = { ... }, labels = {}, annotations = {} } }, of which only spec is needed.
    spec is that of a TenantControlPlane.
  EOT
  # Not a map of objects: all of its specs would have to have the same fields.
  type     = any
  default  = {}
  nullable = false

  validation {
    condition     = can(keys(var.tenants))
    error_message = "The tenants are a map by name, such as { blue = { spec = { ... } } }: write them that way."
  }

  validation {
    condition     = alltrue([for name in try(keys(var.tenants), []) : can(regex("^[a-z]([-a-z0-9]{0,44}[a-z0-9])?$", name))])
    error_message = "The name of a tenant has 1 to 46 lower-case letters, digits and dashes, and begins with a letter: rename those that differ."
  }

  validation {
    condition = alltrue([for tenant in try(values(var.tenants), []) :
    can(regex("^v[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}$", tenant.spec.kubernetes.version))])
    error_message = "Each tenant needs spec.kubernetes.version, a text like v1.37.2: add or mend it."
  }

  validation {
    condition = alltrue([for tenant in try(values(var.tenants), []) :
    try(length(setsubtract(keys(tenant), ["namespace", "spec", "labels", "annotations"])), 0) == 0])
    error_message = "A tenant has the keys namespace, spec, labels and annotations: remove others."
  }

  validation {
    condition = alltrue([for tenant in try(values(var.tenants), []) :
    can(regex("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", try(tenant.namespace, "default")))])
    error_message = "The namespace of a tenant has 1 to 63 lower-case letters, digits and dashes: rename those that differ, or leave it out for default."
  }

  validation {
    condition = alltrue([for tenant in try(values(var.tenants), []) : alltrue([for part in ["labels", "annotations"] :
    can([for value in values(try(tenant[part], {})) : regex("", value)])])])
    error_message = "Labels and annotations of a tenant are texts by name: write them that way, or leave them out."
  }
}
