package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/offsets"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// held makes the first request of a type wait, in the broker, until release is called.
func (b *bench) held(key kmsg.Key) (release func()) {
	gate := make(chan struct{})
	b.kafka.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.SleepControl(func() { <-gate })
		return nil, nil, false
	})
	return sync.OnceFunc(func() { close(gate) })
}

// counted is how many requests of some types an act costs.
func (b *bench) counted(act func(), keys ...kmsg.Key) string {
	before := make([]int, len(keys))
	for i, key := range keys {
		before[i] = b.network.requests(int16(key))
	}
	act()
	var text []string
	for i, key := range keys {
		text = append(text, fmt.Sprintf("%s %d", key.Name(), b.network.requests(int16(key))-before[i]))
	}
	return strings.Join(text, ", ")
}

// existing counts topic-0 to topic-(n-1) on the brokers.
func (b *bench) existing(n int) int {
	found := 0
	for i := range n {
		if b.kafka.TopicInfo(fmt.Sprintf("topic-%d", i)) != nil {
			found++
		}
	}
	return found
}

// warm opens connections, so that what is counted afterwards is the call's own.
func (b *bench) warm(t testing.TB) context.Context {
	t.Helper()
	ctx := testContext(t)
	if _, err := b.cluster.Describe(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

func queued[Q, A any](b *transport.Batcher[Q, A]) int {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	return len(b.Queue)
}

func TestManyCreatesAreAHandfulOfRequests(t *testing.T) {
	t.Run("KRaft", func(t *testing.T) {
		b := newBench(t, unhurried, kfake.NumBrokers(1))
		likeKRaft(b)
		manyCreates(t, b, transport.MaxWrites)
	})
	t.Run("ZooKeeper", func(t *testing.T) { manyCreates(t, newBench(t, unhurried), transport.MaxZooKeeperWrites) })
}

func manyCreates(t *testing.T, b *bench, limit int) {
	const topics = 1000
	ctx := b.warm(t)
	create := b.cluster.topics.Create
	release := occupied(create)
	var failures atomic.Int32
	cost := b.counted(func() {
		var callers sync.WaitGroup
		for i := range topics {
			callers.Go(func() {
				topic := NewTopic{Name: fmt.Sprintf("topic-%d", i), Partitions: int32(1 + i%3), Replicas: 1}
				if i == 500 {
					topic.Replicas = 9
				}
				created, err := b.cluster.CreateTopic(ctx, topic, false)
				switch {
				case i == 500:
					var refusal *kafkaerr.Error
					if !errors.As(err, &refusal) || refusal.Code != 38 || refusal.Object != topic.Name {
						t.Errorf("the create that is wrong: %v, want INVALID_REPLICATION_FACTOR of %s", err, topic.Name)
					}
				case err != nil || created.Partitions != topic.Partitions || created.ID.IsZero():
					failures.Add(1)
				}
			})
		}
		eventually(t, "all callers wait", func() bool { return queued(create) == topics })
		release()
		callers.Wait()
	}, kmsg.CreateTopics, kmsg.Metadata, kmsg.DescribeConfigs)
	if n := failures.Load(); n != 0 {
		t.Errorf("%d creates failed", n)
	}
	// The one look is for the refusal: brokers that are away may be what it wants.
	if want := fmt.Sprintf("CreateTopics %d, Metadata 1, DescribeConfigs 0", topics/limit); cost != want {
		t.Errorf("a thousand creates cost %s, want %s", cost, want)
	}
	if n := b.existing(topics); n != topics-1 {
		t.Errorf("%d topics on the brokers", n)
	}
	// A list afterwards is one request, and knows them all.
	cost = b.counted(func() {
		s, err := b.cluster.Snapshot(ctx, 5*time.Second)
		if err != nil || len(s.Topics) != topics-1 {
			t.Errorf("the snapshot has %d topics, %v", len(s.Topics), err)
		}
	}, kmsg.Metadata)
	if cost != "Metadata 1" {
		t.Errorf("a list after a thousand creates costs %s", cost)
	}
}

func TestWhatALoneCallCosts(t *testing.T) {
	b := newBench(t, unhurried, kfake.SeedTopics(1, "orders"))
	ctx := b.warm(t)
	var created CreatedTopic
	for _, c := range []struct {
		what string
		act  func() error
		want string
	}{
		{"create", func() (err error) {
			created, err = b.cluster.CreateTopic(ctx, NewTopic{Name: "payments", Partitions: 2, Replicas: 1}, false)
			return err
		}, "CreateTopics 1"},
		{"validate", func() error {
			_, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "asked", Partitions: 2, Replicas: 1}, true)
			return err
		}, "CreateTopics 1"},
		{"grow", func() error { return b.cluster.CreatePartitions(ctx, "payments", 4, nil, false) },
			"Metadata 1, ListPartitionReassignments 1, CreatePartitions 1"},
		{"configure", func() error {
			return b.cluster.AlterTopicConfig(ctx, "payments", map[string]string{"retention.ms": "1"}, nil, false)
		}, "IncrementalAlterConfigs 1"},
		{"topic", func() error { _, _, err := b.cluster.Topic(ctx, "payments"); return err }, "Metadata 1"},
		{"topic by id", func() error { _, _, err := b.cluster.TopicByID(ctx, created.ID); return err }, "Metadata 1"},
		{"configuration", func() error { _, err := b.cluster.TopicConfig(ctx, "payments"); return err }, "DescribeConfigs 1"},
		{"moves", func() error { _, err := b.cluster.Reassignments(ctx, "payments"); return err }, "Metadata 1, ListPartitionReassignments 1"},
		{"offsets of one leader", func() error { _, err := b.cluster.Offsets(ctx, "orders", ReadUncommitted); return err }, "Metadata 1, ListOffsets 2"},
		{"sizes on three brokers", func() error { _, err := b.cluster.FreshLogDirs(ctx, "orders"); return err }, "Metadata 1, DescribeLogDirs 3"},
		{"delete", func() error { return b.cluster.DeleteTopic(ctx, created.ID) }, "DeleteTopics 1"},
	} {
		keys := []kmsg.Key{kmsg.Metadata, kmsg.ListPartitionReassignments, kmsg.CreateTopics, kmsg.CreatePartitions, kmsg.IncrementalAlterConfigs,
			kmsg.DescribeConfigs, kmsg.ListOffsets, kmsg.DescribeLogDirs, kmsg.DeleteTopics}
		cost := b.counted(func() {
			if err := c.act(); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
		}, keys...)
		for _, key := range keys {
			cost = strings.TrimPrefix(strings.ReplaceAll(", "+cost, ", "+key.Name()+" 0", ""), ", ")
		}
		if cost != c.want {
			t.Errorf("%s costs %s, want %s", c.what, cost, c.want)
		}
	}
}

// What 200 callers of one kind cost who come while a request of that kind is in flight.
func TestReadsAndWritesShareRequests(t *testing.T) {
	const callers = 200
	names := make([]string, callers)
	seeds := []kfake.Opt{}
	for i := range names {
		names[i] = fmt.Sprintf("topic-%d", i)
		seeds = append(seeds, kfake.SeedTopics(3, names[i]))
	}
	b := newBench(t, unhurried, seeds...)
	ctx := b.warm(t)
	c := b.cluster
	ids := make([]TopicID, callers)
	topics, err := c.Topics(ctx, names...)
	if err != nil || len(topics) != callers {
		t.Fatal(len(topics), err)
	}
	for i, name := range names {
		ids[i] = topics[name].ID
	}
	for _, kind := range []struct {
		key    kmsg.Key
		occupy func() (waiting func() int, release func())
		// together is how many requests they share: a ZooKeeper controller is sent a hundred changes at once.
		together int
		call     func(i int) error
	}{
		{kmsg.Metadata, queue(c.metadata.TopicsByName), 1, func(i int) error {
			topic, found, err := c.Topic(ctx, names[i])
			if found && (topic.Name != names[i] || topic.ID != ids[i]) {
				return fmt.Errorf("got %+v", topic)
			}
			return err
		}},
		{kmsg.Metadata, queue(c.metadata.TopicsByID), 1, func(i int) error {
			topic, found, err := c.TopicByID(ctx, ids[i])
			if !found || topic.Name != names[i] {
				return fmt.Errorf("got %+v, %v", topic, err)
			}
			return err
		}},
		{kmsg.DescribeConfigs, queue(c.metadata.Configs), 1, func(i int) error {
			config, err := c.TopicConfig(ctx, names[i])
			if err == nil && len(config) == 0 {
				return errors.New("no configuration")
			}
			return err
		}},
		{kmsg.IncrementalAlterConfigs, queue(c.topics.Alter), 2, func(i int) error {
			return c.AlterTopicConfig(ctx, names[i], map[string]string{"retention.ms": fmt.Sprint(1000 + i)}, nil, false)
		}},
		{kmsg.IncrementalAlterConfigs, queue(c.topics.ValidateAlter), 2, func(i int) error {
			return c.AlterTopicConfig(ctx, names[i], map[string]string{"retention.ms": "5"}, nil, true)
		}},
		{kmsg.CreatePartitions, queue(c.topics.Grow), 2, func(i int) error {
			return c.CreatePartitions(ctx, names[i], 4, nil, false)
		}},
		{kmsg.ListPartitionReassignments, queue(c.topics.Moving), 1, func(i int) error {
			_, err := c.ReassignmentsOf(ctx, topics[names[i]])
			return err
		}},
		{kmsg.DeleteTopics, queue(c.topics.Delete), 2, func(i int) error { return c.DeleteTopic(ctx, ids[i]) }},
	} {
		waiting, release := kind.occupy()
		cost := b.counted(func() {
			var calls sync.WaitGroup
			for i := range callers {
				calls.Go(func() {
					if err := kind.call(i); err != nil {
						t.Errorf("%s: %v", kind.key.Name(), err)
					}
				})
			}
			eventually(t, "all wait", func() bool { return waiting() == callers })
			release()
			calls.Wait()
		}, kind.key)
		if want := fmt.Sprintf("%s %d", kind.key.Name(), kind.together); cost != want {
			t.Errorf("%d calls cost %s, want %s", callers, cost, want)
		}
	}
	for i, name := range names {
		if b.kafka.TopicInfo(name) != nil {
			t.Errorf("topic %d was not deleted", i)
		}
	}
}

func TestOffsetsAndSizesShareRequests(t *testing.T) {
	const topics = 60
	names := make([]string, topics)
	seeds := []kfake.Opt{}
	for i := range names {
		names[i] = fmt.Sprintf("topic-%d", i)
		seeds = append(seeds, kfake.SeedTopics(3, names[i]))
	}
	b := newBench(t, Options{}, seeds...)
	ctx := b.warm(t)
	live, err := b.cluster.Topics(ctx, names...)
	if err != nil {
		t.Fatal(err)
	}
	leaders := 0
	for _, topic := range live {
		leading := map[int32]bool{}
		for _, p := range topic.Partitions {
			leading[p.Leader] = true
		}
		leaders += len(leading)
	}
	ids := slices.Collect(maps.Keys(b.cluster.core.Dir.Brokers))
	var questions []offsets.Target
	for _, id := range ids {
		for _, timestamp := range []int64{sarama.OffsetOldest, sarama.OffsetNewest} {
			questions = append(questions, offsets.Target{Leader: id, Isolation: ReadUncommitted, Timestamp: timestamp})
		}
	}
	for _, kind := range []struct {
		key kmsg.Key
		// alone is how many requests there would be if nobody shared: each topic is on all brokers.
		alone, together int
		occupy          func() (waiting func() int, release func())
		call            func(name string) error
	}{
		{kmsg.ListOffsets, 2 * leaders, 2 * len(ids), func() (func() int, func()) { return occupiedTargets(&b.cluster.offsets.Leaders, questions) }, func(name string) error {
			offsets, err := b.cluster.OffsetsOf(ctx, live[name], ReadUncommitted)
			if err == nil && len(offsets) != 3 {
				err = fmt.Errorf("%d partitions", len(offsets))
			}
			for id, o := range offsets {
				if o.Err != nil || o.Start != 0 || o.End != 0 {
					return fmt.Errorf("partition %d: %+v", id, o)
				}
			}
			return err
		}},
		{kmsg.DescribeLogDirs, len(ids) * topics, len(ids), func() (func() int, func()) { return occupiedTargets(&b.cluster.brokers.Sized, ids) }, func(name string) error {
			sizes, err := b.cluster.FreshLogDirs(ctx, name)
			for id, broker := range sizes.Brokers {
				if broker.Err != nil {
					return broker.Err
				}
				for _, r := range broker.Replicas {
					if r.Topic != name {
						return fmt.Errorf("broker %d: asked for %s, got %s", id, name, r.Topic)
					}
				}
			}
			return err
		}},
	} {
		waiting, release := kind.occupy()
		cost := b.counted(func() {
			var callers sync.WaitGroup
			for _, name := range names {
				callers.Go(func() {
					if err := kind.call(name); err != nil {
						t.Errorf("%s of %s: %v", kind.key.Name(), name, err)
					}
				})
			}
			eventually(t, "all wait", func() bool { return waiting() == kind.alone })
			release()
			callers.Wait()
		}, kind.key)
		if want := fmt.Sprintf("%s %d", kind.key.Name(), kind.together); cost != want {
			t.Errorf("%d calls cost %s, want %s", topics, cost, want)
		}
	}
}

// occupied keeps a batcher's calls in its queue until release, so that they share a request however fast a broker answers.
func occupied[Q, A any](b *transport.Batcher[Q, A]) (release func()) {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	b.Running++
	return func() { go b.Run() }
}

// queue is a batcher of any kind, for a table of them.
func queue[Q, A any](b *transport.Batcher[Q, A]) (occupy func() (waiting func() int, release func())) {
	return func() (func() int, func()) { return func() int { return queued(b) }, occupied(b) }
}

// occupiedTargets is occupied for the batchers of several targets.
func occupiedTargets[K comparable, Q, A any](s *transport.Batchers[K, Q, A], targets []K) (waiting func() int, release func()) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.ByTarget = map[K]*transport.Batcher[Q, A]{}
	var releases []func()
	for _, target := range targets {
		s.ByTarget[target] = s.Build(target)
		releases = append(releases, occupied(s.ByTarget[target]))
	}
	waiting = func() int {
		s.Mu.Lock()
		defer s.Mu.Unlock()
		n := 0
		for _, b := range s.ByTarget {
			n += queued(b)
		}
		return n
	}
	return waiting, func() {
		for _, release := range releases {
			release()
		}
	}
}

func TestTheSameTopicTwiceIsTwoRequests(t *testing.T) {
	b := newBench(t, Options{})
	ctx := b.warm(t)
	create := b.cluster.topics.Create
	release := occupied(create)
	var created, exists atomic.Int32
	var callers sync.WaitGroup
	for range 5 {
		callers.Go(func() {
			switch _, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 1, Replicas: 1}, false); {
			case err == nil:
				created.Add(1)
			case kafkaerr.CodeOf(err) == kafkaerr.TopicAlreadyExists:
				exists.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	eventually(t, "all wait", func() bool { return queued(create) == 5 })
	release()
	callers.Wait()
	if created.Load() != 1 || exists.Load() != 4 {
		t.Errorf("%d were told that they created it, %d that it exists", created.Load(), exists.Load())
	}
}
