//go:build integration

package broker

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Another order of the replicas makes another leader the preferred one; only an election makes it lead.
func TestRealElection(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		ctx := testContext(t)
		c := r.cluster
		name := topicName(t)
		mustCreate(t, c, NewTopic{Name: name, Assignments: [][]int32{{0, 1, 2}, {1, 2, 0}}})
		if err := c.Reassign(ctx, name, map[int32][]int32{0: {2, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		var topic Topic
		eventually(t, "the replicas have the new order and are in sync", func() bool {
			topic, _, _ = c.Topic(ctx, name)
			moving, err := c.Reassignments(ctx, name)
			return err == nil && len(moving) == 0 && len(topic.Partitions) == 2 && slices.Equal(topic.Partitions[0].Replicas, []int32{2, 0, 1}) && len(topic.Partitions[0].ISR) == 3
		})
		foreseen := topic.ForeseeElection(PreferredElection)
		got, err := c.ElectLeaders(ctx, topic, PreferredElection, []int32{0, 1})
		if err != nil {
			t.Fatal(err)
		}
		if e := got[0]; e.Err != nil || e.Needless || e.Before != 0 || e.After != 2 || e.After != foreseen[0].After {
			t.Errorf("partition 0: %+v, foreseen %+v", e, foreseen[0])
		}
		if e := got[1]; e.Err != nil || !e.Needless || e.After != 1 || !foreseen[1].Needless {
			t.Errorf("partition 1: %+v, foreseen %+v", e, foreseen[1])
		}
		// Of a partition with a leader there is nothing to elect, not even uncleanly.
		if got, err = c.ElectLeaders(ctx, topic, UncleanElection, []int32{0}); err != nil || !got[0].Needless {
			t.Errorf("%+v %v", got, err)
		}
		if got, err = c.ElectLeaders(ctx, topic, PreferredElection, []int32{7}); err != nil || got[7].Err == nil {
			t.Errorf("a partition that is not there: %+v %v", got, err)
		}
	})
}

func TestRealTruncation(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c := r.cluster
		name := topicName(t)
		mustCreate(t, c, NewTopic{Name: name, Partitions: 1, Replicas: 3})
		bootstrap := strings.Join(r.process.Bootstrap(), ",")
		producer := map[bool]string{true: "org.apache.kafka.tools.ConsoleProducer", false: "kafka.tools.ConsoleProducer"}[r.kraft]
		if _, err := r.process.ToolInput(ctx, []byte(strings.Repeat("record\n", 20)), producer, "--bootstrap-server", bootstrap, "--topic", name); err != nil {
			t.Fatal(err)
		}
		topic, _, err := c.Topic(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.DeleteRecords(ctx, topic, map[int32]int64{0: 7})
		if err != nil || got[0].Err != nil || got[0].Start != 7 {
			t.Fatalf("%+v %v", got, err)
		}
		out, err := r.process.Tool(ctx, "org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", bootstrap, "--topic", name, "--time", "-2")
		if err != nil || !strings.Contains(string(out), name+":0:7") {
			t.Errorf("kafka-get-offsets says %s %v", out, err)
		}
		if got, err = c.DeleteRecords(ctx, topic, map[int32]int64{0: 21}); err != nil || kafkaerr.CodeOf(got[0].Err) != 1 {
			t.Errorf("beyond the end: %+v %v", got, err)
		}
		if err := c.AlterTopicConfig(ctx, name, map[string]string{"cleanup.policy": "compact"}, nil, false); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the leader knows that the topic is compacted", func() bool {
			got, err = c.DeleteRecords(ctx, topic, map[int32]int64{0: 7})
			return err == nil && kafkaerr.CodeOf(got[0].Err) == kafkaerr.PolicyViolation
		})
	})
}

func TestRealEligibleLeaders(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		ctx := testContext(t)
		name := topicName(t)
		mustCreate(t, r.cluster, NewTopic{Name: name, Partitions: 2, Replicas: 3})
		eligible, err := r.cluster.EligibleLeaders(ctx, name)
		if !r.kraft {
			if !kafkaerr.IsNotSupported(err) {
				t.Errorf("with ZooKeeper: %v %v", eligible, err)
			}
			return
		}
		// All replicas are in sync, so none is eligible although it is not.
		if err != nil || len(eligible) != 0 {
			t.Errorf("%v %v", eligible, err)
		}
	})
}
