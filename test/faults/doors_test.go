//go:build integration || long

package faults

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// doors are proxies before the controllers of a cluster. A node can be cut off from the controllers of the others, while clients and
// replicas still reach its broker.
type doors struct {
	t  *testing.T
	mu sync.Mutex
	// cut is the node that is cut off, -1 when none is.
	cut     int
	callers map[*caller]struct{}
	// seen counts the connections by the client id that they came with.
	seen map[string]int
}

// caller is a connection through a door.
type caller struct {
	// door is the node whose controller is called, client the node that calls.
	door, client int
	conns        [2]net.Conn
}

func newDoors(t *testing.T) *doors {
	return &doors{t: t, cut: -1, callers: map[*caller]struct{}{}, seen: map[string]int{}}
}

// open opens a door before a controller.
func (d *doors) open(node int, controller string) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	d.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go d.serve(node, controller, conn)
		}
	}()
	return listener.Addr().String(), nil
}

// serve passes on what a caller and the controller say, or holds the caller up when one of them is cut off.
func (d *doors) serve(door int, controller string, conn net.Conn) {
	defer conn.Close()
	first, id, err := firstRequest(conn)
	if err != nil {
		return
	}
	c := &caller{door: door, client: nodeOf(id), conns: [2]net.Conn{conn}}
	d.mu.Lock()
	d.seen[id]++
	if !d.separates(c) {
		if c.conns[1], err = net.Dial("tcp", controller); err != nil {
			d.mu.Unlock()
			return
		}
		defer c.conns[1].Close()
	}
	d.callers[c] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.callers, c)
	}()
	if c.conns[1] == nil {
		// What is lost on the way is lost in silence, until the way is there again.
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	if _, err := c.conns[1].Write(first); err != nil {
		return
	}
	var both sync.WaitGroup
	for i := range c.conns {
		both.Go(func() {
			buffer := make([]byte, 64<<10)
			for {
				n, err := c.conns[i].Read(buffer)
				if n > 0 && !d.lost(c) {
					_, err = c.conns[1-i].Write(buffer[:n])
				}
				if err != nil {
					c.conns[1-i].Close()
					return
				}
			}
		})
	}
	both.Wait()
}

// separates is called with the lock held.
func (d *doors) separates(c *caller) bool {
	return d.cut >= 0 && c.door != c.client && (c.door == d.cut || c.client == d.cut)
}

func (d *doors) lost(c *caller) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.separates(c)
}

// firstRequest reads a request, of which the header tells the client (https://kafka.apache.org/protocol#protocol_messages).
func firstRequest(conn net.Conn) (request []byte, client string, err error) {
	head := make([]byte, 4+2+2+4+2)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, "", err
	}
	size, length := binary.BigEndian.Uint32(head), int16(binary.BigEndian.Uint16(head[12:]))
	if size > 1<<20 || int(size) < len(head)-4+int(max(length, 0)) {
		return nil, "", fmt.Errorf("a request of %d bytes with a client id of %d", size, length)
	}
	request = append(head, make([]byte, int(size)+4-len(head))...)
	if _, err := io.ReadFull(conn, request[len(head):]); err != nil {
		return nil, "", err
	}
	return request, string(request[len(head) : len(head)+int(max(length, 0))]), nil
}

// nodeOf is the node that has a client id: the brokers' are their ids, and those of the quorum end with them.
func nodeOf(client string) int {
	i := len(client)
	for i > 0 && client[i-1] >= '0' && client[i-1] <= '9' {
		i--
	}
	node, err := strconv.Atoi(client[i:])
	if err != nil {
		return -1
	}
	return node
}
