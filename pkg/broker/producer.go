package broker

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// producer is an identity that brokers gave to this server. They take a record from it once only, however often it is sent, by the
// sequence number that counts its records in each partition. One call of Produce at a time uses it.
type producer struct {
	id    int64
	epoch int16

	mu   sync.Mutex
	next map[producerKey]int32
	// open counts the batches that were begun and not settled: brokers may or may not have taken their sequence numbers.
	open int
	// worn tells that a sequence number comes near to its end.
	worn bool
}

type producerKey struct {
	id        TopicID
	topic     string
	partition int32
}

// begin is the sequence number of a partition's next batch. The batch is open until settle is called for it. A producer with an open batch is
// never used by another call: whoever gives up on a batch, however that comes about, has to do nothing for it.
func (p *producer) begin(key producerKey) int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	return p.next[key]
}

// settle closes a batch of which it is known for certain how many records the brokers have taken: all, or none.
func (p *producer) settle(key producerKey, taken int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	if taken == 0 {
		return
	}
	p.next[key] += int32(taken)
	if p.next[key] > math.MaxInt32/2 {
		p.worn = true
	}
}

// reusable tells whether another call may use the producer.
func (p *producer) reusable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open == 0 && !p.worn && len(p.next) <= maxProducerPartitions
}

// producers are the identities that nobody uses at the moment. They are kept because brokers remember each for a day and in every
// partition it has written to (producer.id.expiration.ms): with one for each call they would run out of memory.
type producers struct {
	mu   sync.Mutex
	idle []*producer
}

const (
	// maxIdleProducers bounds the producers kept, maxProducerPartitions the partitions that one is kept for.
	maxIdleProducers      = 16
	maxProducerPartitions = 10000
)

// takeProducer returns an idle producer, or a new one.
func (c *Cluster) takeProducer(ctx context.Context) (*producer, error) {
	c.producers.mu.Lock()
	if n := len(c.producers.idle); n > 0 {
		p := c.producers.idle[n-1]
		c.producers.idle = c.producers.idle[:n-1]
		c.producers.mu.Unlock()
		return p, nil
	}
	c.producers.mu.Unlock()
	return c.newProducer(ctx)
}

// giveProducer keeps a producer for the next call, unless a batch of it is open.
func (c *Cluster) giveProducer(p *producer) {
	keep := p.reusable()
	c.producers.mu.Lock()
	defer c.producers.mu.Unlock()
	if keep && len(c.producers.idle) < maxIdleProducers {
		c.producers.idle = append(c.producers.idle, p)
	}
}

// newProducer asks for an identity. Any broker gives one; it may have to wait for the controller to hand it some.
func (c *Cluster) newProducer(ctx context.Context) (*producer, error) {
	const op = kafkaerr.OpGetProducerID
	for start := time.Now(); ; {
		resp, err := askAny(ctx, c, request[*kmsg.InitProducerIDResponse]{op, c.label, int16(kmsg.InitProducerID), laneMetadata,
			byKmsg[*kmsg.InitProducerIDResponse](func() kmsg.Request {
				req := kmsg.NewPtrInitProducerIDRequest()
				// Without a transactional id the timeout means nothing; brokers want it to be positive.
				req.TransactionTimeoutMillis = 60000
				return req
			}, 0)})
		if err != nil {
			return nil, err
		}
		if resp.ErrorCode == 0 {
			return &producer{id: resp.ProducerID, epoch: resp.ProducerEpoch, next: map[producerKey]int32{}}, nil
		}
		refused := kafkaerr.New(op, c.label, resp.ErrorCode, nil, 0)
		if !refused.Retriable || time.Since(start) > c.opts.VerdictTimeout || c.pause(ctx, producePause) != nil {
			return nil, refused
		}
	}
}
