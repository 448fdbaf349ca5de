output "namespace" {
  description = "Namespace of the operator."
  value       = helm_release.kamaji.namespace
}

output "tenants" {
  description = "Tenants by name, once they are Ready: namespace, endpoint (address and port), version, and the Secret with the administrator's kubeconfig and its key. No secret itself."
  value = {
    for name, tenant in local.tenants : name => {
      name      = name
      namespace = tenant.namespace
      endpoint  = try(data.kubernetes_resources.tenant[name].objects[0].status.controlPlaneEndpoint, null)
      version   = try(data.kubernetes_resources.tenant[name].objects[0].status.kubernetesResources.version.version, null)
      admin_kubeconfig = {
        secret = "${name}-admin-kubeconfig"
        key    = "admin.conf"
      }
    }
  }
  depends_on = [helm_release.ready]
}
