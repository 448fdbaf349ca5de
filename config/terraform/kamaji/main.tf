# Installs the definitions and the operator, creates tenants, and waits until they are Ready.
#
# Tenants are releases of a chart, not kubernetes_manifest resources: those read the definitions while they plan, so
# that one apply could not do both.

locals {
  charts = coalesce(var.charts, "${path.module}/../../charts")

  # What waits for tenants runs the operator's image, wherever the values take it from.
  values = [for text in var.values : yamldecode(text)]
  chart  = yamldecode(file("${local.charts}/kamaji/values.yaml"))
  image  = merge(local.chart.image, [for values in local.values : try(values.image, {})]...)
  tag    = coalesce(local.image.tag, yamldecode(file("${local.charts}/kamaji/Chart.yaml")).appVersion)
  pods   = merge([for values in concat([local.chart], local.values) : { for key in ["imagePullSecrets", "tolerations", "nodeSelector"] : key => values[key] if can(values[key]) }]...)

  tenants = {
    for name, tenant in var.tenants : name => {
      namespace   = try(tenant.namespace, "default")
      labels      = { for key, value in try(tenant.labels, {}) : key => tostring(value) }
      annotations = { for key, value in try(tenant.annotations, {}) : key => tostring(value) }
      spec        = tenant.spec
    }
  }
}

resource "helm_release" "crds" {
  name             = "kamaji-crds"
  namespace        = var.namespace
  create_namespace = true
  chart            = "${local.charts}/kamaji-crds"
  timeout          = var.timeout
}

resource "helm_release" "kamaji" {
  name       = "kamaji"
  namespace  = helm_release.crds.namespace
  chart      = "${local.charts}/kamaji"
  skip_crds  = true
  wait       = true
  timeout    = var.timeout
  values     = var.values
  depends_on = [helm_release.crds]
}

resource "helm_release" "tenant" {
  for_each = local.tenants

  name             = "tenant-${each.key}"
  namespace        = each.value.namespace
  create_namespace = true
  chart            = "${path.module}/charts/tenant"
  # Destroying waits until the tenant is gone, so that the operator is still there to remove its data.
  wait       = true
  timeout    = var.timeout
  values     = [yamlencode({ name = each.key, spec = each.value.spec, labels = each.value.labels, annotations = each.value.annotations })]
  depends_on = [helm_release.kamaji]
}

# A release of its own: what fails while it is created is replaced by the next apply, and a tenant that takes its time
# must not be.
resource "helm_release" "ready" {
  for_each = local.tenants

  name      = "ready-${each.key}"
  namespace = helm_release.kamaji.namespace
  chart     = "${path.module}/charts/ready"
  # A chart of hooks and no other objects: Helm waits for the Job of each revision.
  timeout = var.timeout
  values = [yamlencode({
    tenant  = { name = each.key, namespace = each.value.namespace, version = each.value.spec.kubernetes.version }
    spec    = sha256(jsonencode(each.value.spec))
    image   = "${local.image.repository}:${local.tag}"
    timeout = var.timeout
    pods    = local.pods
  })]
  depends_on = [helm_release.tenant]
}

data "kubernetes_resources" "tenant" {
  for_each = local.tenants

  api_version    = "kamaji.clastix.io/v1alpha1"
  kind           = "TenantControlPlane"
  namespace      = each.value.namespace
  field_selector = "metadata.name=${each.key}"
  limit          = 1
  depends_on     = [helm_release.ready]
}
