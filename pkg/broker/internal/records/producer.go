package records

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Producer is an identity that brokers gave to this server. They take a record from it once only, however often it is sent, by the
// sequence number that counts its records in each partition. One call of Produce at a time uses it.
type Producer struct {
	id    int64
	epoch int16
	// cluster is which of those that have answered gave it; see producers.
	cluster int

	mu   sync.Mutex
	Next map[ProducerKey]int32
	// open counts the batches that were begun and not settled: brokers may or may not have taken their sequence numbers.
	open int
	// worn tells that a sequence number comes near to its end.
	worn bool
}

// ProducerKey names a partition. Of a topic that has the name of one that was deleted brokers take any number to begin with
// (ProducerAppendInfo.checkSequence), while numbers that began anew would be taken for those of records that were sent before.
type ProducerKey struct {
	Topic     string
	partition int32
}

// Begin is the sequence number of a partition's next batch. The batch is open until settle is called for it. A producer with an open batch is
// never used by another call: whoever gives up on a batch, however that comes about, has to do nothing for it.
func (p *Producer) Begin(key ProducerKey) int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	return p.Next[key]
}

// Settle closes a batch of which it is known for certain how many records the brokers have taken: all, or none.
func (p *Producer) Settle(key ProducerKey, taken int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	if taken == 0 {
		return
	}
	p.Next[key] += int32(taken)
	if p.Next[key] > math.MaxInt32/2 {
		p.worn = true
	}
}

// reusable tells whether another call may use the producer.
func (p *Producer) reusable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open == 0 && !p.worn && len(p.Next) <= maxProducerPartitions
}

// producers are the identities that nobody uses at the moment. They are kept because brokers remember each for a day and in every
// partition it has written to (producer.id.expiration.ms): with one for each call they would run out of memory.
type producers struct {
	mu   sync.Mutex
	Idle []*Producer
	// cluster counts how often another cluster may have begun to answer. Each counts ids from 0 (ProducerIdControlManager): what is an id of ours in
	// one is an application's in the next, and of two batches with the same id and number only the first is written.
	cluster int
}

// forget lets go of all producers: another cluster may answer.
func (k *producers) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.Idle = nil
	k.cluster++
}

// now is which cluster answers.
func (k *producers) now() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cluster
}

const (
	// maxIdleProducers bounds the producers kept, maxProducerPartitions the partitions that one is kept for.
	maxIdleProducers      = 16
	maxProducerPartitions = 10000
)

// takeProducer returns an idle producer, or a new one.
func (c *Records) takeProducer(ctx context.Context) (*Producer, error) {
	c.Producers.mu.Lock()
	if n := len(c.Producers.Idle); n > 0 {
		p := c.Producers.Idle[n-1]
		c.Producers.Idle = c.Producers.Idle[:n-1]
		c.Producers.mu.Unlock()
		return p, nil
	}
	c.Producers.mu.Unlock()
	return c.newProducer(ctx)
}

// GiveProducer keeps a producer for the next call, unless a batch of it is open or another cluster answers.
func (c *Records) GiveProducer(p *Producer) {
	keep := p.reusable()
	c.Producers.mu.Lock()
	defer c.Producers.mu.Unlock()
	if keep && p.cluster == c.Producers.cluster && len(c.Producers.Idle) < maxIdleProducers {
		c.Producers.Idle = append(c.Producers.Idle, p)
	}
}

// newProducer asks for an identity. Any broker gives one; it may have to wait for the controller to hand it some.
func (c *Records) newProducer(ctx context.Context) (*Producer, error) {
	const op = kafkaerr.OpGetProducerID
	for start := time.Now(); ; {
		cluster := c.Producers.now()
		resp, source, err := transport.AskWho(ctx, c.Cluster, transport.Request[*kmsg.InitProducerIDResponse]{Op: op, Object: c.Label, Key: int16(kmsg.InitProducerID), Lane: wire.LaneMetadata,
			Send: wire.ByKmsg[*kmsg.InitProducerIDResponse](func() kmsg.Request {
				req := kmsg.NewPtrInitProducerIDRequest()
				// Without a transactional id the timeout means nothing; brokers want it to be positive.
				req.TransactionTimeoutMillis = 60000
				return req
			}, 0)})
		if err != nil {
			return nil, err
		}
		if resp.ErrorCode == 0 {
			return &Producer{id: resp.ProducerID, epoch: resp.ProducerEpoch, cluster: cluster, Next: map[ProducerKey]int32{}}, nil
		}
		refused := kafkaerr.New(op, c.Label, resp.ErrorCode, nil, 0)
		if resp.ErrorCode == kafkaerr.CoordinatorLoadInProgress {
			// It waits for ids from the controller (RPCProducerIdManager.generateProducerId), for good if it does not reach it.
			c.Doubt(source)
		}
		if !refused.Retriable || time.Since(start) > c.Opts.VerdictTimeout || c.Pause(ctx, producePause) != nil {
			return nil, refused
		}
	}
}
