package topic

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// Reasons of the Ready condition. The first three are also the API server's.
const (
	reasonReady              = "Ready"
	reasonClusterUnreachable = "ClusterUnreachable"
	reasonNotApplied         = "NotApplied"
	reasonClusterNotFound    = "ClusterNotFound"
	reasonReplicasDiffer     = "ReplicasDiffer"
	reasonAdopting           = "Adopting"
)

// steps is what to do with a topic that is on the brokers.
type steps struct {
	// Grow is the number of partitions to grow to; 0 for none.
	Grow int32
	// Set and Remove are changes of settings.
	Set    map[string]string
	Remove []string
	// Differ says why the brokers do not have what the spec says although there is nothing left to do; "" when they do.
	Differ string
}

// decide compares a spec with the brokers. Partitions only grow: when the brokers have more, the spec follows (settle). Settings are the spec's, so a setting of the topic that the spec does not name goes.
func decide(spec *v1beta1.KafkaTopicSpec, have broker.Topic, config []broker.ConfigEntry) steps {
	var s steps
	partitions, replicas := int32(len(have.Partitions)), int32(have.ReplicationFactor())
	if want := ptr.Deref(spec.Partitions, 0); want > partitions {
		s.Grow = want
	}
	if spec.Replicas != nil && *spec.Replicas != replicas {
		s.Differ = fmt.Sprintf("%d replicas are wanted and each partition has %d: reassign the partitions", *spec.Replicas, replicas)
	}
	own := map[string]broker.ConfigEntry{}
	for _, entry := range config {
		if entry.Source != broker.SourceTopic {
			continue
		}
		own[entry.Name] = entry
		if _, wanted := spec.Config[entry.Name]; !wanted {
			s.Remove = append(s.Remove, entry.Name)
		}
	}
	for key, value := range spec.Config {
		if entry, set := own[key]; !set || entry.Null || entry.Value != value {
			if s.Set == nil {
				s.Set = map[string]string{}
			}
			s.Set[key] = value
		}
	}
	slices.Sort(s.Remove)
	return s
}

// upToDate tells whether the status says that the brokers have what the spec of today says.
func upToDate(topic *v1beta1.KafkaTopic) bool {
	ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && topic.Status.ObservedGeneration == topic.Generation
}
