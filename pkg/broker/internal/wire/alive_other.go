//go:build !unix

package wire

import "net"

// StillOpen cannot tell on this platform; the first request after an idle time will.
func StillOpen(net.Conn) bool { return true }
