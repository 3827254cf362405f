//go:build tools

// Package tools names the etcd command, so that go.mod and go.sum pin everything it is built from. It is never compiled.
package tools

import _ "go.etcd.io/etcd/server/v3"
