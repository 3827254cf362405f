package target

import (
	"context"
	"fmt"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Pinned is the id of the cluster that an external Kafka stands for: the one that its spec names, or else the one that was the first to
// answer and to be its own. It is "" while neither is known. A name that leads to another cluster tomorrow, such as the one of a disaster
// recovery site, does not change what the Kafka is, and neither does another Kafka that claims the cluster.
func Pinned(kafka *v1beta1.Kafka) string {
	switch {
	case kafka.Spec.External == nil:
		return ""
	case kafka.Spec.External.ClusterID != "":
		return kafka.Spec.External.ClusterID
	case kafka.Status.PinnedClusterID == "" && !Claimed(kafka):
		// What a status says that was written before it had the other field.
		return kafka.Status.ClusterID
	}
	return kafka.Status.PinnedClusterID
}

// pin admits the cluster that a Kafka is pinned to.
type pin struct {
	kafka, id string
	// confirmed says that the spec names the cluster.
	confirmed bool
}

var _ broker.Gate = pin{}

// Admit implements broker.Gate. The error says that no broker of the Kafka is reached, which is what it is for all who want something of it.
func (p pin) Admit(_ context.Context, clusterID string) error {
	if clusterID == p.id {
		return nil
	}
	text := fmt.Sprintf("cluster %q answers and not %q, which this Kafka has been so far: nothing is read or written there, unless spec.external.clusterID is %[1]q",
		clusterID, p.id)
	if p.confirmed {
		text = fmt.Sprintf("cluster %q answers and not %q, which spec.external.clusterID says: nothing is read or written there", clusterID, p.id)
	}
	return &kafkaerr.UnreachableError{Cluster: p.kafka, Err: &kafkaerr.SecurityError{Reason: kafkaerr.ReasonClusterReplaced, Text: text}}
}
