//go:build !unix

package broker

import "net"

// stillOpen cannot tell on this platform; the first request after an idle time will.
func stillOpen(net.Conn) bool { return true }
