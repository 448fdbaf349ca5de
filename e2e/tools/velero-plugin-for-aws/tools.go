//go:build tools

// Package tools pins Velero's plugin for object stores, which the scenario `velero` builds from this module.
package tools

import (
	_ "github.com/vmware-tanzu/velero-plugin-for-aws/hack/cp-plugin"
	_ "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws"
)
