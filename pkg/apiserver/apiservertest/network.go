package apiservertest

import (
	"context"
	"net"
	"sync"
	"syscall"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

type reach int

const (
	up reach = iota
	// refusing addresses answer at once that nobody listens.
	refusing
	// silent addresses do not even refuse.
	silent
)

// network is the gateway's way to the brokers, which a test can cut.
type network struct {
	mu    sync.Mutex
	state map[string]reach
	conns map[string][]net.Conn
	// leads are the addresses that others lead to.
	leads map[string]string
	// held are what dials of addresses wait for, before they reach anything.
	held map[string]hold
}

func newNetwork() *network {
	return &network{state: map[string]reach{}, conns: map[string][]net.Conn{}, leads: map[string]string{}, held: map[string]hold{}}
}

// hold has dials wait until goOn is closed. The first says so.
type hold struct {
	begun func()
	goOn  chan struct{}
}

// dial has the shape of broker.DialFunc.
func (n *network) dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	n.mu.Lock()
	state, to := n.state[address], address
	if other, leads := n.leads[address]; leads {
		to = other
	}
	held, holds := n.held[address]
	n.mu.Unlock()
	if holds {
		held.begun()
		select {
		case <-held.goOn:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch state {
	case refusing:
		return nil, &net.OpError{Op: "dial", Net: protocol, Err: syscall.ECONNREFUSED}
	case silent:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	conn, err := broker.Dial(ctx, protocol, to)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state[address] != up {
		conn.Close()
		return nil, &net.OpError{Op: "dial", Net: protocol, Err: syscall.ECONNREFUSED}
	}
	n.conns[address] = append(n.conns[address], conn)
	return conn, nil
}

// lead has an address lead to another from now on, or to where it did when that is "", as a name does that is changed in DNS. Connections
// that are open are cut.
func (n *network) lead(address, to string) {
	n.set([]string{address}, refusing)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state[address] = up
	if n.leads[address] = to; to == "" {
		delete(n.leads, address)
	}
}

func (n *network) hold(addresses []string, h hold) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, address := range addresses {
		n.held[address] = h
	}
}

func (n *network) release(addresses []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, address := range addresses {
		delete(n.held, address)
	}
}

func (n *network) set(addresses []string, state reach) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, address := range addresses {
		n.state[address] = state
		if state == up {
			continue
		}
		for _, conn := range n.conns[address] {
			conn.Close()
		}
		delete(n.conns, address)
	}
}
