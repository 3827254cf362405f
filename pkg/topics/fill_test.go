package topics

import (
	"slices"
	"testing"

	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

func TestFill(t *testing.T) {
	three, five := ptr.To[int32](3), ptr.To[int32](5)
	for _, tc := range []struct {
		rule                 string
		partitions, replicas *int32
		policy               v1beta1.TopicDeletionPolicy
		have                 OnBrokers
		takenOver            bool
		wantPartitions       *int32
		wantReplicas         *int32
		wantPolicy           v1beta1.TopicDeletionPolicy
		filled               []string
	}{
		{rule: "what is open becomes what is there", have: OnBrokers{Partitions: 3, Replicas: 5}, wantPartitions: three, wantReplicas: five, wantPolicy: v1beta1.TopicDelete,
			filled: []string{"partitions", "replicas", "deletionPolicy"}},
		{rule: "records of others stay", partitions: three, replicas: three, have: OnBrokers{Partitions: 3, Replicas: 3}, takenOver: true, wantPartitions: three, wantReplicas: three,
			wantPolicy: v1beta1.TopicRetain, filled: []string{"deletionPolicy"}},
		{rule: "partitions that were added outside are followed, other replicas are not", partitions: three, replicas: three, policy: v1beta1.TopicDelete, takenOver: true,
			have: OnBrokers{Partitions: 5, Replicas: 5}, wantPartitions: five, wantReplicas: three, wantPolicy: v1beta1.TopicDelete, filled: []string{"partitions"}},
		{rule: "a growth that is not done yet stays wanted", partitions: five, replicas: three, policy: v1beta1.TopicRetain, have: OnBrokers{Partitions: 3, Replicas: 3},
			wantPartitions: five, wantReplicas: three, wantPolicy: v1beta1.TopicRetain},
		{rule: "what is not known stays open", policy: v1beta1.TopicDelete, wantPolicy: v1beta1.TopicDelete},
	} {
		filled := Fill(Open[v1beta1.TopicDeletionPolicy]{&tc.partitions, &tc.replicas, &tc.policy}, tc.have, tc.takenOver)
		if !ptr.Equal(tc.partitions, tc.wantPartitions) || !ptr.Equal(tc.replicas, tc.wantReplicas) || tc.policy != tc.wantPolicy || !slices.Equal(filled, tc.filled) {
			t.Errorf("%s: %v, %v, %q, filled %v", tc.rule, tc.partitions, tc.replicas, tc.policy, filled)
		}
	}
	if filled := Fill(Open[kafka.TopicDeletionPolicy]{}, OnBrokers{Partitions: 3, Replicas: 3}, true); len(filled) > 0 {
		t.Errorf("of no fields, %v are filled", filled)
	}
}
