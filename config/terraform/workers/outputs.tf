output "nodes" {
  description = "Names of the Nodes, once their machines have joined."
  value       = sort(keys(terraform_data.machine))
}
