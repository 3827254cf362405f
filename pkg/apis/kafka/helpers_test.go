package kafka

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTopicNames(t *testing.T) {
	for _, tc := range []struct {
		name          string
		ref           ClusterReference
		topicName     string
		wantNamespace string
		wantDefault   string
		want          string
	}{
		{"in its own namespace by default", ClusterReference{Name: "k"}, "", "team-a", "orders", "orders"},
		{"in its own namespace by name", ClusterReference{Name: "k", Namespace: "team-a"}, "", "team-a", "orders", "orders"},
		{"from another namespace it is prefixed", ClusterReference{Name: "k", Namespace: "streams"}, "", "streams", "team-a.orders", "team-a.orders"},
		{"a chosen name wins", ClusterReference{Name: "k", Namespace: "streams"}, "Legacy_Orders", "streams", "team-a.orders", "Legacy_Orders"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			topic := &KafkaTopic{
				ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "orders"},
				Spec:       KafkaTopicSpec{ClusterRef: tc.ref, TopicName: tc.topicName},
			}
			if got := topic.ClusterNamespace(); got != tc.wantNamespace {
				t.Errorf("ClusterNamespace = %q, want %q", got, tc.wantNamespace)
			}
			if got := topic.DefaultTopicName(); got != tc.wantDefault {
				t.Errorf("DefaultTopicName = %q, want %q", got, tc.wantDefault)
			}
			if got := topic.TopicName(); got != tc.want {
				t.Errorf("TopicName = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestMode(t *testing.T) {
	for _, tc := range []struct {
		want ClusterMode
		spec KafkaSpec
	}{
		{ModeCombined, KafkaSpec{Brokers: &BrokersSpec{}}},
		{ModeDedicated, KafkaSpec{Brokers: &BrokersSpec{}, Controllers: &ControllersSpec{}}},
		{ModeZooKeeper, KafkaSpec{Brokers: &BrokersSpec{}, ZooKeeper: &ZooKeeperSpec{}}},
		{ModeExternal, KafkaSpec{External: &ExternalSpec{}}},
	} {
		if got := (&Kafka{Spec: tc.spec}).Mode(); got != tc.want {
			t.Errorf("Mode of %+v = %s, want %s", tc.spec, got, tc.want)
		}
	}
}
