//go:build tools

// Package tools names the CoreDNS command, so that go.mod and go.sum pin everything it is built from. It is never compiled.
package tools

import _ "github.com/coredns/coredns"
