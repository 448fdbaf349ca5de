//go:build tools

// Package tools pins what the scenario `terraform` builds from this module.
package tools

import _ "github.com/hashicorp/terraform-provider-helm"
