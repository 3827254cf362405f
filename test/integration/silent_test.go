//go:build integration

package integration

import (
	"net"
	"sync"
	"testing"
)

// silent is a broker that takes connections and says nothing.
type silent struct {
	address string
	// asked is closed when somebody has sent something.
	asked chan struct{}
}

func silentBroker(t *testing.T) *silent {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s := &silent{address: listener.Addr().String(), asked: make(chan struct{})}
	var once sync.Once
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var buf [1024]byte
				for {
					if _, err := conn.Read(buf[:]); err != nil {
						return
					}
					once.Do(func() { close(s.asked) })
				}
			}()
		}
	}()
	return s
}
