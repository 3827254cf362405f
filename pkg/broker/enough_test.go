package broker

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// A controller refuses replicas for want of brokers. That passes where the cluster has as many brokers, however that is known, and does not where it
// has not.
func TestWantOfBrokersThatAreAwayPasses(t *testing.T) {
	fenced := func(b *bench) {
		b.kafka.ControlKey(int16(kmsg.DescribeCluster), func(request kmsg.Request) (kmsg.Response, error, bool) {
			b.kafka.KeepControl()
			response := request.ResponseKind().(*kmsg.DescribeClusterResponse)
			response.ClusterID, response.ControllerID = "id", 0
			host, port, _ := net.SplitHostPort(b.kafka.ListenAddrs()[0])
			number, _ := strconv.ParseInt(port, 10, 32)
			for id := range int32(3) {
				one := kmsg.NewDescribeClusterResponseBroker()
				one.NodeID, one.IsFenced, one.Host, one.Port = id, id > 0, host, int32(number)
				response.Brokers = append(response.Brokers, one)
			}
			return response, nil, true
		})
	}
	for name, tc := range map[string]struct {
		arrange  func(*bench)
		size     int
		replicas int16
		passes   bool
	}{
		"more than the cluster has":              {nil, 0, 3, false},
		"as many as are registered, most fenced": {fenced, 0, 3, true},
		"more than are registered":               {fenced, 0, 4, false},
		"as many as the cluster is to have":      {nil, 3, 3, true},
		"more than the cluster is to have":       {nil, 3, 4, false},
	} {
		for _, validateOnly := range []bool{false, true} {
			b := newBench(t, Options{}, kfake.NumBrokers(1))
			if tc.arrange != nil {
				tc.arrange(b)
			}
			c := b.gateway.Cluster(Target{Key: "streams/my-cluster/uid-1", Bootstrap: b.kafka.ListenAddrs(), Brokers: tc.size})
			_, err := c.CreateTopic(testContext(t), NewTopic{Name: "orders", Partitions: 1, Replicas: tc.replicas}, validateOnly)
			if passes := kafkaerr.IsTooFewBrokers(err); passes != tc.passes || !passes && kafkaerr.CodeOf(err) != kafkaerr.InvalidReplicationFactor {
				t.Errorf("%s, validate only %v: %v", name, validateOnly, err)
			}
		}
	}
}

// The brokers' default of replicas (3 of 3 brokers) is refused while one is away (ZooKeeper mode), or not registered yet (KRaft, first start).
func TestOpenReplicasWaitForBrokersThatAreAway(t *testing.T) {
	for name, text := range map[string]string{
		"ZooKeeper, rolling restart": "Replication factor: 3 larger than available brokers: 2.",
		"KRaft, first start":         "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 2 broker(s) are registered.",
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.NumBrokers(2))
			b.kafka.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
				b.kafka.KeepControl()
				response := request.ResponseKind().(*kmsg.CreateTopicsResponse)
				for _, topic := range request.(*kmsg.CreateTopicsRequest).Topics {
					refused := kmsg.NewCreateTopicsResponseTopic()
					refused.Topic, refused.ErrorCode, refused.ErrorMessage = topic.Topic, 38, &text
					response.Topics = append(response.Topics, refused)
				}
				return response, nil, true
			})
			c := b.gateway.Cluster(Target{Key: "streams/my-cluster/uid-1", Bootstrap: b.kafka.ListenAddrs(), Brokers: 3})
			for _, replicas := range []int16{3, -1} {
				_, err := c.CreateTopic(testContext(t), NewTopic{Name: "orders", Partitions: 1, Replicas: replicas}, false)
				if !kafkaerr.IsTooFewBrokers(err) {
					t.Errorf("replicas %d, cluster of 3 brokers: %v (permanent %v), want that it waits for brokers", replicas, err, kafkaerr.Permanent(err))
				}
			}
		})
	}
}

// While no broker serves the controller says only that. More replicas than the cluster has brokers are refused in words that say so, and nobody is told
// that brokers serve which do not.
func TestWhatIsSaidWhileNoBrokerServes(t *testing.T) {
	text := "Unable to replicate the partition 2 time(s): All brokers are currently fenced or in controlled shutdown."
	b := newBench(t, Options{}, kfake.NumBrokers(3))
	b.kafka.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		response := request.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, topic := range request.(*kmsg.CreateTopicsRequest).Topics {
			refused := kmsg.NewCreateTopicsResponseTopic()
			refused.Topic, refused.ErrorCode, refused.ErrorMessage = topic.Topic, kafkaerr.InvalidReplicationFactor, &text
			response.Topics = append(response.Topics, refused)
		}
		return response, nil, true
	})
	for replicas, want := range map[int16]string{2: "of which 0 of 3 serve", 9: "9 replicas are asked for, and the cluster has 3 brokers"} {
		_, err := b.cluster.CreateTopic(testContext(t), NewTopic{Name: "orders", Partitions: 1, Replicas: replicas}, false)
		if err == nil || !strings.Contains(err.Error(), want) || kafkaerr.IsTooFewBrokers(err) != (replicas == 2) {
			t.Errorf("replicas %d: %v, want %q", replicas, err, want)
		}
	}
}
