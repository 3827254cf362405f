package transport

import (
	"context"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Gate decides which cluster a target may be. Addresses do not tell: a name can lead elsewhere tomorrow, and brokers name the addresses
// of others as they like. So it is asked about what the other end of each connection says it is, whenever the connection is used.
type Gate interface {
	// Admit returns why the cluster with an id must not be asked anything, nil when it may. It is called for each request and has to
	// be fast. The id is "" of brokers that have none.
	Admit(ctx context.Context, clusterID string) error
}

// SetGate puts a gate before all connections. None leaves the one that is there: who has no objections is no reason to forget those of
// others.
func (p *pool) SetGate(gate Gate) {
	if gate == nil {
		return
	}
	p.Mu.Lock()
	first := p.gate == nil
	p.gate = gate
	p.Mu.Unlock()
	if first {
		// What is open by now was never asked what it is.
		p.reset()
	}
}

// SetAddresses says where brokers may be from now on.
func (p *pool) SetAddresses(within wire.Addresses) {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	p.within = within
}

// Manner is how connections are opened now.
func (p *pool) Manner(security *wire.Security) wire.Manner {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	return wire.Manner{Security: security, Within: p.within, Identify: p.gate != nil}
}

// Admit asks the gate about a link.
func (p *pool) Admit(ctx context.Context, l *wire.Link) error {
	p.Mu.Lock()
	gate := p.gate
	p.Mu.Unlock()
	if gate == nil {
		return nil
	}
	err := gate.Admit(ctx, l.ClusterID)
	switch {
	case err == nil:
		l.TurnedAway = time.Time{}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	default:
		if l.TurnedAway.IsZero() {
			l.TurnedAway = p.opts.Clock.Now()
		}
		return &kafkaerr.NotAdmittedError{Cluster: p.label, ID: l.ClusterID, Err: err}
	}
	return nil
}
