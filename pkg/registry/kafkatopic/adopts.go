package kafkatopic

import (
	"context"
	"fmt"

	"k8s.io/apiserver/pkg/warning"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// warnAdoptsNothing tells who names a topic to take over, of an object that has its own, that there is none of the object's name with that id, and
// what the field does all the same. Who may name it has the right to all topics of the Kafka.
func warnAdoptsNothing(ctx context.Context, cluster *broker.Cluster, topic, before *kafka.KafkaTopic, have broker.Topic) {
	id := topic.Spec.AdoptTopicID
	if id == "" || id == before.Spec.AdoptTopicID || id == have.ID.String() {
		return
	}
	parsed, err := broker.ParseTopicID(id)
	if err != nil {
		return
	}
	other, found, err := cluster.TopicByID(ctx, parsed)
	if err != nil {
		klog.FromContext(ctx).Info("Whether there is a topic to take over is not told", "topic", klog.KObj(topic), "id", id, "err", err)
		return
	}
	whose := "no topic has this id"
	if found {
		whose = fmt.Sprintf("this is the id of topic %s", other.Name)
	}
	warning.AddWarning(ctx, "", fmt.Sprintf("spec.adoptTopicID: %s, and the object keeps its own, topic %s with id %s; should a topic of that name have the id %s one day, it is taken over in the place of that",
		whose, have.Name, have.ID, id))
}
