//go:build integration

package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// realCluster is a running cluster of three brokers, 0 to 2, and a gateway of the test's own to it.
type realCluster struct {
	name    string
	kraft   bool
	release string
	process *kafkaproc.Cluster
	cluster *Cluster
}

// TestMain ends the clusters that the tests have started; they share them.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range started {
		if s.cluster != nil {
			if err := s.cluster.Kill(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
			os.RemoveAll(s.dir)
		}
	}
	os.Exit(code)
}

type startedCluster struct {
	once    sync.Once
	dir     string
	cluster *kafkaproc.Cluster
	err     error
}

var started = map[bool]*startedCluster{true: {}, false: {}}

func startReal(t *testing.T, kraft bool) *kafkaproc.Cluster {
	t.Helper()
	s := started[kraft]
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "broker-it-"); s.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if kraft {
			s.cluster, s.err = kafkaproc.StartKRaft(ctx, kafkaproc.Options{Nodes: 3, Dir: s.dir, Config: map[string]string{"controller.quorum.append.linger.ms": "0"}})
		} else {
			s.cluster, s.err = kafkaproc.StartZooKeeper(ctx, kafkaproc.ZooKeeperOptions{Servers: 1, Brokers: 3, Dir: s.dir, Config: map[string]string{"zookeeper.session.timeout.ms": "6000"}})
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.cluster
}

func forEachCluster(t *testing.T, test func(t *testing.T, r realCluster)) {
	for _, r := range []realCluster{{name: "KRaft", kraft: true, release: "4.3"}, {name: "ZooKeeper", release: "3.9"}} {
		t.Run(r.name, func(t *testing.T) {
			r.process = startReal(t, r.kraft)
			gateway := New(Options{})
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() { defer close(ended); gateway.Run(ctx) }()
			t.Cleanup(func() { cancel(); <-ended })
			r.cluster = gateway.Cluster(Target{Key: "it/" + r.name + "/1", Bootstrap: r.process.Bootstrap()})
			test(t, r)
		})
	}
}

// restartLimit bounds the stop or the start of a broker; a few seconds are usual, and two minutes enough for a busy machine.
const restartLimit = 2 * time.Minute

func startBroker(p *kafkaproc.Process) error {
	ctx, cancel := context.WithTimeout(context.Background(), restartLimit)
	defer cancel()
	return p.Start(ctx)
}

// restart stops a broker politely and starts it, also when it did not stop in time: later tests need it.
func restart(p *kafkaproc.Process) error {
	ctx, cancel := context.WithTimeout(context.Background(), restartLimit)
	defer cancel()
	err := p.Stop(ctx)
	if err != nil {
		err = errors.Join(err, p.Kill())
	}
	return errors.Join(err, startBroker(p))
}

func topicName(t *testing.T) string {
	return fmt.Sprintf("it-%s-%d", strings.ReplaceAll(strings.ToLower(t.Name()), "/", "-"), time.Now().UnixNano())
}

func mustCreate(t *testing.T, c *Cluster, topic NewTopic) CreatedTopic {
	t.Helper()
	created, err := c.CreateTopic(testContext(t), topic, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.DeleteTopic(ctx, created.ID); err != nil {
			t.Error(err)
		}
	})
	return created
}

func TestRealDescribe(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		ctx := testContext(t)
		info, err := r.cluster.Describe(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if info.ID == "" || len(info.Brokers) != 3 || info.KRaft != r.kraft || (info.ControllerID >= 0) == r.kraft {
			t.Errorf("%+v", info)
		}
		versions, err := r.cluster.BrokerVersions(ctx)
		if err != nil || len(versions) != 3 {
			t.Fatalf("%v %v", versions, err)
		}
		for id, v := range versions {
			if v.Err != nil || v.Release != r.release || v.KRaft != r.kraft {
				t.Errorf("broker %d: %+v", id, v)
			}
			t.Logf("broker %d: %+v", id, v)
		}
		q, err := r.cluster.Quorum(ctx)
		if !r.kraft {
			if !kafkaerr.IsNotSupported(err) {
				t.Errorf("quorum: %v", err)
			}
			return
		}
		if err != nil || q.LeaderID < 0 || len(q.Voters) != 3 {
			t.Errorf("%+v %v", q, err)
		}
		t.Logf("%+v", q)
		if err := r.cluster.UnregisterBroker(ctx, 77); err != nil {
			t.Errorf("unregister an unknown broker: %v, want success", err)
		}
	})
}

func TestRealTopic(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		ctx := testContext(t)
		c := r.cluster
		name := topicName(t)
		if _, err := c.CreateTopic(ctx, NewTopic{Name: name, Partitions: 3, Replicas: 3}, true); err != nil {
			t.Fatal(err)
		}
		_, err := c.CreateTopic(ctx, NewTopic{Name: name, Partitions: 3, Replicas: 9}, true)
		t.Log(err)
		if kafkaerr.CodeOf(err) != 38 || !strings.Contains(err.Error(), "3") {
			t.Errorf("nine replicas: %v", err)
		}
		for what, bad := range map[string]NewTopic{
			"an unknown setting":   {Name: name, Partitions: 1, Replicas: 1, Config: map[string]string{"no.such.setting": "1"}},
			"a bad value":          {Name: name, Partitions: 1, Replicas: 1, Config: map[string]string{"retention.ms": "soon"}},
			"an illegal name":      {Name: "a/b", Partitions: 1, Replicas: 1},
			"no partitions":        {Name: name, Partitions: 0, Replicas: 1},
			"an unknown broker":    {Name: name, Assignments: [][]int32{{99}}},
			"no replicas":          {Name: name, Partitions: 1, Replicas: 0},
			"one replica repeated": {Name: name, Assignments: [][]int32{{1, 1}}},
		} {
			_, err := c.CreateTopic(ctx, bad, true)
			var refusal *kafkaerr.Error
			t.Logf("%s: %v", what, err)
			if !errors.As(err, &refusal) || kafkaerr.ClassOf(refusal.Code) != kafkaerr.Invalid || refusal.Message == "" {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, found, err := c.Topic(ctx, name); found || err != nil {
			t.Errorf("validateOnly has created it: %v %v", found, err)
		}

		created := mustCreate(t, c, NewTopic{Name: name, Partitions: 3, Replicas: 3, Config: map[string]string{"retention.ms": "86400000"}})
		if created.ID.IsZero() || created.Partitions != 3 || created.Replicas != 3 || len(created.Config) == 0 {
			t.Errorf("created %+v", created)
		}
		topic, found, err := c.Topic(ctx, name)
		if err != nil || !found || topic.ID != created.ID || len(topic.Partitions) != 3 || topic.ReplicationFactor() != 3 {
			t.Fatalf("%+v %v %v", topic, found, err)
		}
		if byID, found, err := c.TopicByID(ctx, created.ID); err != nil || !found || byID.Name != name {
			t.Errorf("%+v %v %v", byID, found, err)
		}
		if _, err := c.CreateTopic(ctx, NewTopic{Name: name, Partitions: 3, Replicas: 3}, false); kafkaerr.CodeOf(err) != kafkaerr.TopicAlreadyExists {
			t.Errorf("create again: %v", err)
		}

		if err := c.CreatePartitions(ctx, name, 6, nil, true); err != nil {
			t.Error(err)
		}
		if err := c.CreatePartitions(ctx, name, 2, nil, true); kafkaerr.CodeOf(err) != kafkaerr.InvalidPartitions {
			t.Errorf("shrink: %v", err)
		}
		if err := c.CreatePartitions(ctx, name, 4, [][]int32{{0, 1, 2}}, false); err != nil {
			t.Error(err)
		}
		if err := c.CreatePartitions(ctx, name, 12, nil, false); err != nil {
			t.Error(err)
		}
		topic, _, err = c.Topic(ctx, name)
		if err != nil || len(topic.Partitions) != 12 || !slices.Equal(topic.Partitions[3].Replicas, []int32{0, 1, 2}) {
			t.Errorf("%+v %v", topic, err)
		}
		s, err := c.Snapshot(ctx, 0)
		if err != nil || s.Topics[name].Partitions != 12 || len(s.Brokers) != 3 {
			t.Errorf("snapshot: %v", err)
		}

		if err := c.AlterTopicConfig(ctx, name, map[string]string{"retention.ms": "soon"}, nil, true); kafkaerr.CodeOf(err) != 40 {
			t.Errorf("a bad value: %v", err)
		}
		if err := c.AlterTopicConfig(ctx, name, map[string]string{"retention.ms": "5000", "cleanup.policy": "compact,delete"}, nil, false); err != nil {
			t.Error(err)
		}
		if got := topicSettings(t, c, name); got["retention.ms"] != "5000" || got["cleanup.policy"] != "compact,delete" || len(got) != 2 {
			t.Errorf("%v", got)
		}
		if err := c.AlterTopicConfig(ctx, name, nil, []string{"cleanup.policy", "retention.ms"}, false); err != nil {
			t.Error(err)
		}
		if got := topicSettings(t, c, name); len(got) != 0 {
			t.Errorf("%v", got)
		}

		offsets, err := c.Offsets(ctx, name, ReadCommitted)
		if err != nil || len(offsets) != 12 {
			t.Fatalf("%v %v", offsets, err)
		}
		for id, o := range offsets {
			if o.Err != nil || o.Start != 0 || o.End != 0 {
				t.Errorf("partition %d: %+v", id, o)
			}
		}
		// Leaders have logs when offsets are there; followers make theirs when they hear of the partitions.
		eventually(t, "each broker has twelve replicas", func() bool {
			sizes, err := c.FreshLogDirs(ctx, name)
			if err != nil || len(sizes.Brokers) != 3 {
				t.Fatalf("%v %v", sizes, err)
			}
			for id, b := range sizes.Brokers {
				if b.Err != nil {
					t.Fatalf("broker %d: %v", id, b.Err)
				}
				if len(b.Replicas) != 12 {
					return false
				}
			}
			return true
		})
	})
}

// What was acknowledged while too few replicas were in sync is behind the high watermark, and is there all the same.
func TestRealTopicWithRecordsBehindTheHighWatermarkIsUsed(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		name := topicName(t)
		mustCreate(t, r.cluster, NewTopic{Name: name, Assignments: [][]int32{{0, 1}}, Config: map[string]string{"min.insync.replicas": "2"}})
		topic, _, err := r.cluster.Topic(testContext(t), name)
		if err != nil {
			t.Fatal(err)
		}
		if unused, err := r.cluster.NeverUsed(testContext(t), topic); err != nil || !unused {
			t.Fatalf("never used before all records: %v, %v", unused, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), restartLimit)
		defer cancel()
		t.Cleanup(func() {
			if err := startBroker(r.process.Broker(1)); err != nil {
				t.Error(err)
			}
			whole(t, r, name)
		})
		if err := r.process.Broker(1).Stop(ctx); err != nil {
			t.Fatal(err)
		}
		mustProduce(t, r.foreign(t, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()), &kgo.Record{Topic: name, Value: []byte("acknowledged")})
		if topic, _, err = r.cluster.Topic(testContext(t), name); err != nil {
			t.Fatal(err)
		}
		ends, err := r.cluster.OffsetsOf(testContext(t), topic, ReadUncommitted)
		if err != nil || ends[0].End != 0 {
			t.Errorf("the high watermark: %+v, %v", ends, err)
		}
		if unused, err := r.cluster.NeverUsed(testContext(t), topic); err != nil || unused {
			t.Errorf("never used: %v, %v", unused, err)
		}
	})
}

func TestRealReassignment(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		ctx := testContext(t)
		c := r.cluster
		name := topicName(t)
		mustCreate(t, c, NewTopic{Name: name, Assignments: [][]int32{{0, 1}, {1, 2}}})
		moving, err := c.Reassignments(ctx, name)
		if err != nil || len(moving) != 0 {
			t.Errorf("%v %v", moving, err)
		}
		if err := c.Reassign(ctx, name, map[int32][]int32{0: {2, 0}}); err != nil {
			t.Error(err)
		}
		eventually(t, "the move ends", func() bool {
			topic, _, err := c.Topic(ctx, name)
			if err != nil {
				t.Fatal(err)
			}
			moving, err := c.Reassignments(ctx, name)
			return err == nil && len(moving) == 0 && slices.Equal(topic.Partitions[0].Replicas, []int32{2, 0})
		})
		if err := c.Reassign(ctx, name, map[int32][]int32{0: nil, 1: nil}); err != nil {
			t.Errorf("cancel of nothing: %v", err)
		}
		err = c.Reassign(ctx, name, map[int32][]int32{0: {1, 99}, 1: {2, 2}, 7: {1}})
		t.Log(err)
		if len(kafkaerr.Refusals(err)) != 3 {
			t.Errorf("three bad moves: %v", err)
		}
		if all, err := c.AllReassignments(ctx); err != nil || len(all[name]) != 0 {
			t.Errorf("%v %v", all, err)
		}
	})
}

func TestRealAnswersAreLostAndLookedUp(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		n := newNetwork(t)
		gateway := New(Options{Dial: n.dial})
		c := gateway.Cluster(Target{Key: "it/lossy/1", Bootstrap: r.process.Bootstrap()})
		t.Cleanup(func() { gateway.Forget(c.Key()) })
		ctx := testContext(t)
		b := &bench{network: n}
		name := topicName(t)
		if _, err := c.Snapshot(ctx, 0); err != nil {
			t.Fatal(err)
		}
		b.losing(kmsg.CreateTopics)
		created := mustCreate(t, c, NewTopic{Name: name, Partitions: 3, Replicas: 2, Config: map[string]string{"retention.ms": "86400000"}})
		if created.ID.IsZero() {
			t.Error("no id")
		}
		b.losing(kmsg.CreatePartitions)
		if err := c.CreatePartitions(ctx, name, 5, nil, false); err != nil {
			t.Error(err)
		}
		b.losing(kmsg.IncrementalAlterConfigs)
		if err := c.AlterTopicConfig(ctx, name, map[string]string{"cleanup.policy": "compact"}, nil, false); err != nil {
			t.Error(err)
		}
		b.losing(kmsg.AlterPartitionAssignments)
		if err := c.Reassign(ctx, name, map[int32][]int32{0: {2, 1, 0}}); err != nil {
			t.Error(err)
		}
		b.losing(kmsg.DeleteTopics)
		if err := c.DeleteTopic(ctx, created.ID); err != nil {
			t.Error(err)
		}
		// The other gateway has written nothing, so it may ask a broker that has not heard of it yet.
		eventually(t, "the topic is gone", func() bool {
			_, found, err := r.cluster.TopicByID(ctx, created.ID)
			if err != nil {
				t.Fatal(err)
			}
			return !found
		})
	})
}

// A create, and at once a look at it through every broker, many times over.
func TestRealReadsKnowOfTheWriteBefore(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		c := r.cluster
		base := topicName(t)
		for i := range 20 {
			ctx := testContext(t)
			created, err := c.CreateTopic(ctx, NewTopic{Name: fmt.Sprintf("%s-%d", base, i), Partitions: 2, Replicas: 2}, false)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%s-%d", base, i)
			for _, addr := range r.process.Bootstrap() {
				c.core.Prefer(addr)
				if topic, found, err := c.Topic(ctx, name); !found || err != nil || topic.ID != created.ID {
					t.Errorf("topic %d at %s: %v %v", i, addr, found, err)
				}
			}
			if err := c.CreatePartitions(ctx, name, 4, nil, false); err != nil {
				t.Error(err)
			}
			for _, addr := range r.process.Bootstrap() {
				c.core.Prefer(addr)
				if topic, _, err := c.Topic(ctx, name); len(topic.Partitions) != 4 || err != nil {
					t.Errorf("grown topic %d at %s: %v %v", i, addr, len(topic.Partitions), err)
				}
				if _, err := c.TopicConfig(ctx, name); err != nil {
					t.Errorf("configuration of topic %d at %s: %v", i, addr, err)
				}
			}
			if err := c.DeleteTopic(ctx, created.ID); err != nil {
				t.Error(err)
			}
			for _, addr := range r.process.Bootstrap() {
				c.core.Prefer(addr)
				if _, found, err := c.Topic(ctx, name); found || err != nil {
					t.Errorf("deleted topic %d at %s: %v %v", i, addr, found, err)
				}
			}
		}
	})
}
