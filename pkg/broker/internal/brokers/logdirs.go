package brokers

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// LogDirs is that of broker.Cluster.
func (c *Brokers) LogDirs(ctx context.Context, topics ...string) (LogDirs, error) {
	return c.logDirsOf(ctx, false, topics)
}

// FreshLogDirs is that of broker.Cluster.
func (c *Brokers) FreshLogDirs(ctx context.Context, topics ...string) (LogDirs, error) {
	return c.logDirsOf(ctx, true, topics)
}

// failedLogDirsTTL is how long an answer with a failed broker is kept.
const failedLogDirsTTL = 5 * time.Second

type logDirCache struct {
	mu     sync.Mutex
	topics map[string]cachedLogDirs
}

type cachedLogDirs struct {
	at     time.Time
	failed bool
	// brokers is read only.
	brokers map[int32]BrokerLogDirs
}

func (k *logDirCache) get(topic string, now time.Time, ttl time.Duration) (map[int32]BrokerLogDirs, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.topics[topic]
	if e.failed {
		ttl = failedLogDirsTTL
	}
	return e.brokers, ok && now.Sub(e.at) < ttl
}

func (k *logDirCache) put(topic string, now time.Time, brokers map[int32]BrokerLogDirs) {
	e := cachedLogDirs{at: now, brokers: brokers}
	for _, b := range brokers {
		e.failed = e.failed || b.Err != nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.topics == nil {
		k.topics = map[string]cachedLogDirs{}
	}
	k.topics[topic] = e
}

func (k *logDirCache) sweep(now time.Time, ttl time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for topic, e := range k.topics {
		if now.Sub(e.at) > ttl {
			delete(k.topics, topic)
		}
	}
}

func (k *logDirCache) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.topics)
}

func (c *Brokers) logDirsOf(ctx context.Context, fresh bool, topics []string) (LogDirs, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	result := LogDirs{Brokers: map[int32]BrokerLogDirs{}}
	var missing []string
	for _, topic := range topics {
		brokers, ok := c.cache.get(topic, c.Opts.Clock.Now(), c.Opts.LogDirsTTL)
		if fresh || !ok {
			missing = append(missing, topic)
			continue
		}
		result.merge(brokers)
	}
	if len(missing) > 0 {
		asked, err := c.askLogDirs(ctx, missing)
		if err != nil {
			return LogDirs{}, err
		}
		for _, brokers := range asked {
			result.merge(brokers)
		}
	}
	for id, b := range result.Brokers {
		slices.SortFunc(b.Replicas, func(a, b ReplicaLog) int {
			future := map[bool]int{true: 1}
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), future[a.IsFuture]-future[b.IsFuture])
		})
		result.Brokers[id] = b
	}
	return result, nil
}

// merge adds one topic's answers; the oldest of a broker's tells its age.
func (d LogDirs) merge(brokers map[int32]BrokerLogDirs) {
	for id, b := range brokers {
		sum, ok := d.Brokers[id]
		if !ok || b.At.Before(sum.At) {
			sum.At = b.At
		}
		sum.Replicas = append(slices.Clip(sum.Replicas), b.Replicas...)
		if sum.Err == nil {
			sum.Err = b.Err
		}
		d.Brokers[id] = sum
	}
}

// askLogDirs asks the brokers and keeps the answers, by topic.
func (c *Brokers) askLogDirs(ctx context.Context, names []string) (map[string]map[int32]BrokerLogDirs, error) {
	topics, err := c.Topics(ctx, names...)
	if err != nil {
		return nil, err
	}
	hosted := map[int32]map[string][]int32{}
	for _, t := range topics {
		for _, p := range t.Partitions {
			for _, id := range p.Replicas {
				if hosted[id] == nil {
					hosted[id] = map[string][]int32{}
				}
				hosted[id][t.Name] = append(hosted[id][t.Name], p.ID)
			}
		}
	}
	byTopic := make(map[string]map[int32]BrokerLogDirs, len(topics))
	for name := range topics {
		byTopic[name] = map[int32]BrokerLogDirs{}
	}
	asked := make(map[int32]*transport.Call[map[string][]int32, *logDirsAnswer], len(hosted))
	for id := range hosted {
		asked[id] = c.Sized.Submit(ctx, id, hosted[id])
	}
	for id, k := range asked {
		said, err := k.Wait(ctx)
		if err != nil {
			said = &logDirsAnswer{at: c.Opts.Clock.Now(), err: c.OwnFailure(ctx, kafkaerr.OpDescribeLogDirs, transport.IDObject("broker", id), err)}
		}
		for name := range hosted[id] {
			byTopic[name][id] = BrokerLogDirs{At: said.at, Replicas: said.replicas[name], Err: said.err}
		}
	}
	if ctx.Err() == nil {
		for name, brokers := range byTopic {
			c.cache.put(name, c.Opts.Clock.Now(), brokers)
		}
	}
	return byTopic, nil
}

// logDirsAnswer is a broker's, shared by all who asked: it is read only.
type logDirsAnswer struct {
	at time.Time
	// replicas are by topic.
	replicas map[string][]ReplicaLog
	// err joins the failures of single folders.
	err error
}

var logDirsRules = transport.BatchRules[map[string][]int32]{
	API: kmsg.DescribeLogDirs.Name(), MaxWeight: maxSized,
	Weigh: func(topics map[string][]int32) int {
		partitions := 0
		for _, ids := range topics {
			partitions += len(ids)
		}
		return partitions
	},
}

// maxSized bounds the partitions whose sizes one request asks for.
const maxSized = 4000

// askBrokerLogDirs sends one DescribeLogDirs request for all calls. There is never more than one in flight to a broker.
func (c *Brokers) askBrokerLogDirs(id int32) func(context.Context, []*transport.Call[map[string][]int32, *logDirsAnswer]) error {
	return func(ctx context.Context, calls []*transport.Call[map[string][]int32, *logDirsAnswer]) error {
		topics := map[string]map[int32]bool{}
		for _, k := range calls {
			for name, partitions := range k.Query {
				if topics[name] == nil {
					topics[name] = make(map[int32]bool, len(partitions))
				}
				for _, p := range partitions {
					topics[name][p] = true
				}
			}
		}
		wanted := make([]sarama.DescribeLogDirsRequestTopic, 0, len(topics))
		for name, partitions := range topics {
			wanted = append(wanted, sarama.DescribeLogDirsRequestTopic{Topic: name, PartitionIDs: slices.Collect(maps.Keys(partitions))})
		}
		said := &logDirsAnswer{at: c.Opts.Clock.Now(), replicas: make(map[string][]ReplicaLog, len(topics))}
		resp, err := transport.AskBroker(ctx, c.Cluster, id, transport.Request[*sarama.DescribeLogDirsResponse]{Op: kafkaerr.OpDescribeLogDirs, Object: "", Key: int16(kmsg.DescribeLogDirs), Lane: wire.LaneBulk,
			Send: wire.BySarama(func() *sarama.DescribeLogDirsRequest {
				return &sarama.DescribeLogDirsRequest{Version: describeLogDirsVersion, DescribeTopics: wanted}
			}, (*sarama.Broker).DescribeLogDirs)})
		if err != nil {
			return err
		}
		if resp.ErrorCode != sarama.ErrNoError {
			return kafkaerr.New(kafkaerr.OpDescribeLogDirs, "", int16(resp.ErrorCode), nil, resp.ThrottleTime)
		}
		var failed []error
		for _, dir := range resp.LogDirs {
			if dir.ErrorCode != sarama.ErrNoError {
				failed = append(failed, kafkaerr.New(kafkaerr.OpDescribeLogDirs, transport.IDObject("broker", id)+" "+dir.Path, int16(dir.ErrorCode), nil, 0))
			}
			for _, t := range dir.Topics {
				for _, p := range t.Partitions {
					said.replicas[t.Topic] = append(said.replicas[t.Topic], ReplicaLog{Topic: t.Topic, Partition: p.PartitionID, Dir: dir.Path,
						SizeBytes: p.Size, OffsetLag: p.OffsetLag, IsFuture: p.IsTemporary})
				}
			}
		}
		said.err = errors.Join(failed...)
		for _, k := range calls {
			k.Answer(said, nil)
		}
		return nil
	}
}

// describeLogDirsVersion is the newest that sarama knows.
const describeLogDirsVersion = 4

// LogDirsWithin is that of broker.Cluster.
func (c *Brokers) LogDirsWithin(ctx context.Context, wait time.Duration, topic string) (LogDirs, error) {
	return c.sizes.Within(ctx, c.Life, c.Opts.Clock, wait, c.Opts.RequestTimeout, topic, func(ctx context.Context) (LogDirs, error) {
		return c.LogDirs(ctx, topic)
	})
}
