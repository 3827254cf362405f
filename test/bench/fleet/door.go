package fleet

import (
	"fmt"
	"net"
	"sync"
)

// door is the listener of a broker. It keeps its address while it is shut.
type door struct {
	address  net.Addr
	accepted chan net.Conn
	closed   chan struct{}
	close    func()

	mu sync.Mutex
	// listener is nil while the door is shut.
	listener net.Listener
	visitors map[*visitor]struct{}
	// heard is closed while what comes in is passed on.
	heard chan struct{}
}

var _ net.Listener = &door{}

func newDoor(address string) (*door, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	d := &door{address: listener.Addr(), accepted: make(chan net.Conn), closed: make(chan struct{}), listener: listener,
		visitors: map[*visitor]struct{}{}, heard: make(chan struct{})}
	d.close = sync.OnceFunc(func() { close(d.closed) })
	close(d.heard)
	go d.serve(listener)
	return d, nil
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	select {
	case conn := <-d.accepted:
		return conn, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (d *door) Addr() net.Addr { return d.address }

// Close implements net.Listener. Open connections are the broker's.
func (d *door) Close() error {
	d.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shut()
}

// shut is called with the lock held.
func (d *door) shut() error {
	if d.listener == nil {
		return nil
	}
	err := d.listener.Close()
	d.listener = nil
	return err
}

func (d *door) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		v := &visitor{Conn: conn, door: d, left: make(chan struct{})}
		v.leave = sync.OnceFunc(func() { close(v.left) })
		d.mu.Lock()
		if d.listener != listener { // it was shut meanwhile
			d.mu.Unlock()
			_ = conn.Close()
			return
		}
		d.visitors[v] = struct{}{}
		d.mu.Unlock()
		select {
		case d.accepted <- v:
		case <-d.closed:
			_ = v.Close()
			return
		}
	}
}

func (d *door) set(state State) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.heard:
		if state == Silent {
			d.heard = make(chan struct{})
		}
	default:
		if state != Silent {
			close(d.heard)
		}
	}
	if state == Refusing {
		for v := range d.visitors {
			v.leave()
			_ = v.Conn.Close()
		}
		clear(d.visitors)
		return d.shut()
	}
	if d.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", d.address.String())
	if err != nil {
		return fmt.Errorf("open the door again: %w", err)
	}
	d.listener = listener
	go d.serve(listener)
	return nil
}

// visitor is a connection that came through a door.
type visitor struct {
	net.Conn
	door  *door
	left  chan struct{}
	leave func()
}

// Read implements net.Conn. What arrives at a silent door is not heard before the door is open again.
func (v *visitor) Read(p []byte) (int, error) {
	n, err := v.Conn.Read(p)
	v.door.mu.Lock()
	heard := v.door.heard
	v.door.mu.Unlock()
	select {
	case <-heard:
		return n, err
	case <-v.left:
		return 0, net.ErrClosed
	}
}

// Close implements net.Conn.
func (v *visitor) Close() error {
	v.leave()
	v.door.mu.Lock()
	delete(v.door.visitors, v)
	v.door.mu.Unlock()
	return v.Conn.Close()
}
