//go:build tools

// Package tools pins what the scenario `velero` builds from this module.
package tools

import _ "github.com/vmware-tanzu/velero/cmd/velero"
