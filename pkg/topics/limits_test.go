package topics

import (
	"strings"
	"testing"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/brokertest"
)

func TestTooManyAtOnce(t *testing.T) {
	two := map[string]string{"retention.ms": "5", "cleanup.policy": "compact"}
	clears := map[string]string{"retention.ms": "5", "min.insync.replicas": "2"}
	for _, tc := range []struct {
		have, want int32
		config     map[string]string
		says       string
	}{
		{0, 9_999, nil, ""}, {0, 10_000, nil, "at most 9999 partitions"}, {0, 9_997, two, ""}, {0, 9_998, two, "with these settings can be created with at most 9997 partitions"},
		{1, 10_001, nil, ""}, {1, 10_001, two, ""}, {1, 10_002, nil, "can have 10001 now"},
		{1, 2_000_000_000, nil, "can have 10001 now"}, {2_147_483_647, 2_147_483_647, nil, ""}, {5, 3, nil, ""}, {0, 0, nil, ""}, {0, 9_997, clears, "at most 9996"}, {0, 9_996, clears, ""},
	} {
		if got := TooManyAtOnce(tc.have, tc.want, tc.config); (got == "") != (tc.says == "") || !strings.Contains(got, tc.says) {
			t.Errorf("from %d to %d: %q, want %q", tc.have, tc.want, got, tc.says)
		}
	}
}

func TestAClusterTakesSoManyReplicas(t *testing.T) {
	orders := topic(3)
	snapshot := brokertest.Snapshot(map[string]broker.Topic{"orders": orders})
	snapshot.Brokers = map[int32]broker.BrokerInfo{0: {}, 2: {}}
	load := LoadOf(&snapshot)
	// Broker 1 is away, and hosts replicas.
	if load != (Load{Brokers: 3, Replicas: 6}) {
		t.Fatalf("the load is %+v", load)
	}
	for _, tc := range []struct {
		partitions, replicas int32
		perBroker            int
		fits                 bool
	}{
		{3, 2, 4, true}, {4, 2, 4, false}, {3, 0, 4, false}, {2, 0, 4, true}, {0, 2, 3, true}, {0, 2, 2, false}, {1, 1, 0, true},
		{2_000_000_000, 32767, DefaultReplicasPerBroker, false}, {3998, 3, DefaultReplicasPerBroker, true}, {3999, 3, DefaultReplicasPerBroker, false},
	} {
		if got := load.TooMany(tc.partitions, tc.replicas, tc.perBroker); (got == "") != tc.fits {
			t.Errorf("%d partitions of %d replicas at %d a broker: %q", tc.partitions, tc.replicas, tc.perBroker, got)
		}
	}
}
