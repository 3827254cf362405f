package broker

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/topics"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// fill writes n records into each partition of a topic.
func (b *bench) fill(t *testing.T, topic string, partitions, n int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range n {
		for id := range partitions {
			if err := client.ProduceSync(testContext(t), &kgo.Record{Topic: topic, Partition: int32(id), Value: []byte("v")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (b *bench) mustTopic(t *testing.T, name string) Topic {
	t.Helper()
	topic, found, err := b.cluster.Topic(testContext(t), name)
	if err != nil || !found {
		t.Fatalf("%v %v", found, err)
	}
	return topic
}

func TestRecordsAreDeletedByTheLeaders(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(3, "orders"))
	b.fill(t, "orders", 3, 5)
	topic := b.mustTopic(t, "orders")
	// The metadata read before is of another leader by now.
	leader := b.kafka.LeaderFor("orders", 0)
	if err := b.kafka.MoveTopicPartition("orders", 0, (leader+1)%3); err != nil {
		t.Fatal(err)
	}
	got, err := b.cluster.DeleteRecords(testContext(t), topic, map[int32]int64{0: 2, 1: 5, 2: 9})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Err != nil || got[0].Start != 2 || got[1].Err != nil || got[1].Start != 5 || kafkaerr.CodeOf(got[2].Err) != 1 {
		t.Errorf("%+v", got)
	}
	for id, want := range []int64{2, 5, 0} {
		if info := b.kafka.PartitionInfo("orders", int32(id)); info.LogStartOffset != want {
			t.Errorf("partition %d begins at %d, want %d", id, info.LogStartOffset, want)
		}
	}
	if _, err := b.cluster.DeleteRecords(testContext(t), topic, map[int32]int64{0: -1}); kafkaerr.CodeOf(err) != kafkaerr.InvalidRequest {
		t.Errorf("a negative offset: %v", err)
	}
}

func TestALostAnswerToDeleteRecordsIsLookedUp(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	b.fill(t, "orders", 1, 5)
	topic := b.mustTopic(t, "orders")
	b.network.set(func() {
		b.network.rule = func(_ string, key int16) verdict {
			if key == int16(kmsg.DeleteRecords) {
				return loseAnswer
			}
			return pass
		}
	})
	got, err := b.cluster.DeleteRecords(testContext(t), topic, map[int32]int64{0: 3})
	if err != nil || got[0].Err != nil || got[0].Start != 3 {
		t.Errorf("%+v %v", got, err)
	}
	// Cut before it arrives, the request has done nothing, which a look tells as well.
	b.network.set(func() {
		b.network.rule = func(_ string, key int16) verdict {
			if key == int16(kmsg.DeleteRecords) {
				return cut
			}
			return pass
		}
	})
	got, err = b.cluster.DeleteRecords(testContext(t), topic, map[int32]int64{0: 4})
	if err != nil || !kafkaerr.IsUnknownOutcome(got[0].Err) {
		t.Errorf("%+v %v", got, err)
	}
	if info := b.kafka.PartitionInfo("orders", 0); info.LogStartOffset != 3 {
		t.Errorf("the partition begins at %d", info.LogStartOffset)
	}
}

func TestALostAnswerToAnElectionIsLookedUp(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	topic := b.mustTopic(t, "orders")
	b.network.set(func() {
		b.network.rule = func(_ string, key int16) verdict {
			if key == int16(kmsg.ElectLeaders) {
				return loseAnswer
			}
			return pass
		}
	})
	got, err := b.cluster.ElectLeaders(testContext(t), topic, PreferredElection, []int32{0, 1})
	if err != nil || got[0].Err != nil || got[1].Err != nil {
		t.Fatalf("%+v %v", got, err)
	}
	for id := range int32(2) {
		if leader := b.kafka.LeaderFor("orders", id); got[id].After != leader || got[id].Before == leader {
			t.Errorf("partition %d is led by %d: %+v", id, leader, got[id])
		}
	}
	if n := b.network.requests(int16(kmsg.ElectLeaders)); n != 1 {
		t.Errorf("the election was asked for %d times", n)
	}
}

// What was elected before a controller was lost is told, and so is what was not asked for any more.
func TestAnElectionThatEndsHalfwayIsTold(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2*topics.MaxElections+1, "orders"))
	topic := b.mustTopic(t, "orders")
	all := make([]int32, len(topic.Partitions))
	for i := range all {
		all[i] = int32(i)
	}
	var asked atomic.Int32
	b.kafka.ControlKey(int16(kmsg.ElectLeaders), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.ElectLeadersResponse)
		if asked.Add(1) > 1 {
			resp.ErrorCode = kafkaerr.PolicyViolation
			return resp, nil, true
		}
		elected := kmsg.NewElectLeadersResponseTopic()
		elected.Topic = "orders"
		for _, id := range req.(*kmsg.ElectLeadersRequest).Topics[0].Partitions {
			partition := kmsg.NewElectLeadersResponseTopicPartition()
			partition.Partition = id
			elected.Partitions = append(elected.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, elected)
		return resp, nil, true
	})
	got, err := b.cluster.ElectLeaders(testContext(t), topic, PreferredElection, all)
	if err != nil || len(got) != len(all) {
		t.Fatalf("%d results, %v", len(got), err)
	}
	for id, one := range got {
		switch refused, left := id >= topics.MaxElections, id >= 2*topics.MaxElections; {
		case (one.Err != nil) != refused, (kafkaerr.CodeOf(one.Err) == kafkaerr.PolicyViolation) != (refused && !left):
			t.Fatalf("partition %d: %+v", id, one)
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the controller was asked %d times, want not again after it refused", n)
	}
}

func TestAnElectionCanBeForeseen(t *testing.T) {
	replicas := []int32{1, 2, 3}
	for _, tc := range []struct {
		rule      string
		partition Partition
		preferred Election
		unclean   Election
	}{
		{"led by the preferred", Partition{Leader: 1, Replicas: replicas, ISR: replicas}, Election{Before: 1, After: 1, Needless: true}, Election{Before: 1, After: 1, Needless: true}},
		{"led by another", Partition{Leader: 2, Replicas: replicas, ISR: replicas}, Election{Before: 2, After: 1}, Election{Before: 2, After: 2, Needless: true}},
		{"the preferred is behind", Partition{Leader: 2, Replicas: replicas, ISR: []int32{2, 3}}, Election{Before: 2, After: 2, Err: &kafkaerr.Error{Code: 80}}, Election{Before: 2, After: 2, Needless: true}},
		{"no leader", Partition{Leader: -1, Replicas: replicas, ISR: []int32{1}, Offline: []int32{1}}, Election{Before: -1, After: -1, Err: &kafkaerr.Error{Code: 80}}, Election{Before: -1, After: 2}},
		{"nobody serves", Partition{Leader: -1, Replicas: replicas, ISR: []int32{1}, Offline: replicas}, Election{Before: -1, After: -1, Err: &kafkaerr.Error{Code: 80}}, Election{Before: -1, After: -1, Err: &kafkaerr.Error{Code: 83}}},
	} {
		for kind, want := range map[ElectionType]Election{PreferredElection: tc.preferred, UncleanElection: tc.unclean} {
			got := Topic{Name: "orders", Partitions: []Partition{tc.partition}}.ForeseeElection(kind)[0]
			if got.Before != want.Before || got.After != want.After || got.Needless != want.Needless || kafkaerr.CodeOf(got.Err) != kafkaerr.CodeOf(want.Err) {
				t.Errorf("%s, election %d: %+v, want %+v", tc.rule, kind, got, want)
			}
		}
	}
}

func TestEligibleLeadersComeInPages(t *testing.T) {
	b := newBench(t, unhurried, kfake.SeedTopics(3, "orders"))
	var pages atomic.Int64
	b.kafka.ControlKey(int16(kmsg.DescribeTopicPartitions), func(request kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		req := request.(*kmsg.DescribeTopicPartitionsRequest)
		response := req.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
		id := int32(pages.Add(1)) - 1
		if (req.Cursor == nil) != (id == 0) || req.Cursor != nil && req.Cursor.Partition != id {
			t.Errorf("page %d is asked for with %+v", id, req.Cursor)
		}
		topic := kmsg.NewDescribeTopicPartitionsResponseTopic()
		topic.Topic = kmsg.StringPtr("orders")
		partition := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		partition.Partition, partition.EligibleLeaderReplicas = id, []int32{id}
		topic.Partitions = append(topic.Partitions, partition)
		response.Topics = append(response.Topics, topic)
		if id < 2 {
			cursor := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
			cursor.Topic, cursor.Partition = "orders", id+1
			response.NextCursor = &cursor
		}
		return response, nil, true
	})
	got, err := b.cluster.EligibleLeaders(testContext(t), "orders")
	if err != nil || len(got) != 3 || !slices.Equal(got[2].ELR, []int32{2}) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestEligibleLeadersOfATopicThatABrokerHasNotHeardOf(t *testing.T) {
	b := newBench(t, unhurried)
	ctx := testContext(t)
	if _, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 1, Replicas: 1}, false); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	b.kafka.ControlKey(int16(kmsg.DescribeTopicPartitions), func(request kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		req := request.(*kmsg.DescribeTopicPartitionsRequest)
		response := req.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
		topic := kmsg.NewDescribeTopicPartitionsResponseTopic()
		topic.Topic = kmsg.StringPtr(req.Topics[0].Topic)
		if req.Topics[0].Topic != "orders" || asked.Add(1) == 1 {
			topic.ErrorCode = kafkaerr.UnknownTopicOrPartition
		}
		response.Topics = append(response.Topics, topic)
		return response, nil, true
	})
	if _, err := b.cluster.EligibleLeaders(ctx, "orders"); err != nil || asked.Load() != 2 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
	if _, err := b.cluster.EligibleLeaders(ctx, "payments"); kafkaerr.CodeOf(err) != kafkaerr.UnknownTopicOrPartition {
		t.Errorf("a topic that nobody created: %v", err)
	}
}

func TestAGlanceDoesNotWaitAndItsQuestionGoesOn(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	release := make(chan struct{})
	var slow atomic.Bool
	slow.Store(true)
	b.kafka.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		if slow.Load() {
			b.kafka.SleepControl(func() { <-release })
		}
		return nil, nil, false
	})
	ctx := testContext(t)
	start := time.Now()
	if s, err := b.cluster.Glance(ctx, time.Minute, 100*time.Millisecond); s != nil || !errors.Is(err, transport.ErrNotYet) {
		t.Errorf("%v %v", s, err)
	}
	// The answer comes when the test lets it.
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("a glance took %v", took)
	}
	if s, err := b.cluster.Glance(ctx, time.Minute, 0); s != nil || err == nil {
		t.Errorf("without a wait: %v %v", s, err)
	}
	slow.Store(false)
	close(release)
	// Nobody waits any more, and still the answer arrives.
	eventually(t, "the snapshot is known", func() bool { return b.cluster.LastSnapshot() != nil })
	s, err := b.cluster.Glance(ctx, time.Minute, 0)
	if err != nil || len(s.Topics) != 1 {
		t.Errorf("%v %v", s, err)
	}
	// After a write of our own the old one is not good enough, but it is what there is when nobody is asked.
	b.cluster.Invalidate()
	if old, err := b.cluster.Glance(ctx, time.Minute, 0); old != s || err == nil {
		t.Errorf("%v %v", old, err)
	}
	if fresh, err := b.cluster.Glance(ctx, time.Minute, time.Second); err != nil || fresh == s {
		t.Errorf("%v %v", fresh, err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	b.cluster.Invalidate()
	if _, err := b.cluster.Glance(cancelled, time.Minute, time.Second); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has left: %v", err)
	}
}
