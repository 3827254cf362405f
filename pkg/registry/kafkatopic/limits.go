package kafkatopic

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

var partitionsField = field.NewPath("spec", "partitions")

// loadAge is how old the picture of a cluster may be against which a large request is held.
const loadAge = time.Minute

// tooMany says why the brokers are not asked to give a topic of have partitions as many as are wanted; nil when they are. Brokers make room
// for what they are asked for before they refuse it, which can end them. What a cluster holds is only looked at for large requests: it
// takes its whole metadata.
func (p *plane) tooMany(ctx context.Context, cluster *broker.Cluster, have, want, replicas int32, path *field.Path) *field.Error {
	if problem := topics.TooManyAtOnce(have, want); problem != "" {
		return field.Invalid(path, want, problem)
	}
	if want <= have || !topics.Large(want-have, replicas) {
		return nil
	}
	snapshot, err := cluster.Snapshot(ctx, loadAge)
	if err != nil {
		// Who cannot say what the cluster holds leaves it to the brokers.
		return nil
	}
	if problem := topics.LoadOf(snapshot).TooMany(want-have, replicas, p.replicasPerBroker); problem != "" {
		return field.Invalid(path, want, problem)
	}
	return nil
}
