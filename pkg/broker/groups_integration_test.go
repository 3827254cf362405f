//go:build integration

package broker

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// newReader is a consumer past the gateway, in a group. It commits nothing by itself.
func newReader(t *testing.T, r realCluster, group, topic string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(r.process.Bootstrap()...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.DisableAutoCommit(), kgo.ClientID("app-1"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// firsts are the offsets of the first record that a consumer gets of each partition.
func firsts(t *testing.T, client *kgo.Client, partitions int) map[int32]int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := map[int32]int64{}
	for len(got) < partitions {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("records of %d partitions only: %v", len(got), fetches.Errors())
		}
		fetches.EachRecord(func(record *kgo.Record) {
			if first, seen := got[record.Partition]; !seen || record.Offset < first {
				got[record.Partition] = record.Offset
			}
		})
	}
	return got
}

func write(t *testing.T, r realCluster, topic string, partitions, each int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.process.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range partitions * each {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRealGroups(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		protocols := map[GroupType][]kgo.Opt{GroupClassic: nil}
		if r.kraft {
			protocols[GroupConsumer] = []kgo.Opt{kgo.ServerSideBalancer()}
		}
		topic := topicName(t)
		mustCreate(t, r.cluster, NewTopic{Name: topic, Partitions: 3, Replicas: 3})
		write(t, r, topic, 3, 4)
		for protocol, opts := range protocols {
			t.Run(string(protocol), func(t *testing.T) {
				group := topic + "-" + string(protocol)
				if g, found, err := r.cluster.Group(testContext(t), group); found || err != nil {
					t.Fatalf("before there is a group: %+v, %v", g, err)
				}
				reader := newReader(t, r, group, topic, opts...)
				if got := firsts(t, reader, 3); got[0]+got[1]+got[2] != 0 {
					t.Errorf("a new group begins at %v", got)
				}
				g, found, err := r.cluster.Group(testContext(t), group)
				if err != nil || !found || g.Type != protocol || g.State != "Stable" || g.ProtocolType != "consumer" || g.Assignor == "" || len(g.Members) != 1 {
					t.Fatalf("described as %+v, %v, %v", g, found, err)
				}
				m := g.Members[0]
				if m.ClientID != "app-1" || m.Host != "127.0.0.1" || len(m.Assignment) != 1 || m.Assignment[0].Topic != topic || !slices.Equal(m.Assignment[0].Partitions, []int32{0, 1, 2}) {
					t.Errorf("the member is %+v", m)
				}
				wanted := map[TopicPartition]int64{{Topic: topic, Partition: 0}: 1, {Topic: topic, Partition: 1}: 4, {Topic: topic, Partition: 2}: 3}
				if n, err := r.cluster.CommitOffsets(testContext(t), group, wanted); n != 0 || kafkaerr.ClassOf(kafkaerr.CodeOf(err)) != kafkaerr.Conflict {
					t.Errorf("with a member %d are written: %v", n, err)
				}
				list, err := r.cluster.Groups(testContext(t))
				if err != nil || len(list.Missing) > 0 {
					t.Fatalf("missing %v, %v", list.Missing, err)
				}
				i := slices.IndexFunc(list.Groups, func(l Group) bool { return l.ID == group })
				if i < 0 || list.Groups[i].Type != protocol || list.Groups[i].State != "Stable" || list.Groups[i].Coordinator != g.Coordinator {
					t.Errorf("listed at %d in %+v", i, list.Groups)
				}
				reader.Close()
				eventually(t, "the group is empty", func() bool {
					g, _, err := r.cluster.Group(testContext(t), group)
					return err == nil && !g.IsActive()
				})
				if n, err := r.cluster.CommitOffsets(testContext(t), group, wanted); n != 3 || err != nil {
					t.Fatalf("without members %d are written: %v", n, err)
				}
				read, err := r.cluster.CommittedOffsets(testContext(t), group)
				if err != nil || len(read) != 3 || read[TopicPartition{Topic: topic, Partition: 1}].Offset != 4 {
					t.Errorf("committed are %+v, %v", read, err)
				}
				write(t, r, topic, 3, 1)
				if got := firsts(t, newReader(t, r, group, topic, opts...), 3); got[0] != 1 || got[1] != 4 || got[2] != 3 {
					t.Errorf("the next consumer begins at %v, want 1, 4 and 3", got)
				}
			})
		}
	})
}

// The broker that keeps a group dies: another takes over within its session's timeout, and is found.
func TestRealCoordinatorDies(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		topic := topicName(t)
		mustCreate(t, r.cluster, NewTopic{Name: topic, Partitions: 1, Replicas: 3})
		wanted := map[TopicPartition]int64{{Topic: topic, Partition: 0}: 0}
		// While there is no controller nobody makes another broker the coordinator: a broker that is the controller, too, is missed for
		// about as long as the gateway has patience.
		controller := controllerID(t, r)
		var group string
		var g Group
		for i := 0; group == "" || int(g.Coordinator) == controller; i++ {
			if i == 50 {
				t.Fatalf("the controller %d keeps all groups", controller)
			}
			group = fmt.Sprintf("%s-%d", topic, i)
			if n, err := r.cluster.CommitOffsets(testContext(t), group, wanted); n != 1 || err != nil {
				t.Fatalf("%d written, %v", n, err)
			}
			var found bool
			var err error
			if g, found, err = r.cluster.Group(testContext(t), group); err != nil || !found {
				t.Fatalf("found %v, %v", found, err)
			}
		}
		victim := r.process.Broker(int(g.Coordinator))
		if err := victim.Kill(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := startBroker(victim); err != nil {
				t.Error(err)
			}
			whole(t, r, topic)
		})
		start := time.Now()
		now, found, err := r.cluster.Group(testContext(t), group)
		if err != nil || !found || now.Coordinator == g.Coordinator {
			t.Errorf("after %v: %+v, %v, %v", time.Since(start), now, found, err)
		}
		t.Logf("another coordinator after %v", time.Since(start))
		if n, err := r.cluster.CommitOffsets(testContext(t), group, wanted); n != 1 || err != nil {
			t.Errorf("%d written, %v", n, err)
		}
	})
}
