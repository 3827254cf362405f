package topic

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// Topics wait for what a Kafka is. When it is another cluster nobody asks the former one any more, and what was found out about that says nothing.
func TestTopicsWaitForWhatAKafkaIs(t *testing.T) {
	former, now := broker.Target{Key: "ns/k/uid/site"}, broker.Target{Key: "ns/k/uid/recovery"}
	other := broker.Target{Key: "ns/k/another-uid/site"}
	topic := types.NamespacedName{Namespace: "ns", Name: "orders"}
	why := errors.New("no broker answers")
	q := &unreachableQueue{}
	q.add(former, topic, why)
	if q.has(former) == nil || q.has(now) != nil || q.has(other) != nil {
		t.Errorf("the former cluster: %v, the one of now: %v, another Kafka's: %v", q.has(former), q.has(now), q.has(other))
	}
	q.add(now, topic, why)
	if due := q.due(); len(due) != 1 || due[0].Key != now.Key {
		t.Errorf("%+v are asked", due)
	}
	q.probed(now.Key)
	q.add(former, topic, why)
	if waited := q.release(now.Key); len(waited) != 1 || waited[0] != topic {
		t.Errorf("%v waited", waited)
	}
	if due := q.due(); len(due) != 0 {
		t.Errorf("%+v are asked for topics that wait no more", due)
	}
}
