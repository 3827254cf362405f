package v1beta1

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTopicName(t *testing.T) {
	for _, tc := range []struct {
		name          string
		ref           ClusterReference
		topicName     string
		wantNamespace string
		want          string
	}{
		{"own namespace by default", ClusterReference{Name: "k"}, "", "team-a", "orders"},
		{"own namespace by name", ClusterReference{Name: "k", Namespace: "team-a"}, "", "team-a", "orders"},
		{"another namespace is prefixed", ClusterReference{Name: "k", Namespace: "streams"}, "", "streams", "team-a.orders"},
		{"an explicit name wins", ClusterReference{Name: "k", Namespace: "streams"}, "Legacy_Orders", "streams", "Legacy_Orders"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			topic := &KafkaTopic{
				ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "orders"},
				Spec:       KafkaTopicSpec{ClusterRef: tc.ref, TopicName: tc.topicName},
			}
			if got := ClusterNamespace(topic); got != tc.wantNamespace {
				t.Errorf("ClusterNamespace = %q, want %q", got, tc.wantNamespace)
			}
			if got := TopicName(topic); got != tc.want {
				t.Errorf("TopicName = %q, want %q", got, tc.want)
			}
		})
	}
}
