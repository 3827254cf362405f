//go:build unix

package wire

import (
	"crypto/tls"
	"net"
	"syscall"
)

// StillOpen looks, without waiting, whether the other side has closed an idle connection. Brokers do after ten minutes
// (connections.max.idle.ms) and when they restart; noticing it before a write is what keeps the write's outcome known.
func StillOpen(conn net.Conn) bool {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	open := false
	err = raw.Read(func(fd uintptr) bool {
		var buf [1]byte
		_, _, err := syscall.Recvfrom(int(fd), buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		// Anything else, even a byte, is wrong on a connection with no request in flight.
		open = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR
		return true
	})
	return err == nil && open
}
