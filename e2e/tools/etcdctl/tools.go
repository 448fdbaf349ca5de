//go:build tools

// Package tools pins the binaries that `testbed tools` builds from this module.
package tools

import (
	_ "go.etcd.io/etcd/etcdctl/v3"
)
