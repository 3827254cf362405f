//go:build integration

package broker

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/topics"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// controllerID is the broker that is the controller in ZooKeeper mode, the quorum's leader in KRaft mode.
func controllerID(t *testing.T, r realCluster) int {
	t.Helper()
	if r.kraft {
		q, err := r.cluster.Quorum(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		return int(q.LeaderID)
	}
	info, err := r.cluster.Describe(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return int(info.ControllerID)
}

// whole waits until all brokers are back and every partition of the topics named has all its replicas in sync.
func whole(t *testing.T, r realCluster, topics ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	last := ""
	for {
		info, err := r.cluster.Describe(ctx)
		live := 0
		for _, b := range info.Brokers {
			if !b.Fenced {
				live++
			}
		}
		last = fmt.Sprint(info, err)
		if err == nil && live == 3 {
			all, err := r.cluster.Topics(ctx, topics...)
			last = fmt.Sprint(all, err)
			inSync := err == nil && len(all) == len(topics)
			for _, topic := range all {
				inSync = inSync && !slices.ContainsFunc(topic.Partitions, func(p Partition) bool { return len(p.ISR) < len(p.Replicas) || p.Leader < 0 })
			}
			if inSync {
				return
			}
		}
		if r.cluster.core.Pause(ctx, 100*time.Millisecond) != nil {
			t.Fatalf("the cluster is not whole after a minute: %s", last)
		}
	}
}

func TestRealOutageOfTheController(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		name := topicName(t)
		mustCreate(t, r.cluster, NewTopic{Name: name, Partitions: 6, Replicas: 2})
		victim := r.process.Broker(controllerID(t, r))
		if err := victim.Kill(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := startBroker(victim); err != nil {
				t.Error(err)
			}
			whole(t, r, name)
		})
		// In ZooKeeper mode the others may never have heard of the topic: then they must not say that it does not exist.
		var found bool
		var err error
		start := time.Now()
		took := timed(func() { _, found, err = r.cluster.Topic(testContext(t), name) })
		if err == nil && !found || err != nil && (r.kraft || !kafkaerr.IsUnreachable(err)) || took > soonEnough {
			t.Errorf("a read without the controller: found %v, %v after %v", found, err, took)
		}
		// A write is refused or done, soon, and done once another controller is elected.
		tries := 0
		refusedAsMissing := 0
		ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
		defer cancel()
		for done := false; !done; tries++ {
			one, end := context.WithTimeout(ctx, 10*time.Second)
			begin := time.Now()
			err = r.cluster.CreatePartitions(one, name, 12, nil, false)
			end()
			t.Logf("grow after %v, in %v: %v", time.Since(start).Round(time.Millisecond), time.Since(begin).Round(time.Millisecond), err)
			if took := time.Since(begin); took > 10*time.Second+noticeable {
				t.Errorf("took %v", took)
			}
			if kafkaerr.CodeOf(err) == kafkaerr.UnknownTopicOrPartition {
				refusedAsMissing++
			}
			done = err == nil || r.cluster.core.Pause(ctx, 200*time.Millisecond) != nil
		}
		if err != nil || refusedAsMissing > 0 {
			t.Errorf("%d tries, %d of them refused because the topic were missing: %v", tries, refusedAsMissing, err)
		}
		offsets, err := r.cluster.Offsets(testContext(t), name, ReadUncommitted)
		if err != nil || len(offsets) != 12 {
			t.Errorf("offsets %v %v", offsets, err)
		}
	})
}

func TestRealFrozenBroker(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		ctx := testContext(t)
		name := topicName(t)
		mustCreate(t, r.cluster, NewTopic{Name: name, Assignments: [][]int32{{0}, {1}, {2}}})
		if _, err := r.cluster.Offsets(ctx, name, ReadUncommitted); err != nil {
			t.Fatal(err)
		}
		frozen := (controllerID(t, r) + 1) % 3
		r.cluster.core.Prefer(r.process.Broker(frozen).Addr)
		if _, _, err := r.cluster.Topic(ctx, name); err != nil {
			t.Fatal(err)
		}
		if err := r.process.Broker(frozen).Suspend(); err != nil {
			t.Fatal(err)
		}
		thawed := false
		thaw := func() {
			if !thawed {
				thawed = true
				if err := r.process.Broker(frozen).Resume(); err != nil {
					t.Error(err)
				}
				whole(t, r, name)
			}
		}
		t.Cleanup(thaw)
		// It moves on after StallAfter; the frozen broker itself is given up when a new connection has not come about either, after four seconds.
		start := time.Now()
		_, found, err := r.cluster.Topic(ctx, name)
		if took := time.Since(start); err != nil || !found || took > 3500*time.Millisecond {
			t.Errorf("a read that began at the frozen broker: found %v, %v after %v", found, err, took)
		}
		t.Logf("the read moved on after %v", time.Since(start).Round(time.Millisecond))
		start = time.Now()
		offsets, err := r.cluster.Offsets(ctx, name, ReadUncommitted)
		t.Logf("offsets after %v", time.Since(start).Round(time.Millisecond))
		if err != nil || time.Since(start) > 8*time.Second {
			t.Errorf("offsets: %v after %v", err, time.Since(start))
		}
		for id, o := range offsets {
			if (o.Err != nil) != (id == int32(frozen)) {
				t.Errorf("partition %d, broker %d frozen: %+v", id, frozen, o)
			}
		}
		sizes, err := r.cluster.FreshLogDirs(ctx, name)
		if err != nil || len(sizes.Brokers) != 3 || sizes.Brokers[int32(frozen)].Err == nil {
			t.Errorf("sizes: %+v %v", sizes, err)
		}
		thaw()
		eventually(t, "the broker that thawed answers", func() bool {
			offsets, err = r.cluster.Offsets(testContext(t), name, ReadUncommitted)
			return err == nil && offsets[int32(frozen)].Err == nil
		})
	})
}

func TestRealFrozenCluster(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		if _, err := r.cluster.Snapshot(testContext(t), 0); err != nil {
			t.Fatal(err)
		}
		thawed := false
		thaw := func() {
			if thawed {
				return
			}
			thawed = true
			for _, p := range r.process.Brokers {
				if err := p.Resume(); err != nil {
					t.Error(err)
				}
			}
			whole(t, r)
		}
		t.Cleanup(thaw)
		for _, p := range r.process.Brokers {
			if err := p.Suspend(); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		took := timed(func() { _, err = r.cluster.Topics(context.Background(), "orders") })
		if !kafkaerr.IsUnreachable(err) || took > soonEnough {
			t.Errorf("after %v: %v, want unreachable", took, err)
		}
		t.Logf("verdict after %v", took.Round(time.Millisecond))
		if r.cluster.LastSnapshot() == nil {
			t.Error("the last snapshot is gone")
		}
		thaw()
	})
}

// The answers of one topic, over and over while each broker in turn restarts: no read fails.
func TestRealReadsOutliveARollingRestart(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		name := topicName(t)
		mustCreate(t, r.cluster, NewTopic{Name: name, Partitions: 3, Replicas: 3})
		for _, p := range r.process.Brokers {
			ctx, cancel := context.WithCancel(context.Background())
			reads, failed := 0, make(chan error, 1)
			go func() {
				defer close(failed)
				for ctx.Err() == nil {
					if _, found, err := r.cluster.Topic(context.Background(), name); err != nil || !found {
						failed <- fmt.Errorf("found %v: %w", found, err)
						return
					}
					reads++
					_ = r.cluster.core.Pause(ctx, 5*time.Millisecond)
				}
			}()
			restarted := restart(p)
			cancel()
			if err := <-failed; err != nil {
				t.Errorf("while broker %d restarted, after %d reads: %v", p.ID, reads, err)
			}
			if restarted != nil {
				t.Fatal(restarted)
			}
			whole(t, r, name)
		}
	})
}

// What the gateway adds to a request, for the log. The raw requests are sarama's alone, to the same broker, in turns with ours.
func TestRealLatency(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		c := r.cluster
		base := topicName(t)
		compare := func(what string, n int, ours, raw func(i int) error) {
			took := [2][]time.Duration{}
			for i := range n {
				for side, call := range []func(int) error{ours, raw} {
					if call == nil {
						continue
					}
					start := time.Now()
					if err := call(i); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					took[side] = append(took[side], time.Since(start))
				}
			}
			text := ""
			for side := range took {
				if len(took[side]) > 0 {
					slices.Sort(took[side])
					text += fmt.Sprintf(" %v", took[side][n/2].Round(time.Microsecond))
				}
			}
			t.Logf("p50 %s: ours and raw%s", what, text)
		}
		raw := func(ln wire.Lane, call func(*sarama.Broker) error) error {
			l, err := c.core.AcquireController(ctx, ln, time.Now(), nil, false)
			if err != nil {
				return err
			}
			defer c.core.Pool.PutBack(l)
			return call(l.Broker)
		}
		rawCreate := func(name string, validateOnly bool) (id TopicID, err error) {
			details := map[string]*sarama.TopicDetail{name: topics.TopicDetail(NewTopic{Name: name, Partitions: 3, Replicas: 3})}
			err = raw(wire.LaneControl, func(b *sarama.Broker) error {
				resp, err := b.CreateTopics(sarama.NewCreateTopicsRequest(sarama.MaxVersion, details, 10*time.Second, validateOnly))
				if err == nil {
					id = TopicID(resp.TopicResults[name].TopicID)
				}
				return err
			})
			return id, err
		}
		const topics = 60
		var ids []TopicID
		compare("create", topics, func(i int) error {
			created, err := c.CreateTopic(ctx, NewTopic{Name: fmt.Sprintf("%s-%d", base, i), Partitions: 3, Replicas: 3}, false)
			ids = append(ids, created.ID)
			return err
		}, func(i int) error {
			id, err := rawCreate(fmt.Sprintf("%s-raw-%d", base, i), false)
			ids = append(ids, id)
			return err
		})
		compare("validate", topics, func(int) error {
			_, err := c.CreateTopic(ctx, NewTopic{Name: base, Partitions: 3, Replicas: 3}, true)
			return err
		}, func(int) error { _, err := rawCreate(base, true); return err })
		first := base + "-0"
		compare("topic", 300, func(int) error { _, _, err := c.Topic(ctx, first); return err }, func(int) error {
			return raw(wire.LaneData, func(b *sarama.Broker) error {
				_, err := b.GetMetadata(transport.MetadataRequest([]string{first}))
				return err
			})
		})
		compare("configuration", 100, func(int) error { _, err := c.TopicConfig(ctx, first); return err }, nil)
		compare("offsets", 100, func(int) error { _, err := c.Offsets(ctx, first, ReadUncommitted); return err }, nil)
		compare("sizes", 20, func(int) error { _, err := c.FreshLogDirs(ctx, first); return err }, nil)
		compare("snapshot", 50, func(int) error { _, err := c.Snapshot(ctx, 0); return err }, nil)
		compare("delete", len(ids), func(i int) error { return c.DeleteTopic(ctx, ids[i]) }, nil)
	})
}
