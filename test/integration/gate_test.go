//go:build integration

package integration

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// createTopics is the key of Kafka's CreateTopics request.
const createTopics = 19

// gate is a set of proxies before brokers, one each, that sees what the API asks of them.
type gate struct {
	mu      sync.Mutex
	targets []string
	// request is asked before a request goes on, and answer before the answer to that request goes back; each may take its time, and
	// false cuts the connection.
	request, answer func(frame []byte) bool
}

// newGate makes the proxies; where they lead is set when the brokers run.
func newGate(t *testing.T, brokers int) (*gate, []string) {
	t.Helper()
	g := &gate{}
	var addresses []string
	for i := range brokers {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		addresses = append(addresses, listener.Addr().String())
		go func() {
			for {
				client, err := listener.Accept()
				if err != nil {
					return
				}
				go g.serve(client, i)
			}
		}()
	}
	return g, addresses
}

func (g *gate) lead(targets []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.targets = targets
}

func (g *gate) watch(request, answer func([]byte) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.request, g.answer = request, answer
}

// serve passes on one request after the other: the API has one under way on a connection.
func (g *gate) serve(client net.Conn, i int) {
	defer client.Close()
	g.mu.Lock()
	if i >= len(g.targets) {
		g.mu.Unlock()
		return
	}
	target := g.targets[i]
	g.mu.Unlock()
	broker, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer broker.Close()
	for {
		frame, err := readFrame(client)
		if err != nil {
			return
		}
		g.mu.Lock()
		request, answer := g.request, g.answer
		g.mu.Unlock()
		if request != nil && !request(frame) {
			return
		}
		if _, err := broker.Write(frame); err != nil {
			return
		}
		back, err := readFrame(broker)
		if err != nil || answer != nil && !answer(frame) {
			return
		}
		if _, err := client.Write(back); err != nil {
			return
		}
	}
}

// changes tells whether a request creates topics and does more than validate it. The flag is the last field before the tags.
func changes(frame []byte) bool {
	return binary.BigEndian.Uint16(frame[4:]) == createTopics && frame[len(frame)-2] == 0
}

func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(size[:]))
	copy(frame, size[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}
