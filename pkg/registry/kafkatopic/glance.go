package kafkatopic

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/warning"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/table"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// snapshotAge is how old the metadata in lists may be.
const snapshotAge = 5 * time.Second

// glanceWait is how long a list waits for brokers before it goes on without.
const glanceWait = 300 * time.Millisecond

// ConvertToTable implements rest.TableConvertor. The live columns are from each cluster's metadata snapshot: a list asks a cluster once at
// most, whatever it has of topics, and does not wait for brokers that are away. A topic that is not the object's shows nothing of itself.
func (r *REST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	glances := r.plane.glanceAt(ctx, object)
	live := table.Convertor[*kafka.KafkaTopic]{Columns: topicTable.Columns, Rows: func(topic *kafka.KafkaTopic) [][]any {
		return topicRow(topic, glances[clusterOf(topic)])
	}}
	return live.ConvertToTable(ctx, object, options)
}

// glanceAt has the newest metadata of each cluster that topics of a list are on. The events of a watch make no question: they are many, and
// each is told at once.
func (p *plane) glanceAt(ctx context.Context, object runtime.Object) map[types.NamespacedName]*broker.Snapshot {
	wait := glanceWait
	if info, ok := genericapirequest.RequestInfoFrom(ctx); ok && info.Verb == "watch" {
		wait = 0
	}
	glances := map[types.NamespacedName]*broker.Snapshot{}
	note := func(obj runtime.Object) error {
		if topic, ok := obj.(*kafka.KafkaTopic); ok && topic.Spec.ClusterRef.Name != "" {
			glances[clusterOf(topic)] = nil
		}
		return nil
	}
	if meta.IsListType(object) {
		_ = meta.EachListItem(object, note) // note has no errors
	} else {
		_ = note(object)
	}
	var mu sync.Mutex
	var wg crash.Group
	for cluster := range glances {
		wg.Go(func() {
			snapshot := p.glance(ctx, cluster, wait)
			mu.Lock()
			defer mu.Unlock()
			glances[cluster] = snapshot
		})
	}
	wg.Wait()
	return glances
}

// glance is one cluster's newest snapshot, nil when there is none.
func (p *plane) glance(ctx context.Context, of types.NamespacedName, wait time.Duration) *broker.Snapshot {
	k, err := p.Clusters.Known(ctx, of.Namespace, of.Name)
	if err != nil {
		return nil
	}
	if ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ConditionReady); ready != nil && ready.Reason == target.ReasonClusterClaimed {
		// Whatever was seen there is another Kafka's.
		return nil
	}
	cluster, err := p.Clusters.Connect(k)
	if err != nil {
		// Not up yet, which the topics' conditions say.
		return nil
	}
	patience, why := wait, p.late.why(of, p.clock.Now())
	if why != nil {
		patience = 0
	}
	snapshot, err := cluster.Glance(ctx, snapshotAge, patience)
	switch {
	case patience > 0 && ctx.Err() == nil:
		p.late.note(of, err, p.clock.Now())
	case err != nil && why != nil:
		err = why
	}
	switch {
	case err == nil:
	case wait == 0:
		// An event is newer than what is old or from before a write.
		return nil
	case snapshot == nil:
		live.Warn(ctx, fmt.Sprintf("what the brokers of Kafka %s have is not known", of), err)
	default:
		warning.AddWarning(ctx, "", fmt.Sprintf("what the brokers of Kafka %s have is as of %s: %s", of, snapshot.At.UTC().Format(time.RFC3339), live.Line(err)))
	}
	return snapshot
}

// topicRow shows a topic with what its cluster's snapshot says of it.
func topicRow(topic *kafka.KafkaTopic, snapshot *broker.Snapshot) [][]any {
	rows := topicTable.Rows(topic)
	if snapshot == nil {
		return rows
	}
	have, found := snapshot.Topics[topic.TopicName()]
	if !found || !shown(topic, have.ID) {
		return rows
	}
	row := rows[0]
	row[columnPartitions], row[columnReplicas] = int64(have.Partitions), int64(have.Replicas)
	row[columnUnderReplicated], row[columnOffline] = int64(have.UnderReplicated), int64(have.WithoutLeader)
	return rows
}

// shown tells whether what brokers have under an object's name is shown to who reads the object: it has to be the one that the object has.
// Anybody can make an object of a name, and what somebody else has under it is not for him.
func shown(topic *kafka.KafkaTopic, have broker.TopicID) bool {
	return topics.Recorded(topic.Status.TopicID, topic.Status.Partitions, have) &&
		!says(topic, target.ReasonClusterClaimed) && !says(topic, topics.ReasonTopicExists)
}
