package kafkatopic

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/brokertest"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Anybody can make an object of a name. What brokers have under it is shown of an object that has it.
func TestARowShowsTheObjectsOwnTopic(t *testing.T) {
	mine, other := broker.TopicID{1}, broker.TopicID{2}
	notReady := func(reason string) []metav1.Condition {
		var conditions []metav1.Condition
		meta.SetStatusCondition(&conditions, metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason})
		return conditions
	}
	for name, tc := range map[string]struct {
		status kafka.KafkaTopicStatus
		adopt  string
		have   broker.TopicID
		live   bool
	}{
		"its own":                      {status: kafka.KafkaTopicStatus{TopicID: mine.String(), Partitions: 2, Replicas: 2}, have: mine, live: true},
		"not adopted":                  {have: other},
		"not adopted, and named":       {adopt: other.String(), have: other},
		"not as the object says":       {status: kafka.KafkaTopicStatus{Conditions: notReady(topics.ReasonTopicExists)}, have: other},
		"replaced":                     {status: kafka.KafkaTopicStatus{TopicID: mine.String(), Partitions: 2, Replicas: 2, Conditions: notReady(topics.ReasonTopicReplaced)}, have: other},
		"replaced, and nobody says so": {status: kafka.KafkaTopicStatus{TopicID: mine.String(), Partitions: 2, Replicas: 2}, have: other},
		"replaced, and named":          {status: kafka.KafkaTopicStatus{TopicID: mine.String(), Partitions: 2, Replicas: 2}, adopt: other.String(), have: other},
		"on another Kafka's cluster":   {status: kafka.KafkaTopicStatus{TopicID: mine.String(), Partitions: 2, Replicas: 2, Conditions: notReady(target.ReasonClusterClaimed)}, have: mine},
		"without an id, recorded":      {status: kafka.KafkaTopicStatus{Partitions: 2, Replicas: 2}, live: true},
		"without an id, not recorded":  {},
		"without an id, as it had one": {status: kafka.KafkaTopicStatus{TopicID: mine.String(), Partitions: 2, Replicas: 2}, live: true},
		"recorded without an id":       {status: kafka.KafkaTopicStatus{Partitions: 2, Replicas: 2}, have: other},
	} {
		t.Run(name, func(t *testing.T) {
			topic := &kafka.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: "streams"}, Status: tc.status}
			topic.Spec.ClusterRef.Name, topic.Spec.AdoptTopicID = "k", tc.adopt
			have := broker.Topic{Name: "orders", ID: tc.have}
			for id := range int32(7) {
				have.Partitions = append(have.Partitions, broker.Partition{ID: id, Leader: -1, Replicas: []int32{0, 1, 2}, ISR: []int32{0}})
			}
			snapshot := brokertest.Snapshot(map[string]broker.Topic{"orders": have})
			row := topicRow(topic, &snapshot)[0]
			want := []any{number(tc.status.Partitions), number(tc.status.Replicas), unknown, unknown}
			if tc.live {
				want = []any{int64(7), int64(3), int64(7), int64(7)}
			}
			for i, column := range []int{columnPartitions, columnReplicas, columnUnderReplicated, columnOffline} {
				if row[column] != want[i] {
					t.Errorf("%s is %v, want %v", topicTable.Columns[column].Name, row[column], want[i])
				}
			}
		})
	}
}
