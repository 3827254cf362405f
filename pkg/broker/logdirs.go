package broker

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// LogDirs asks each broker that hosts a replica of the topics for their sizes on disk, all at once. A broker that does not answer
// has its Err set. Answers are cached for Options.LogDirsTTL per topic, because brokers walk their folders for each. Topics that do not exist are
// left out.
func (c *Cluster) LogDirs(ctx context.Context, topics ...string) (LogDirs, error) {
	return c.logDirsOf(ctx, false, topics)
}

// FreshLogDirs is LogDirs past the cache.
func (c *Cluster) FreshLogDirs(ctx context.Context, topics ...string) (LogDirs, error) {
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

func (c *Cluster) logDirsOf(ctx context.Context, fresh bool, topics []string) (LogDirs, error) {
	ctx, done := c.begin(ctx)
	defer done()
	result := LogDirs{Brokers: map[int32]BrokerLogDirs{}}
	var missing []string
	for _, topic := range topics {
		brokers, ok := c.logDirs.get(topic, c.opts.Clock.Now(), c.opts.LogDirsTTL)
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
func (c *Cluster) askLogDirs(ctx context.Context, names []string) (map[string]map[int32]BrokerLogDirs, error) {
	topics, err := c.topics(ctx, names)
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
	ids := make([]int32, 0, len(hosted))
	for id := range hosted {
		ids = append(ids, id)
	}
	answers := parallel(ctx, ids, func(ctx context.Context, id int32) BrokerLogDirs { return c.brokerLogDirs(ctx, id, hosted[id]) })
	byTopic := make(map[string]map[int32]BrokerLogDirs, len(topics))
	for name := range topics {
		byTopic[name] = map[int32]BrokerLogDirs{}
	}
	for i, id := range ids {
		for name := range hosted[id] {
			part := BrokerLogDirs{At: answers[i].At, Err: answers[i].Err}
			for _, r := range answers[i].Replicas {
				if r.Topic == name {
					part.Replicas = append(part.Replicas, r)
				}
			}
			byTopic[name][id] = part
		}
	}
	if ctx.Err() == nil {
		for name, brokers := range byTopic {
			c.logDirs.put(name, c.opts.Clock.Now(), brokers)
		}
	}
	return byTopic, nil
}

func (c *Cluster) brokerLogDirs(ctx context.Context, id int32, topics map[string][]int32) BrokerLogDirs {
	const op = "describe log dirs"
	wanted := make([]sarama.DescribeLogDirsRequestTopic, 0, len(topics))
	for name, partitions := range topics {
		wanted = append(wanted, sarama.DescribeLogDirsRequestTopic{Topic: name, PartitionIDs: partitions})
	}
	result := BrokerLogDirs{At: c.opts.Clock.Now()}
	resp, err := askBroker(ctx, c, id, request[*sarama.DescribeLogDirsResponse]{op, idObject("broker", id), int16(kmsg.DescribeLogDirs), laneBulk,
		bySarama(func() *sarama.DescribeLogDirsRequest {
			return &sarama.DescribeLogDirsRequest{Version: describeLogDirsVersion, DescribeTopics: wanted}
		}, (*sarama.Broker).DescribeLogDirs)})
	if err != nil {
		result.Err = err
		return result
	}
	if resp.ErrorCode != sarama.ErrNoError {
		result.Err = newError(op, idObject("broker", id), int16(resp.ErrorCode), nil, resp.ThrottleTime)
		return result
	}
	var failed []error
	for _, dir := range resp.LogDirs {
		if dir.ErrorCode != sarama.ErrNoError {
			failed = append(failed, newError(op, idObject("broker", id)+" "+dir.Path, int16(dir.ErrorCode), nil, 0))
		}
		for _, t := range dir.Topics {
			for _, p := range t.Partitions {
				result.Replicas = append(result.Replicas, ReplicaLog{Topic: t.Topic, Partition: p.PartitionID, Dir: dir.Path,
					SizeBytes: p.Size, OffsetLag: p.OffsetLag, IsFuture: p.IsTemporary})
			}
		}
	}
	result.Err = errors.Join(failed...)
	return result
}

// describeLogDirsVersion is the newest that sarama knows.
const describeLogDirsVersion = 4
