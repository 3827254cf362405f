package broker

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// losing makes the network lose the answers to requests of a type.
func (b *bench) losing(key kmsg.Key) {
	b.network.set(func() {
		b.network.rule = func(_ string, k int16) verdict {
			if k == int16(key) {
				return loseAnswer
			}
			return pass
		}
	})
}

func TestAWriteWhoseAnswerIsLostIsLookedUp(t *testing.T) {
	b := newBench(t, Options{Clock: newFakeClock()}, kfake.SeedTopics(1, "payments"))
	ctx := testContext(t)
	if _, err := b.cluster.Snapshot(ctx, 0); err != nil {
		t.Fatal(err)
	}

	b.losing(kmsg.CreateTopics)
	created, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 3, Replicas: 2, Config: map[string]string{"retention.ms": "5000"}}, false)
	if err != nil || created.ID.IsZero() || created.Partitions != 3 || created.Replicas != 2 {
		t.Errorf("create: %+v %v", created, err)
	}
	if n := b.network.requests(int16(kmsg.CreateTopics)); n != 1 {
		t.Errorf("the write was sent %d times", n)
	}
	b.losing(kmsg.CreatePartitions)
	if err := b.cluster.CreatePartitions(ctx, "orders", 5, nil, false); err != nil {
		t.Errorf("grow: %v", err)
	}
	b.losing(kmsg.IncrementalAlterConfigs)
	if err := b.cluster.AlterTopicConfig(ctx, "orders", map[string]string{"cleanup.policy": "compact"}, []string{"retention.ms"}, false); err != nil {
		t.Errorf("configure: %v", err)
	}
	b.losing(kmsg.AlterPartitionAssignments)
	payments, _, err := b.cluster.Topic(ctx, "payments")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cluster.Reassign(ctx, "payments", map[int32][]int32{0: payments.Partitions[0].Replicas}); err != nil {
		t.Errorf("reassign: %v", err)
	}
	b.losing(kmsg.DeleteTopics)
	if err := b.cluster.DeleteTopic(ctx, created.ID); err != nil {
		t.Errorf("delete: %v", err)
	}
	if b.kafka.TopicInfo("orders") != nil {
		t.Error("the topic still exists")
	}
}

func TestAWriteThatDidNotHappenIsSaidToBeUnknown(t *testing.T) {
	b := newBench(t, Options{})
	ctx := testContext(t)
	if _, err := b.cluster.Describe(ctx); err != nil {
		t.Fatal(err)
	}
	// The broker reads the request and closes the connection without acting on it.
	b.kafka.ControlKey(int16(kmsg.CreateTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, kerr.UnknownServerError, true
	})
	_, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 1, Replicas: 1}, false)
	if !kafkaerr.MayAppear(err) {
		t.Errorf("error %v, want an unknown outcome of a topic that was not there", err)
	}
	if n := b.network.requests(int16(kmsg.CreateTopics)); n != 1 {
		t.Errorf("the write was sent %d times", n)
	}
	// A harmless one is simply asked again.
	b.kafka.ControlKey(int16(kmsg.CreateTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, kerr.UnknownServerError, true
	})
	if _, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 1, Replicas: 1}, true); err != nil {
		t.Errorf("validateOnly over a broken connection: %v", err)
	}
}

func TestALostCreateBesideAnotherTopicIsAConflict(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(7, "orders"))
	ctx := testContext(t)
	if _, err := b.cluster.Describe(ctx); err != nil {
		t.Fatal(err)
	}
	b.losing(kmsg.CreateTopics)
	_, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 3, Replicas: -1}, false)
	if kafkaerr.CodeOf(err) != kafkaerr.TopicAlreadyExists || kafkaerr.IsUnknownOutcome(err) {
		t.Errorf("error %v, want TOPIC_ALREADY_EXISTS", err)
	}
}

// A topic that is as wanted was not made by a create whose answer was lost, when it was there before: it is somebody else's.
func TestALostCreateBesideAnEqualTopicIsAConflict(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(3, "orders"))
	ctx := testContext(t)
	if _, err := b.cluster.Snapshot(ctx, 0); err != nil {
		t.Fatal(err)
	}
	b.losing(kmsg.CreateTopics)
	created, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 3, Replicas: -1}, false)
	if kafkaerr.CodeOf(err) != kafkaerr.TopicAlreadyExists || kafkaerr.IsUnknownOutcome(err) {
		t.Errorf("%+v, error %v, want TOPIC_ALREADY_EXISTS", created, err)
	}
}

// Nobody knows since when an equal topic is there that was not looked for in time: it may be somebody's, and the create does not have it made.
func TestALostCreateBesideAnEqualTopicNobodyLookedForIsUnknown(t *testing.T) {
	for name, since := range map[string]time.Duration{"never": -1, "long ago": metadata.Lately + time.Second} {
		t.Run(name, func(t *testing.T) {
			clk := newFakeClock()
			b := newBench(t, Options{Clock: clk})
			ctx := testContext(t)
			if _, err := b.cluster.Describe(ctx); err != nil {
				t.Fatal(err)
			}
			if since > 0 {
				if _, err := b.cluster.Snapshot(ctx, 0); err != nil {
					t.Fatal(err)
				}
				clk.Step(since)
			}
			// Somebody makes the topic past this cluster handle.
			others := New(Options{}).Cluster(Target{Key: "streams/others/2", Bootstrap: b.kafka.ListenAddrs()})
			if _, err := others.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 3, Replicas: 1}, false); err != nil {
				t.Fatal(err)
			}
			b.losing(kmsg.CreateTopics)
			created, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 3, Replicas: 1}, false)
			if !kafkaerr.IsUnknownOutcome(err) || kafkaerr.MayAppear(err) {
				t.Errorf("%+v, error %v, want an unknown outcome of a topic that may have been there", created, err)
			}
			if n := b.network.requests(int16(kmsg.CreateTopics)); n != 1 {
				t.Errorf("the create was sent %d times", n)
			}
		})
	}
}

// A topic that has held a record may be somebody's, whom the create would take it from.
func TestALostCreateBesideAUsedTopicIsUnknown(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(3, "orders"))
	b.produce(t, "orders", 3, 1)
	b.losing(kmsg.CreateTopics)
	created, err := b.cluster.CreateTopic(testContext(t), NewTopic{Name: "orders", Partitions: 3, Replicas: -1}, false)
	if !kafkaerr.IsUnknownOutcome(err) || kafkaerr.MayAppear(err) {
		t.Errorf("%+v, error %v, want an unknown outcome of a topic that may have been there", created, err)
	}
}

// Brokers that nobody can look at any more tell nothing. What all of them had a moment before the request was sent does, as far as it is known:
// others may have made the topic since what was seen earlier.
func TestWhatWasNotThereBeforeALostCreateMayAppear(t *testing.T) {
	for name, tc := range map[string]struct {
		looked bool
		// age is what has passed since that look when the create is called, waited what passes until it is sent.
		age, waited time.Duration
		topic       string
		want        bool
	}{
		"nobody has looked":           {topic: "orders"},
		"it was not there":            {looked: true, topic: "orders", want: true},
		"it was there":                {looked: true, topic: "payments"},
		"it was not there just now":   {looked: true, age: metadata.Lately, topic: "orders", want: true},
		"it was not there long ago":   {looked: true, age: metadata.Lately + time.Second, topic: "orders"},
		"it was not there when asked": {looked: true, age: metadata.Lately / 2, waited: metadata.Lately, topic: "orders"},
	} {
		t.Run(name, func(t *testing.T) {
			clk := newFakeClock()
			b := newBench(t, Options{Clock: clk}, kfake.SeedTopics(1, "payments"))
			ctx := testContext(t)
			if _, err := b.cluster.Describe(ctx); err != nil {
				t.Fatal(err)
			}
			if tc.looked {
				if _, err := b.cluster.Snapshot(ctx, 0); err != nil {
					t.Fatal(err)
				}
			}
			clk.Step(tc.age)
			b.network.set(func() {
				b.network.rule = func(_ string, key int16) verdict {
					switch kmsg.Key(key) {
					case kmsg.CreateTopics:
						return loseAnswer
					case kmsg.Metadata:
						return cut
					}
					return pass
				}
			})
			send := occupied(b.cluster.topics.Create)
			outcome := make(chan error, 1)
			go func() {
				_, err := b.cluster.CreateTopic(ctx, NewTopic{Name: tc.topic, Partitions: 1, Replicas: 1}, false)
				outcome <- err
			}()
			eventually(t, "the create waits to be sent", func() bool { return queued(b.cluster.topics.Create) == 1 })
			clk.Step(tc.waited)
			send()
			if err := <-outcome; !kafkaerr.IsUnknownOutcome(err) || kafkaerr.MayAppear(err) != tc.want {
				t.Errorf("%v: may appear %v, want %v", err, kafkaerr.MayAppear(err), tc.want)
			}
		})
	}
}

func TestRequestTimedOutIsLookedUp(t *testing.T) {
	b := newBench(t, Options{Clock: newFakeClock()})
	ctx := testContext(t)
	if _, err := b.cluster.Snapshot(ctx, 0); err != nil {
		t.Fatal(err)
	}
	// kfake does the work and answers REQUEST_TIMED_OUT, as a broker that waited for others in vain.
	b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.RequestTimedOut})
	created, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 2, Replicas: 1}, false)
	if err != nil || created.ID.IsZero() {
		t.Errorf("%+v %v", created, err)
	}
}

func TestAWriteEndsWithItsDeadline(t *testing.T) {
	b := newBench(t, Options{})
	orders := NewTopic{Name: "orders", Partitions: 1, Replicas: 1}
	// So that the connection is there, and the write is sent in any case.
	if _, err := b.cluster.CreateTopic(testContext(t), orders, true); err != nil {
		t.Fatal(err)
	}
	b.network.set(func() {
		b.network.rule = func(_ string, key int16) verdict {
			switch kmsg.Key(key) {
			case kmsg.ApiVersions:
				return pass
			}
			return holdAnswer
		}
	})
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	took := timed(func() { _, err = b.cluster.CreateTopic(ctx, orders, false) })
	// To look at the brokers past the deadline would take until four and a half seconds are over.
	if took > patience+time.Second || !kafkaerr.IsUnknownOutcome(err) {
		t.Errorf("after %v: %v, want an unknown outcome at the deadline", took, err)
	}
}

func TestAReadKnowsOfTheWriteBeforeIt(t *testing.T) {
	opts := unhurried
	opts.Clock = newFakeClock()
	b := newBench(t, opts)
	ctx := testContext(t)
	created, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 4, Replicas: 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	// The broker asked next has not heard of the topic for its first three answers.
	var late atomic.Int32
	b.kafka.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		if late.Add(1) > 3 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		for id, addr := range b.kafka.ListenAddrs() {
			broker := kmsg.NewMetadataResponseBroker()
			info, _ := splitAddr(addr)
			broker.NodeID, broker.Host, broker.Port = int32(id), info.Host, info.Port
			resp.Brokers = append(resp.Brokers, broker)
		}
		for _, asked := range req.(*kmsg.MetadataRequest).Topics {
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic, topic.TopicID, topic.ErrorCode = asked.Topic, asked.TopicID, kafkaerr.UnknownTopicOrPartition
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	orders, found, err := b.cluster.Topic(ctx, "orders")
	if err != nil || !found || len(orders.Partitions) != 4 || orders.ID != created.ID {
		t.Errorf("%+v %v %v", orders, found, err)
	}
	if late.Load() != 4 {
		t.Errorf("%d questions, want 4", late.Load())
	}
}

// The controller says that a topic has the partitions already, and the broker that was asked before and is asked again has not heard of them.
func TestAGrowthThatIsDoneAlreadyIsASuccess(t *testing.T) {
	opts := unhurried
	opts.Clock = newFakeClock()
	b := newBench(t, opts)
	ctx := testContext(t)
	created, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 4, Replicas: 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cluster.CreatePartitions(ctx, "orders", 6, nil, false); err != nil {
		t.Fatal(err)
	}
	// Another has added them.
	b.cluster.metadata.Expected.Clear()
	b.kafka.ControlKey(int16(kmsg.CreatePartitions), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
		topic := kmsg.NewCreatePartitionsResponseTopic()
		topic.Topic, topic.ErrorCode, topic.ErrorMessage = "orders", kafkaerr.InvalidPartitions, kmsg.StringPtr("Topic already has 6 partition(s).")
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	var late atomic.Int32
	b.kafka.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		asked := req.(*kmsg.MetadataRequest).Topics
		if len(asked) != 1 || late.Add(1) > 4 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.Brokers = b.brokers()
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = asked[0].Topic, created.ID
		for i := range 4 {
			partition := kmsg.NewMetadataResponseTopicPartition()
			partition.Partition, partition.Replicas, partition.ISR = int32(i), []int32{0}, []int32{0}
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	if err := b.cluster.CreatePartitions(ctx, "orders", 6, nil, false); err != nil {
		t.Error(err)
	}
	if late.Load() != 5 {
		t.Errorf("%d questions, want 5", late.Load())
	}
}

// A broker that has not heard of a topic is not believed in ZooKeeper mode, where the controller alone knows.
func TestOnlyTheControllerSaysThatATopicIsMissing(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	ctx := testContext(t)
	if _, err := b.cluster.Describe(ctx); err != nil {
		t.Fatal(err)
	}
	brokers, knows := b.cluster.core.Dir.Brokers, b.cluster.core.Dir.Controller
	b.cluster.core.Prefer(brokers[(knows+1)%3].Address())
	b.kafka.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		if b.kafka.CurrentNode() == knows {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.ControllerID = knows
		for id, broker := range brokers {
			r := kmsg.NewMetadataResponseBroker()
			r.NodeID, r.Host, r.Port = id, broker.Host, broker.Port
			resp.Brokers = append(resp.Brokers, r)
		}
		for _, asked := range req.(*kmsg.MetadataRequest).Topics {
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic, topic.ErrorCode = asked.Topic, kafkaerr.UnknownTopicOrPartition
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	topics, err := b.cluster.Topics(ctx, "orders", "nobody")
	if _, ok := topics["orders"]; err != nil || !ok || len(topics) != 1 {
		t.Errorf("%v %v, want orders alone", topics, err)
	}
}

func TestGrowingIsRefusedWhileATopicMoves(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	ctx := testContext(t)
	b.kafka.ControlKey(int16(kmsg.ListPartitionReassignments), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
		topic := kmsg.NewListPartitionReassignmentsResponseTopic()
		topic.Topic = "orders"
		partition := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
		partition.Replicas, partition.AddingReplicas, partition.RemovingReplicas = []int32{2, 0, 1}, []int32{2}, []int32{0}
		topic.Partitions = append(topic.Partitions, partition)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	if err := b.cluster.CreatePartitions(ctx, "orders", 4, nil, false); kafkaerr.CodeOf(err) != kafkaerr.ReassignmentInProgress {
		t.Errorf("error %v, want REASSIGNMENT_IN_PROGRESS", err)
	}
	if n := b.network.requests(int16(kmsg.CreatePartitions)); n != 0 {
		t.Errorf("%d requests to grow were sent", n)
	}
}

// Growing takes Alter on the topic. Whether it moves is asked of the cluster, which takes Describe on that; without, it is enough that all replicas
// are in sync: while a topic moves they are not.
func TestGrowingWithoutTheRightToListReassignments(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	b.kafka.ControlKey(int16(kmsg.ListPartitionReassignments), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
		resp.ErrorCode = kafkaerr.ClusterAuthorizationFailed
		return resp, nil, true
	})
	ctx := testContext(t)
	if err := b.cluster.CreatePartitions(ctx, "orders", 3, nil, true); err != nil {
		t.Errorf("a dry run: %v", err)
	}
	if err := b.cluster.CreatePartitions(ctx, "orders", 3, nil, false); err != nil {
		t.Errorf("all replicas are in sync: %v", err)
	}
	b.kafka.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = kmsg.StringPtr("orders")
		for id := range int32(3) {
			partition := kmsg.NewMetadataResponseTopicPartition()
			partition.Partition, partition.Replicas, partition.ISR = id, []int32{0, 1}, []int32{0, 1}
			if id == 2 {
				partition.Replicas, partition.ISR = []int32{0, 1, 2}, []int32{1, 0}
			}
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	grown := b.network.requests(int16(kmsg.CreatePartitions))
	for _, validateOnly := range []bool{true, false} {
		if err := b.cluster.CreatePartitions(ctx, "orders", 4, nil, validateOnly); kafkaerr.CodeOf(err) != kafkaerr.ClusterAuthorizationFailed {
			t.Errorf("one may be moving: %v", err)
		}
	}
	if n := b.network.requests(int16(kmsg.CreatePartitions)) - grown; n != 0 {
		t.Errorf("%d requests to grow were sent", n)
	}
}

func TestTheErrorOfAReassignmentListIsNotAnEmptyList(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	b.kafka.ControlKey(int16(kmsg.ListPartitionReassignments), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
		resp.ErrorCode = 31
		return resp, nil, true
	})
	if _, err := b.cluster.Reassignments(testContext(t), "orders"); kafkaerr.CodeOf(err) != 31 {
		t.Errorf("error %v, want CLUSTER_AUTHORIZATION_FAILED", err)
	}
}

// Brokers answer with what they understood of a value; waiting for the same text would be for nothing.
func TestASettingIsKnownByItsValue(t *testing.T) {
	var e metadata.Expectations
	now := time.Now()
	policy := "compact, delete"
	e.Configured(now, "orders", map[string]*string{"cleanup.policy": &policy})
	entry := ConfigEntry{Name: "cleanup.policy", Value: "compact,delete", Source: SourceTopic}
	if !e.MetConfig(now, "orders", []ConfigEntry{entry}) {
		t.Error("the value in Kafka's own form is waited for")
	}
	entry.Value = "delete"
	if e.MetConfig(now, "orders", []ConfigEntry{entry}) {
		t.Error("another value is taken for what was written")
	}
}

// A look that was begun with the create (topics.Capacity does so when the last is older than a minute) has shown the cluster without the topic
// before the brokers carried the create out. The answer is lost.
func TestALookBesideACreateCounts(t *testing.T) {
	clk := newFakeClock()
	b := newBench(t, Options{Clock: clk})
	ctx := testContext(t)
	if _, err := b.cluster.Snapshot(ctx, 0); err != nil {
		t.Fatal(err)
	}
	clk.Step(metadata.Lately + time.Second)
	b.losing(kmsg.CreateTopics)
	looked := false
	b.kafka.ControlKey(int16(kmsg.CreateTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.SleepControl(func() {
			s, err := b.cluster.Snapshot(ctx, 0)
			looked = err == nil && s.Lacks("orders", clk.Now())
		})
		return nil, nil, false
	})
	created, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 3, Replicas: 1}, false)
	if !looked {
		t.Fatal("not looked")
	}
	if err != nil {
		t.Errorf("created %+v, error %v", created, err)
	}
}

// The topic of the name was deleted and is made again: what was seen a moment ago is another topic, whose id says so.
func TestATopicThatIsMadeAnewIsNotTheOneBefore(t *testing.T) {
	b := newBench(t, Options{Clock: newFakeClock()}, kfake.SeedTopics(3, "orders"))
	ctx := testContext(t)
	s, err := b.cluster.Snapshot(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cluster.DeleteTopic(ctx, s.Topics["orders"].ID); err != nil {
		t.Fatal(err)
	}
	b.losing(kmsg.CreateTopics)
	created, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 3, Replicas: 1}, false)
	if err != nil {
		t.Errorf("created %+v, error %v", created, err)
	}
}
