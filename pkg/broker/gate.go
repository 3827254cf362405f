package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Gate decides which cluster a target may be. Addresses do not tell: a name can lead elsewhere tomorrow, and brokers name the addresses
// of others as they like. So it is asked about what the other end of each connection says it is, whenever the connection is used.
type Gate interface {
	// Admit returns why the cluster with an id must not be asked anything, nil when it may. It is called for each request and has to
	// be fast. The id is "" of brokers that have none.
	Admit(ctx context.Context, clusterID string) error
}

// setGate puts a gate before all connections. None leaves the one that is there: who has no objections is no reason to forget those of
// others.
func (p *pool) setGate(gate Gate) {
	if gate == nil {
		return
	}
	p.mu.Lock()
	first := p.gate == nil
	p.gate = gate
	p.mu.Unlock()
	if first {
		// What is open by now was never asked what it is.
		p.reset()
	}
}

// setAddresses says where brokers may be from now on.
func (p *pool) setAddresses(within Addresses) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.within = within
}

// manner is how connections are opened now.
func (p *pool) manner(security *Security) manner {
	p.mu.Lock()
	defer p.mu.Unlock()
	return manner{security: security, within: p.within, identify: p.gate != nil}
}

// admit asks the gate about a link.
func (p *pool) admit(ctx context.Context, l *link) error {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	if gate == nil {
		return nil
	}
	err := gate.Admit(ctx, l.clusterID)
	switch {
	case err == nil:
		l.turnedAway = time.Time{}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	default:
		if l.turnedAway.IsZero() {
			l.turnedAway = p.opts.Clock.Now()
		}
		return &kafkaerr.NotAdmittedError{Cluster: p.label, ID: l.clusterID, Err: err}
	}
	return nil
}

// identify asks the other end of a new link of which cluster it is.
func (l *link) identify() error {
	if l.offers.supports(int16(kmsg.DescribeCluster)) {
		answer, err := byKmsg[*kmsg.DescribeClusterResponse](func() kmsg.Request { return kmsg.NewPtrDescribeClusterRequest() }, 0)(l)
		if err != nil {
			return err
		}
		if answer.ErrorCode != 0 {
			return kafkaerr.New("ask for the cluster's id", "", answer.ErrorCode, answer.ErrorMessage, 0)
		}
		l.clusterID = answer.ClusterID
		return nil
	}
	// The release before 2.8. No topics are none; nil would be all.
	answer, err := byKmsg[*kmsg.MetadataResponse](func() kmsg.Request {
		request := kmsg.NewPtrMetadataRequest()
		request.Topics = []kmsg.MetadataRequestTopic{}
		return request
	}, 2)(l)
	if err != nil {
		return err
	}
	if answer.ClusterID != nil {
		l.clusterID = *answer.ClusterID
	}
	return nil
}
