package transport

import (
	"context"
	"errors"
	"sync"
	"syscall"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// knocks are the questions to addresses whose answers are late, one at a time for each address.
type knocks struct {
	Mu      sync.Mutex
	Waiting map[string][]chan error
}

// knock asks something small at an address, over a connection that is idle or else a fresh one, and tells the outcome; nil means that the
// broker is there and only slow, or that nobody knows. It is what tells a hung process from a long request, long before a deadline would.
func (c *Cluster) knock(addr string) chan error {
	answer := make(chan error, 1)
	k := &c.Knocks
	k.Mu.Lock()
	defer k.Mu.Unlock()
	if k.Waiting == nil {
		k.Waiting = map[string][]chan error{}
	}
	k.Waiting[addr] = append(k.Waiting[addr], answer)
	if len(k.Waiting[addr]) > 1 {
		return answer
	}
	crash.Go(func() error { return c.tryAnew(addr) }, func(err error) {
		k.Mu.Lock()
		defer k.Mu.Unlock()
		for _, w := range k.Waiting[addr] {
			w <- err
		}
		delete(k.Waiting, addr)
	})
	return answer
}

func (c *Cluster) tryAnew(addr string) error {
	ctx, cancel := context.WithTimeout(c.Life, c.Opts.ConnectTimeout)
	defer cancel()
	if l := c.Pool.anyIdle(addr); l != nil {
		gen := l.Gen
		_, err := Exchange(ctx, c, l, int16(kmsg.ApiVersions), wire.BySarama(wire.ApiVersionsRequest, (*sarama.Broker).ApiVersions))
		switch {
		case c.Life.Err() != nil:
			return err
		case err == nil, wire.Conclusive(err):
			c.Pool.markUp(addr)
			return nil
		case ctx.Err() != nil:
			c.Pool.MarkDown(addr, gen, err)
			return err
		}
		// It may only have been idle too long.
	}
	security, gen, err := c.Pool.Secure(ctx)
	if err != nil {
		// That says nothing about the broker.
		return nil
	}
	l, err := wire.OpenLink(ctx, c.Opts, c.Pool.Manner(security), addr, c.Opts.ConnectTimeout)
	switch {
	case c.Life.Err() != nil:
		return err
	case err == nil:
		defer l.Close()
		if kafkaerr.IsNotAdmitted(c.Pool.Admit(ctx, l)) {
			return errElsewhere
		}
		c.Pool.markUp(addr)
		return nil
	case silent(err):
		// A broker at its limit of connections is silent, too (max.connections, KIP-612). Only a connection that is idle could tell.
		c.Pool.MarkDown(addr, gen, err)
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		return errRefused
	}
	// Whoever ends a connection at once is there: brokers have a limit for those of one address (max.connections.per.ip).
	return nil
}

// errRefused says that nobody listens at an address. A broker that ends refuses connections while it finishes what it has; found twice in a row
// it counts.
var errRefused = errors.New("connection refused")

// errElsewhere says that an address leads to another cluster by now, which says nothing of the broker that it led to. It is no refusal: what was sent to
// that one may be carried out.
var errElsewhere = errors.New("it owes an answer, and its address leads to another cluster by now")

// silent tells errors of the network by which nothing at all came back from an address.
func silent(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, wire.ErrNoAnswer) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() ||
		errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}
