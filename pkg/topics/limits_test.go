package topics

import (
	"strings"
	"testing"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

func TestTooManyAtOnce(t *testing.T) {
	for _, tc := range []struct {
		have, want int32
		says       string
	}{
		{0, 10_000, ""}, {0, 10_001, "at most 10000 partitions"}, {1, 10_001, ""}, {1, 10_002, "can have 10001 now"},
		{1, 2_000_000_000, "can have 10001 now"}, {2_147_483_647, 2_147_483_647, ""}, {5, 3, ""}, {0, 0, ""},
	} {
		if got := TooManyAtOnce(tc.have, tc.want); (got == "") != (tc.says == "") || !strings.Contains(got, tc.says) {
			t.Errorf("from %d to %d: %q, want %q", tc.have, tc.want, got, tc.says)
		}
	}
}

func TestAClusterTakesSoManyReplicas(t *testing.T) {
	orders := topic(3)
	snapshot := &broker.Snapshot{Brokers: map[int32]broker.BrokerInfo{0: {}, 2: {}}, Topics: map[string]broker.Topic{"orders": orders}}
	load := LoadOf(snapshot)
	// Broker 1 is away, and hosts replicas.
	if load != (Load{Brokers: 3, Replicas: 6}) {
		t.Fatalf("the load is %+v", load)
	}
	for _, tc := range []struct {
		partitions, replicas int32
		perBroker            int
		fits                 bool
	}{
		{3, 2, 4, true}, {4, 2, 4, false}, {7, 0, 4, false}, {6, 0, 4, true}, {0, 2, 1, true}, {1, 1, 0, true},
		{2_000_000_000, 32767, DefaultReplicasPerBroker, false}, {3998, 3, DefaultReplicasPerBroker, true}, {3999, 3, DefaultReplicasPerBroker, false},
	} {
		if got := load.TooMany(tc.partitions, tc.replicas, tc.perBroker); (got == "") != tc.fits {
			t.Errorf("%d partitions of %d replicas at %d a broker: %q", tc.partitions, tc.replicas, tc.perBroker, got)
		}
	}
}
