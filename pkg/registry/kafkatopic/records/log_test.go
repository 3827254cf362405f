package records

import (
	"testing"

	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// Whoever follows a topic wants all of it; whoever names a partition wants that one.
func TestWhatIsFollowed(t *testing.T) {
	ends := broker.Reading{From: map[int32]int64{0: 7}, Until: map[int32]int64{0: 9}, Epochs: map[int32]int32{0: 4}}
	all, one := endless(ends, &kafka.KafkaTopicLogOptions{Follow: true}), endless(ends, &kafka.KafkaTopicLogOptions{Follow: true, Partition: ptr.To[int32](0)})
	if all.Until != nil || !all.Added || all.From[0] != 7 || all.Epochs[0] != 4 {
		t.Errorf("a topic: %+v", all)
	}
	if one.Until != nil || one.Added || one.From[0] != 7 {
		t.Errorf("a partition: %+v", one)
	}
}
